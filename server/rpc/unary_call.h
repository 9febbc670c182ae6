#pragma once

#include <google/protobuf/message.h>
#include <grpcpp/grpcpp.h>

#include <cstddef>
#include <functional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/rpc/call_gate.h"
#include "server/rpc/call_lanes.h"
#include "server/rpc/call_record.h"

namespace resnetd {

// Answers up to this size count for nothing: those of changes are smaller, and
// what was changed must not be answered as if there had been no room for it.
inline constexpr std::size_t kFreeAnswerBytes = 16U << 10U;

// One call of a unary method, from its bytes to its answer.
//
// Made by the method with `new`, handed to gRPC, deletes itself when the call
// is done. Accept() once, then Reply() or Fail() exactly once, from any thread.
// NOLINTNEXTLINE(cppcoreguidelines-virtual-class-destructor): ends itself.
class UnaryCall : public grpc::ServerUnaryReactor {
 public:
  // `method` is a literal; context and response are gRPC's and live as long as
  // the call.
  UnaryCall(CallEnvironment& environment, absl::string_view method,
            grpc::CallbackServerContext& context, grpc::ByteBuffer& response)
      : record_(environment, method, context), response_(response) {}

  // Admits the call and reads `request`, which is released, into `message`.
  // The errors of CallGate::Enter, and INVALID_ARGUMENT for bytes that are no
  // such message.
  absl::Status Accept(const grpc::ByteBuffer& request,
                      Availability availability,
                      google::protobuf::Message& message);

  // Sends `message`, which is accounted for in place of the request until the
  // client has it: the call fails as CallGate::Ticket::Cover() says when there
  // is no room for more than kFreeAnswerBytes.
  void Reply(const google::protobuf::Message& message);
  void Fail(const absl::Status& error) { End(error); }

  CallRecord& record() { return record_; }

  void OnCancel() override { record_.Cancel(); }
  void OnDone() override { delete this; }

 protected:
  ~UnaryCall() override = default;

 private:
  void End(const absl::Status& outcome) { Finish(record_.End(outcome)); }

  CallRecord record_;
  grpc::ByteBuffer& response_;
};

// A call that is answered on the spot: reads the request, calls `answer`.
template <typename Request, typename Response>
grpc::ServerUnaryReactor* AnswerNow(
    CallEnvironment& environment, absl::string_view method,
    grpc::CallbackServerContext& context, const grpc::ByteBuffer& request,
    grpc::ByteBuffer& response, Availability availability,
    const std::function<absl::StatusOr<Response>(const Request&)>& answer) {
  auto* call = new UnaryCall(environment, method, context, response);
  Request message;
  if (const absl::Status status = call->Accept(request, availability, message);
      !status.ok()) {
    call->Fail(status);
    return call;
  }
  if (const absl::StatusOr<Response> reply = answer(message); reply.ok()) {
    call->Reply(*reply);
  } else {
    call->Fail(reply.status());
  }
  return call;
}

// A call whose answer waits for the disk: `answer` runs in a lane. A call whose
// client went away before its turn is dropped; one that was begun is finished.
// Not thread-safe.
template <typename Request, typename Response>
class PooledCall final : public UnaryCall {
 public:
  using Answer =
      std::function<absl::StatusOr<Response>(const Request&, CallRecord&)>;
  using UnaryCall::UnaryCall;

  void Start(const grpc::ByteBuffer& request, Availability availability,
             CallLane& lane, Answer answer) {
    if (const absl::Status status = Accept(request, availability, message_);
        !status.ok()) {
      Fail(status);
      return;
    }
    answer_ = std::move(answer);
    if (absl::Status status = lane.Submit([this] { Run(); }); !status.ok()) {
      Fail(status);
    }
  }

 private:
  void Run() {
    if (record().cancelled()->load()) {
      Fail(record().Gone());
      return;
    }
    if (const absl::StatusOr<Response> reply = answer_(message_, record());
        reply.ok()) {
      Reply(*reply);
    } else {
      Fail(reply.status());
    }
  }

  Request message_;
  Answer answer_;
};

}  // namespace resnetd
