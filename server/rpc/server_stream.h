#pragma once

#include <google/protobuf/message.h>
#include <grpcpp/grpcpp.h>

#include <cstddef>
#include <functional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/rpc/call_gate.h"
#include "server/rpc/call_lanes.h"
#include "server/rpc/call_record.h"

namespace resnetd {

// One call of a method that answers with a stream: one message is on its way at
// a time, and the next one is made when the client has room for it.
//
// Made with `new`, handed to gRPC, deletes itself when the call is done.
// Accept() once, then Send() and Continue() in turns, End() exactly once and
// nothing after it. Not thread-safe: the call hands itself on, so that always
// one thread, one task or one message on its way carries it.
// NOLINTNEXTLINE(cppcoreguidelines-virtual-class-destructor): ends itself.
class ServerStream : public grpc::ServerWriteReactor<grpc::ByteBuffer> {
 public:
  // `method` is a literal; the context is gRPC's and lives as long as the call.
  ServerStream(CallEnvironment& environment, absl::string_view method,
               grpc::CallbackServerContext& context)
      : record_(environment, method, context) {}

  // Admits the call, which will hold `bytes` beside its request, and reads
  // `request`, which is released, into `message`. The errors of
  // CallGate::Enter, and INVALID_ARGUMENT for bytes that are no such message.
  absl::Status Accept(const grpc::ByteBuffer& request, std::size_t bytes,
                      Availability availability,
                      google::protobuf::Message& message);

  void OnCancel() override { record_.Cancel(); }
  void OnWriteDone(bool ok) final;
  void OnDone() override { delete this; }

 protected:
  ~ServerStream() override = default;

  CallRecord& record() { return record_; }
  bool is_gone() const { return record_.cancelled()->load(); }

  // Sends a message; OnSent() follows.
  void Send(const google::protobuf::Message& message);
  // The message was taken by the transport, or the client is gone. Runs in
  // gRPC's thread: it must not block.
  virtual void OnSent() = 0;
  // Carries on in `lane`; ends the call when that is full.
  void Continue(CallLane& lane, std::function<void()> step);
  void End(const absl::Status& outcome) { Finish(record_.End(outcome)); }

 private:
  CallRecord record_;
  // The message on its way.
  grpc::ByteBuffer bytes_;
};

}  // namespace resnetd
