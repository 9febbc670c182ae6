#pragma once

#include <google/protobuf/message.h>
#include <grpcpp/grpcpp.h>

#include <cstddef>
#include <functional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/rpc/call_gate.h"
#include "server/rpc/request_limits.h"
#include "server/serving/classify_types.h"
#include "server/telemetry/serving_metrics.h"

namespace resnetd {

// What every call of ours uses. Owned by GrpcServer; outlives all calls.
struct CallEnvironment {
  CallGate& gate;
  Telemetry& telemetry;
  const Clock& clock;
  RequestLimits limits;
  std::size_t max_response_bytes = 64U << 20U;
  // A flood of bad calls must not be a flood of log lines.
  LogLimiter failures{100};
};

// One call of a unary method, from its bytes to its answer: admission, parsing,
// request id, trace context, metrics, log line, error details. Every method of
// resnetd.v1 goes through here.
//
// Made by the method with `new`, handed to gRPC, deletes itself when the call
// is done. Accept() once, then Reply() or Fail() exactly once, from any thread.
// NOLINTNEXTLINE(cppcoreguidelines-virtual-class-destructor): ends itself.
class UnaryCall : public grpc::ServerUnaryReactor {
 public:
  // `method` is a literal; context and response are gRPC's and live as long as
  // the call.
  UnaryCall(CallEnvironment& environment, absl::string_view method,
            grpc::CallbackServerContext& context, grpc::ByteBuffer& response);

  // Admits the call and reads `request`, which is released, into `message`.
  // The errors of CallGate::Enter, and INVALID_ARGUMENT for bytes that are no
  // such message.
  absl::Status Accept(const grpc::ByteBuffer& request,
                      Availability availability,
                      google::protobuf::Message& message);

  void Reply(const google::protobuf::Message& message);
  void Fail(const absl::Status& error);

  // Replaces the id that the call got on arrival, if `id` is a valid one.
  void UseRequestId(absl::string_view id);
  const std::string& request_id() const { return request_id_; }
  SteadyTime arrived() const { return arrived_; }
  const CancelFlag& cancelled() const { return cancelled_; }
  grpc::CallbackServerContext& context() { return context_; }
  CallEnvironment& environment() { return environment_; }
  CallGate::Ticket& ticket() { return ticket_; }
  // For the log line.
  void set_images(std::size_t images) { images_ = images; }

  void OnCancel() override;
  void OnDone() override { delete this; }

 protected:
  ~UnaryCall() override = default;

 private:
  // Ends the call for metrics, log and client.
  void End(const absl::Status& outcome);
  void LogEnd(const absl::Status& outcome, Duration took);

  CallEnvironment& environment_;
  const absl::string_view method_;
  grpc::CallbackServerContext& context_;
  grpc::ByteBuffer& response_;
  const SteadyTime arrived_;
  const CancelFlag cancelled_;
  std::string request_id_;
  std::string trace_id_;
  std::size_t images_ = 0;
  CallGate::Ticket ticket_;
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

}  // namespace resnetd
