#pragma once

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/repeated_field.h>

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "resnetd/v1/classification_service.pb.h"
#include "server/base/clock.h"
#include "server/rpc/call_gate.h"
#include "server/rpc/request_limits.h"
#include "server/serving/classifier.h"
#include "server/serving/classify_types.h"

namespace resnetd {

using ImageList = google::protobuf::RepeatedPtrField<v1::Image>;

// Checks everything of a request but what only the model knows, and makes the
// domain's request of it; request_id, arrived, deadline and cancelled are left
// to the caller. Encoded images and tensors are not copied: they point into
// `message`, which has to stay as it is until the answer.
//
// INVALID_ARGUMENT with every violation of the whole request at once. An image
// that breaks a rule becomes an absl::Status in its place; it fails the whole
// request when it is the only one or with fail_fast.
absl::StatusOr<ClassifyRequest> ToClassifyRequest(
    const v1::ClassifyRequest& message, const RequestLimits& limits);
// A request for embeddings alone.
absl::StatusOr<ClassifyRequest> ToClassifyRequest(
    const v1::EmbedRequest& message, const RequestLimits& limits);

// The domain's value; PRIORITY_UNSPECIFIED is NORMAL, nullopt: no value of the
// proto.
std::optional<Priority> ToPriority(std::uint32_t value);

// OK for an id of printable ASCII within the limit; the empty id is one.
// INVALID_ARGUMENT otherwise.
absl::Status CheckRequestId(absl::string_view request_id,
                            const RequestLimits& limits);

// How long a request may take. INVALID_ARGUMENT: it is negative, or no valid
// Duration.
absl::StatusOr<Duration> ToTimeout(const google::protobuf::Duration& timeout);

// Memory that `images` will take beside the message: copies of raw images, and
// what tensors become.
std::size_t RawPixelBytes(const ImageList& images);

// Frees the raw images; ToClassifyRequest has copied them.
void DropRawImages(ImageList& images);

// ToClassifyRequest() of a request whose ticket pays for the memory that it
// takes, also once its pictures are as large as the network of `classifier`
// reads them. RESOURCE_EXHAUSTED when there is no room.
template <typename Message>
absl::StatusOr<ClassifyRequest> TakeRequest(Message& message,
                                            const RequestLimits& limits,
                                            const Classifier& classifier,
                                            CallGate::Ticket& ticket) {
  if (absl::Status room = ticket.Charge(RawPixelBytes(message.images()));
      !room.ok()) {
    return room;
  }
  absl::StatusOr<ClassifyRequest> request = ToClassifyRequest(message, limits);
  if (!request.ok()) {
    return request;
  }
  DropRawImages(*message.mutable_images());
  if (absl::Status room = ticket.Charge(classifier.PixelBytes(*request));
      !room.ok()) {
    return room;
  }
  return request;
}

}  // namespace resnetd
