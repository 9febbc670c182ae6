#include "server/rpc/unary_call.h"

#include "server/base/status_macros.h"

namespace resnetd {

absl::Status UnaryCall::Accept(const grpc::ByteBuffer& request,
                               Availability availability,
                               google::protobuf::Message& message) {
  RETURN_IF_ERROR(record_.Enter(request.Length(), availability));
  return ParseMessage(request, message);
}

void UnaryCall::Reply(const google::protobuf::Message& message) {
  End(SerializeMessage(message, record_.environment().max_response_bytes,
                       response_));
}

}  // namespace resnetd
