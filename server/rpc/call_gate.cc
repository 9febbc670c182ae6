#include "server/rpc/call_gate.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/error.h"

namespace resnetd {
namespace {

// Long enough that a refused client does not come back at once, short beside
// the time of a call.
constexpr Duration kRetryWhenFull = std::chrono::milliseconds(100);
// Models load in seconds; another server may answer at once.
constexpr Duration kRetryWhenNotServing = std::chrono::seconds(1);

absl::Status Full(absl::string_view what, absl::string_view flag,
                  std::size_t limit) {
  return Error(absl::StatusCode::kResourceExhausted, Reason::kOverloaded,
               absl::StrCat(what, " (limit ", limit, ", --", flag,
                            "); try again in 100 ms"))
      .Metadata("limit_name", flag)
      .Metadata("limit", absl::StrCat(limit))
      .RetryAfter(kRetryWhenFull);
}

absl::Status NoRoom(std::size_t limit) {
  return Full("the requests in flight hold too many bytes", "max-bytes-held",
              limit);
}

}  // namespace

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

CallGate::Ticket::Ticket(Ticket&& other) noexcept
    : gate_(std::exchange(other.gate_, nullptr)),
      connection_(std::move(other.connection_)),
      bytes_(std::exchange(other.bytes_, 0)) {}

CallGate::Ticket& CallGate::Ticket::operator=(Ticket&& other) noexcept {
  std::swap(gate_, other.gate_);
  std::swap(connection_, other.connection_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

CallGate::Ticket::~Ticket() {
  if (gate_ != nullptr) {
    gate_->Leave(connection_, bytes_);
  }
}

absl::Status CallGate::Ticket::Charge(std::size_t bytes) {
  absl::Status status = gate_->Reserve(bytes);
  if (status.ok()) {
    bytes_ += bytes;
  }
  return status;
}

absl::StatusOr<CallGate::Ticket> CallGate::Enter(const std::string& connection,
                                                 std::size_t bytes,
                                                 Availability availability) {
  MutexLock lock(mutex_);
  if (state_ != ServingState::kServing &&
      availability == Availability::kWhenServing) {
    return NotServing(state_);
  }
  if (calls_ >= limits_.max_calls) {
    return Full("too many calls are in flight", "max-calls", limits_.max_calls);
  }
  const auto at = by_connection_.find(connection);
  if (at != by_connection_.end() &&
      at->second >= limits_.max_calls_per_connection) {
    return Full("too many calls of this connection are in flight",
                "max-calls-per-connection", limits_.max_calls_per_connection);
  }
  if (!HasRoomFor(bytes)) {
    return NoRoom(limits_.max_bytes_held);
  }
  ++calls_;
  bytes_held_ += bytes;
  ++by_connection_[connection];
  return Ticket(*this, connection, bytes);
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

absl::Status CallGate::Reserve(std::size_t bytes) {
  MutexLock lock(mutex_);
  if (!HasRoomFor(bytes)) {
    return NoRoom(limits_.max_bytes_held);
  }
  bytes_held_ += bytes;
  return absl::OkStatus();
}

void CallGate::Leave(const std::string& connection, std::size_t bytes) {
  MutexLock lock(mutex_);
  --calls_;
  bytes_held_ -= bytes;
  const auto at = by_connection_.find(connection);
  if (--at->second == 0) {
    by_connection_.erase(at);
  }
  if (calls_ == 0) {
    idle_.NotifyAll();
  }
}

}  // namespace resnetd
