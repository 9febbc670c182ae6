#include "server/rpc/unary_call.h"

#include <cstddef>

#include "server/base/status_macros.h"

namespace resnetd {

absl::Status UnaryCall::Accept(const grpc::ByteBuffer& request,
                               Availability availability,
                               google::protobuf::Message& message) {
  RETURN_IF_ERROR(record_.Enter(request.Length(), availability));
  return ParseMessage(request, message);
}

void UnaryCall::Reply(const google::protobuf::Message& message) {
  absl::Status outcome = SerializeMessage(
      message, record_.environment().max_response_bytes, response_);
  if (const std::size_t bytes = response_.Length();
      outcome.ok() && bytes > kFreeAnswerBytes) {
    outcome = record_.ticket().Cover(bytes);
  }
  if (!outcome.ok()) {
    response_.Clear();
  }
  End(outcome);
}

}  // namespace resnetd
