#include "server/rpc/classify_outline.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <grpcpp/support/proto_buffer_reader.h>

#include <cstdint>
#include <utility>

#include "absl/status/statusor.h"
#include "resnetd/v1/classification_service.pb.h"
#include "server/rpc/convert_request.h"

namespace resnetd {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

// Names and ids are shorter: longer ones are refused when they are read.
constexpr std::uint32_t kMaxText = 1024;

struct Fields {
  std::string model;
  std::string request_id;
  std::uint32_t priority = v1::PRIORITY_UNSPECIFIED;
  std::size_t images = 0;
};

bool ReadText(CodedInputStream& input, std::string& text) {
  std::uint32_t size = 0;
  return input.ReadVarint32(&size) && size <= kMaxText &&
         input.ReadString(&text, static_cast<int>(size));
}

bool SkipPicture(CodedInputStream& input, std::size_t& images) {
  ++images;
  std::uint32_t size = 0;
  return input.ReadVarint32(&size) && input.Skip(static_cast<int>(size));
}

bool ReadField(CodedInputStream& input, std::uint32_t tag,
               const OutlineFields& numbers, Fields& fields) {
  const bool is_bytes = WireFormatLite::GetTagWireType(tag) ==
                        WireFormatLite::WIRETYPE_LENGTH_DELIMITED;
  const int number = WireFormatLite::GetTagFieldNumber(tag);
  if (number == numbers.model) {
    return is_bytes && ReadText(input, fields.model);
  }
  if (number == numbers.request_id) {
    return is_bytes && ReadText(input, fields.request_id);
  }
  if (number == numbers.images) {
    return is_bytes && SkipPicture(input, fields.images);
  }
  if (number == numbers.priority) {
    return WireFormatLite::GetTagWireType(tag) ==
               WireFormatLite::WIRETYPE_VARINT &&
           input.ReadVarint32(&fields.priority);
  }
  return WireFormatLite::SkipField(&input, tag);
}

std::optional<Fields> ReadFields(grpc::ByteBuffer& bytes,
                                 const OutlineFields& numbers) {
  grpc::ProtoBufferReader reader(&bytes);
  if (!reader.status().ok()) {
    return std::nullopt;
  }
  CodedInputStream input(&reader);
  Fields fields;
  while (const std::uint32_t tag = input.ReadTag()) {
    if (!ReadField(input, tag, numbers, fields)) {
      return std::nullopt;
    }
  }
  if (!input.ConsumedEntireMessage()) {
    return std::nullopt;
  }
  return fields;
}

}  // namespace

std::optional<ReadOutline> OutlineOf(const grpc::ByteBuffer& bytes,
                                     const OutlineFields& fields) {
  if (!bytes.Valid()) {
    return std::nullopt;
  }
  // The reader takes references to the buffer's slices and changes none.
  std::optional<Fields> read =
      ReadFields(const_cast<grpc::ByteBuffer&>(bytes), fields);
  if (!read) {
    return std::nullopt;
  }
  absl::StatusOr<ModelReference> model = ParseModelReference(read->model);
  const std::optional<Priority> priority = ToPriority(read->priority);
  if (!model.ok() || !priority) {
    return std::nullopt;
  }
  return ReadOutline{.outline = {.model = *std::move(model),
                                 .priority = *priority,
                                 .images = read->images,
                                 .bytes = bytes.Length()},
                     .request_id = std::move(read->request_id)};
}

}  // namespace resnetd
