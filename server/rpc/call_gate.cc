#include "server/rpc/call_gate.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"

namespace resnetd {
namespace {

// Long enough that a refused client does not come back at once, short beside
// the time of a call.
constexpr Duration kRetryWhenFull = std::chrono::milliseconds(100);
// Models load in seconds; another server may answer at once.
constexpr Duration kRetryWhenNotServing = std::chrono::seconds(1);
// What a client may have whatever others have: enough for a few callers behind
// one address, and for a picture as cameras take them; 256 and 32 such clients
// fill a server of the default limits.
constexpr std::size_t kAssuredCalls = 16;
constexpr std::size_t kAssuredBytes = 16U << 20U;

// A limit, by its flag.
struct Cap {
  absl::string_view flag;
  std::size_t limit = 0;
};

// That which `reason` names.
Cap CapOf(CallRefusal reason, const CallLimits& limits) {
  switch (reason) {
    case CallRefusal::kMaxCallsPerConnection:
      return {"max-calls-per-connection", limits.max_calls_per_connection};
    case CallRefusal::kMaxCallsPerClient:
      return {"max-calls-per-client", limits.max_calls_per_client};
    case CallRefusal::kMaxBytesHeld:
      return {"max-bytes-held", limits.max_bytes_held};
    case CallRefusal::kMaxBytesHeldPerClient:
      return {"max-bytes-held-per-client", limits.max_bytes_held_per_client};
    default:
      return {"max-calls", limits.max_calls};
  }
}

// A call that would not even fit if it were alone.
absl::Status TooLarge(std::size_t needed, const Cap& cap) {
  return Error(absl::StatusCode::kInvalidArgument, Reason::kLimitExceeded,
               absl::StrCat("the call needs ", needed,
                            " bytes of memory, more than the limit of ",
                            cap.limit, " (--", cap.flag,
                            "): send fewer images, or less, in one call"))
      .Metadata("limit_name", cap.flag)
      .Metadata("limit", absl::StrCat(cap.limit))
      .Metadata("value", absl::StrCat(needed));
}

}  // namespace

std::size_t ShareOf(std::size_t most, std::size_t taken, std::size_t assured) {
  return std::max(assured, most - std::min(most, taken));
}

absl::Status NotServing(ServingState state) {
  if (state == ServingState::kStarting) {
    return Error(absl::StatusCode::kUnavailable, Reason::kStarting,
                 "the server is starting; try again in a moment")
        .RetryAfter(kRetryWhenNotServing);
  }
  return Error(absl::StatusCode::kUnavailable, Reason::kDraining,
               "the server is shutting down; try another one")
      .RetryAfter(kRetryWhenNotServing);
}

CallGate::CallGate(const CallLimits& limits, ServingState state,
                   OnFlood on_flood, GateMetrics& metrics)
    : limits_(limits),
      on_flood_(std::move(on_flood)),
      metrics_(metrics),
      state_(state) {
  metrics_.SetBytesLimit(limits.max_bytes_held);
}

CallGate::Ticket::Ticket(Ticket&& other) noexcept
    : gate_(std::exchange(other.gate_, nullptr)),
      caller_(std::move(other.caller_)),
      bytes_(std::exchange(other.bytes_, 0)),
      is_answered_(std::exchange(other.is_answered_, false)) {}

CallGate::Ticket& CallGate::Ticket::operator=(Ticket&& other) noexcept {
  std::swap(gate_, other.gate_);
  std::swap(caller_, other.caller_);
  std::swap(bytes_, other.bytes_);
  std::swap(is_answered_, other.is_answered_);
  return *this;
}

CallGate::Ticket::~Ticket() {
  if (gate_ != nullptr) {
    gate_->Leave(*this);
  }
}

absl::Status CallGate::Ticket::Charge(std::size_t bytes) {
  RETURN_IF_ERROR(gate_->CheckSize(bytes_ + bytes));
  absl::Status status = gate_->Reserve(caller_, bytes);
  if (status.ok()) {
    bytes_ += bytes;
  }
  return status;
}

absl::Status CallGate::Ticket::Cover(std::size_t bytes) {
  return gate_ == nullptr || bytes <= bytes_ ? absl::OkStatus()
                                             : Charge(bytes - bytes_);
}

void CallGate::Ticket::Answered() {
  if (gate_ != nullptr && !is_answered_) {
    is_answered_ = true;
    gate_->Answer(caller_);
  }
}

CallGate::Client CallGate::OfClient(const Caller& caller) const {
  const auto at = by_client_.find(caller.identity);
  return at == by_client_.end() ? Client{} : at->second;
}

absl::Status CallGate::Refuse(CallRefusal reason,
                              absl::string_view what) const {
  metrics_.CountRefused(reason);
  const Cap cap = CapOf(reason, limits_);
  return Error(absl::StatusCode::kResourceExhausted, Reason::kOverloaded,
               absl::StrCat(what, " (limit ", cap.limit, ", --", cap.flag,
                            "); try again in 100 ms"))
      .Metadata("limit_name", cap.flag)
      .Metadata("limit", absl::StrCat(cap.limit))
      .RetryAfter(kRetryWhenFull);
}

absl::Status CallGate::CheckCalls(const Caller& caller) const {
  if (calls_ >= limits_.max_calls) {
    return Refuse(CallRefusal::kMaxCalls, "too many calls are in flight");
  }
  const auto at = by_connection_.find(caller.connection);
  if (at != by_connection_.end() && at->second.calls - at->second.answered >=
                                        limits_.max_calls_per_connection) {
    return Refuse(CallRefusal::kMaxCallsPerConnection,
                  "too many calls of this connection are in flight");
  }
  const std::size_t own = OfClient(caller).calls;
  if (own >= limits_.max_calls_per_client) {
    return Refuse(CallRefusal::kMaxCallsPerClient,
                  "too many calls of this client are in flight");
  }
  // A client that is alone takes nothing from anybody.
  if (own < calls_ &&
      own >= ShareOf(limits_.max_calls, calls_, kAssuredCalls)) {
    return Refuse(
        CallRefusal::kMaxCalls,
        "this client has more calls in flight than are left for others");
  }
  return absl::OkStatus();
}

absl::Status CallGate::CheckSize(std::size_t bytes) const {
  // The smaller one: it is what has to be met.
  const Cap cap =
      CapOf(limits_.max_bytes_held <= limits_.max_bytes_held_per_client
                ? CallRefusal::kMaxBytesHeld
                : CallRefusal::kMaxBytesHeldPerClient,
            limits_);
  if (bytes <= cap.limit) {
    return absl::OkStatus();
  }
  metrics_.CountRefused(CallRefusal::kTooLarge);
  return TooLarge(bytes, cap);
}

absl::Status CallGate::CheckRoom(const Caller& caller,
                                 std::size_t bytes) const {
  if (bytes > limits_.max_bytes_held - bytes_held_) {
    return Refuse(CallRefusal::kMaxBytesHeld,
                  "the requests in flight hold too many bytes");
  }
  const std::size_t held = OfClient(caller).bytes_held;
  if (bytes > 0 && held + bytes > limits_.max_bytes_held_per_client) {
    return Refuse(CallRefusal::kMaxBytesHeldPerClient,
                  "the requests of this client in flight hold too many bytes");
  }
  // Whoever holds nothing may take what is left, and who is alone all of it.
  if (bytes > 0 && held > 0 && held < bytes_held_ &&
      held + bytes >
          ShareOf(limits_.max_bytes_held, bytes_held_ + bytes, kAssuredBytes)) {
    return Refuse(CallRefusal::kMaxBytesHeld,
                  "the requests of this client in flight hold more bytes than "
                  "are left for others");
  }
  return absl::OkStatus();
}

absl::StatusOr<CallGate::Ticket> CallGate::Enter(const Caller& caller,
                                                 std::size_t bytes,
                                                 Availability availability) {
  absl::StatusOr<Ticket> ticket;
  bool floods = false;
  {
    MutexLock lock(mutex_);
    if (state_ != ServingState::kServing &&
        availability == Availability::kWhenServing) {
      metrics_.CountRefused(state_ == ServingState::kStarting
                                ? CallRefusal::kStarting
                                : CallRefusal::kDraining);
      return NotServing(state_);
    }
    ticket = LetIn(caller, bytes);
    floods = !ticket.ok() && CountRefusal(caller);
  }
  if (floods && on_flood_) {
    on_flood_(caller.connection);
  }
  return ticket;
}

bool CallGate::CountRefusal(const Caller& caller) {
  const auto at = by_connection_.find(caller.connection);
  if (caller.is_part || at == by_connection_.end() ||
      at->second.streams - at->second.answered <
          limits_.max_streams_per_connection) {
    return false;
  }
  return ++at->second.ignored == limits_.max_streams_per_connection;
}

absl::StatusOr<CallGate::Ticket> CallGate::LetIn(const Caller& caller,
                                                 std::size_t bytes) {
  RETURN_IF_ERROR(CheckSize(bytes));
  RETURN_IF_ERROR(CheckCalls(caller));
  RETURN_IF_ERROR(CheckRoom(caller, bytes));
  ++calls_;
  SetBytesHeld(bytes_held_ + bytes);
  Connection& connection = by_connection_[caller.connection];
  ++connection.calls;
  if (!caller.is_part) {
    ++connection.streams;
    connection.ignored = 0;
  }
  Client& client = by_client_[caller.identity];
  ++client.calls;
  client.bytes_held += bytes;
  return Ticket(*this, caller, bytes);
}

void CallGate::SetState(ServingState state) {
  MutexLock lock(mutex_);
  if (state_ != ServingState::kDraining) {
    state_ = state;
  }
}

ServingState CallGate::state() const {
  MutexLock lock(mutex_);
  return state_;
}

bool CallGate::WaitUntilIdle(SteadyTime deadline) {
  MutexLock lock(mutex_);
  while (calls_ > 0) {
    if (std::chrono::steady_clock::now() >= deadline) {
      return false;
    }
    idle_.WaitUntil(mutex_, deadline);
  }
  return true;
}

std::size_t CallGate::calls() const {
  MutexLock lock(mutex_);
  return calls_;
}

std::size_t CallGate::bytes_held() const {
  MutexLock lock(mutex_);
  return bytes_held_;
}

absl::Status CallGate::Reserve(const Caller& caller, std::size_t bytes) {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(CheckRoom(caller, bytes));
  SetBytesHeld(bytes_held_ + bytes);
  // It is in flight, so it is there.
  by_client_[caller.identity].bytes_held += bytes;
  return absl::OkStatus();
}

void CallGate::SetBytesHeld(std::size_t bytes) {
  bytes_held_ = bytes;
  metrics_.SetBytesHeld(bytes);
}

void CallGate::Answer(const Caller& caller) {
  MutexLock lock(mutex_);
  // It is in flight, so it is there.
  ++by_connection_[caller.connection].answered;
}

void CallGate::Leave(const Ticket& ticket) {
  const Caller& caller = ticket.caller_;
  MutexLock lock(mutex_);
  --calls_;
  SetBytesHeld(bytes_held_ - ticket.bytes_);
  const auto at = by_connection_.find(caller.connection);
  at->second.streams -= caller.is_part ? 0 : 1;
  at->second.answered -= ticket.is_answered_ ? 1 : 0;
  if (--at->second.calls == 0) {
    by_connection_.erase(at);
  }
  const auto client = by_client_.find(caller.identity);
  client->second.bytes_held -= ticket.bytes_;
  if (--client->second.calls == 0) {
    by_client_.erase(client);
  }
  if (calls_ == 0) {
    idle_.NotifyAll();
  }
}

}  // namespace resnetd
