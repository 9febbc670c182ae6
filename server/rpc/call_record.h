#pragma once

#include <google/protobuf/message.h>
#include <grpcpp/grpcpp.h>

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/rpc/access.h"
#include "server/rpc/call_gate.h"
#include "server/rpc/mutation_of.h"
#include "server/rpc/open_calls.h"
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
  // See GrpcServerOptions.
  bool is_replica = false;
  // Null: nobody is asked for credentials.
  const AccessControl* access = nullptr;
  OpenCalls open_calls = {};
  // A flood of bad calls must not be a flood of log lines.
  LogLimiter failures{100};
};

// What every call has, be it unary or a stream: who calls and whether they may,
// admission, request id, trace context, metrics, one log line, the wire form of
// its error. A part of
// UnaryCall, ServerStream and ImportCall; every method of resnetd.v1 goes
// through one.
//
// Enter() once, End() exactly once. Not thread-safe, but for cancelled() and
// Cancel(): a call hands itself from thread to thread.
class CallRecord {
 public:
  // `method` is a literal; `context` is gRPC's and lives as long as the call.
  CallRecord(CallEnvironment& environment, absl::string_view method,
             grpc::CallbackServerContext& context);
  CallRecord(const CallRecord&) = delete;
  CallRecord& operator=(const CallRecord&) = delete;

  // Admits the call, which holds `bytes`. The errors of AccessList::Identify
  // and CheckRole, then those of CallGate::Enter.
  absl::Status Enter(std::size_t bytes, Availability availability);

  // Lets something in that is part of this call and counts like a call of its
  // own: a message of a stream. The errors of CallGate::Enter. Thread-safe.
  absl::StatusOr<CallGate::Ticket> EnterPart(std::size_t bytes,
                                             Availability availability) const;

  // Replaces the id that the call got on arrival, if `id` is a valid one.
  // Before AnnounceRequestId().
  void UseRequestId(absl::string_view id);
  // Puts the request id among the initial metadata, once; before the first
  // message is sent. End() does it for calls that send none before.
  void AnnounceRequestId();

  // Puts the server's default deadline among the initial metadata; before they
  // are sent.
  void AnnounceDefaultDeadline();

  // Ends the call for metrics and log; the status for gRPC's Finish(). A call
  // that was cancelled as its credentials were taken back ends as Gone() says.
  grpc::Status End(const absl::Status& said);

  // Why a call is not carried on whose flag is set: its client is gone,
  // CANCELLED, or DEADLINE_EXCEEDED when its deadline has passed; or what it
  // was let in with was taken back, see OpenCalls::Call::revoked().
  absl::Status Gone() const;
  // Whether it was.
  bool is_revoked() const;
  // When the client stops waiting, for calls that may take as long as that: a
  // year from now where it did not say, or is further away.
  SteadyTime ClientDeadline() const;
  void Cancel() { cancelled_->store(true); }
  // Set when nobody waits for the answer any more, or nobody may have it.
  const CancelFlag& cancelled() const { return cancelled_; }

  const std::string& request_id() const { return request_id_; }
  // Who calls: the principal of its credentials, else see IdentityOfPeer().
  const std::string& identity() const { return identity_; }
  // For the audit: the principal, or "anonymous".
  const std::string& actor() const { return actor_; }
  SteadyTime arrived() const { return arrived_; }
  grpc::CallbackServerContext& context() { return context_; }
  CallEnvironment& environment() { return environment_; }
  CallGate::Ticket& ticket() { return ticket_; }
  // For the log line: how much of what (a literal) the call was about.
  void set_amount(absl::string_view what, std::size_t amount) {
    amount_of_ = what;
    amount_ = amount;
  }

 private:
  // Whether the call may be made; sets identity_ and actor_ when it is known
  // who makes it.
  absl::Status Authorise();
  void LogEnd(const absl::Status& outcome, Duration took);

  CallEnvironment& environment_;
  const absl::string_view method_;
  grpc::CallbackServerContext& context_;
  const SteadyTime arrived_;
  const CancelFlag cancelled_;
  std::string identity_;
  std::string actor_ = kAnonymous;
  // Null: the server asks nobody, or the call brought nothing to ask about.
  std::shared_ptr<OpenCalls::Call> open_;
  // What Authorise() said.
  const absl::Status allowed_;
  std::string request_id_;
  bool announced_ = false;
  std::string trace_id_;
  absl::string_view amount_of_ = "images";
  std::size_t amount_ = 0;
  CallGate::Ticket ticket_;
};

// Reads `bytes`, which are released, into `message`. INVALID_ARGUMENT for
// bytes that are no such message, CANCELLED where there are none.
absl::Status ParseMessage(const grpc::ByteBuffer& bytes,
                          google::protobuf::Message& message);

// `field`, which may be a message of a stream, is wrong, missing or out of
// place: INVALID_ARGUMENT (REQUEST_INVALID) with one violation.
absl::Status BadPart(absl::string_view field, absl::string_view text);

// Writes `message` into `bytes`. INVALID_ARGUMENT (LIMIT_EXCEEDED) for more
// than `max_bytes`.
absl::Status SerializeMessage(const google::protobuf::Message& message,
                              std::size_t max_bytes, grpc::ByteBuffer& bytes);

}  // namespace resnetd
