#include "server/rpc/server_stream.h"

#include <utility>

#include "server/base/status_macros.h"

namespace resnetd {

absl::Status ServerStream::Accept(const grpc::ByteBuffer& request,
                                  std::size_t bytes, Availability availability,
                                  google::protobuf::Message& message) {
  RETURN_IF_ERROR(record_.Enter(request.Length() + bytes, availability));
  return ParseMessage(request, message);
}

void ServerStream::OnWriteDone(bool ok) {
  bytes_.Clear();
  if (!ok) {
    record_.Cancel();
  }
  OnSent();
}

void ServerStream::Send(const google::protobuf::Message& message) {
  if (const absl::Status status = SerializeMessage(
          message, record_.environment().max_response_bytes, bytes_);
      !status.ok()) {
    End(status);
    return;
  }
  record_.AnnounceRequestId();
  StartWrite(&bytes_);
}

void ServerStream::Continue(CallLane& lane, std::function<void()> step) {
  if (const absl::Status status = lane.Submit(std::move(step)); !status.ok()) {
    End(status);
  }
}

}  // namespace resnetd
