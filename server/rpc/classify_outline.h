#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <optional>
#include <string>

#include "server/serving/classifier.h"

namespace resnetd {

// What can be told of a Classify call without reading its pictures.
struct ReadOutline {
  // Deadline and identity are left to the caller.
  ClassifyOutline outline;
  std::string request_id;
};

// Where a message has what an outline tells.
struct OutlineFields {
  int model = 0;
  int images = 0;
  int request_id = 0;
  int priority = 0;
};

// Those of v1::ClassifyRequest or v1::EmbedRequest.
template <typename Message>
constexpr OutlineFields FieldsOf() {
  return {.model = Message::kModelFieldNumber,
          .images = Message::kImagesFieldNumber,
          .request_id = Message::kRequestIdFieldNumber,
          .priority = Message::kPriorityFieldNumber};
}

// Walks over the fields of such a message in `bytes`, which stay as they are;
// pictures are counted and skipped, nothing of them is copied. Absent for
// anything that is not plainly right, which a whole look at it will name.
std::optional<ReadOutline> OutlineOf(const grpc::ByteBuffer& bytes,
                                     const OutlineFields& fields);

}  // namespace resnetd
