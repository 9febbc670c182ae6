#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <unordered_map>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/telemetry/gate_metrics.h"

namespace resnetd {

// Caps that do not trust the transport: a client that never acknowledges
// HTTP/2 settings is not bound by the advertised number of streams.
struct CallLimits {
  std::size_t max_calls = 4096;  // max-calls
  // Until they are answered: a client opens the next one as soon as it has an
  // answer, be the server through with that call or not.
  std::size_t max_calls_per_connection = 256;  // max-calls-per-connection
  std::size_t max_calls_per_client = 1024;     // max-calls-per-client
  // What clients are told. Who has so many calls open on a connection and asks
  // for as many again all the same, does not listen.
  std::size_t max_streams_per_connection = 256;  // max-streams-per-connection
  // Bytes of requests that are being answered, raw pixels included.
  std::size_t max_bytes_held = 512U << 20U;  // max-bytes-held
  std::size_t max_bytes_held_per_client = 128U
                                          << 20U;  // max-bytes-held-per-client
};

// How much of `most`, of which `taken` are taken by all together, one client
// may have: as much as is left, but `assured` at least. So whoever takes all
// that it gets leaves as much, and n such clients end with most / (n + 1) each:
// "dynamic thresholds" of shared buffers (Choudhury and Hahne 1998, with a
// factor of 1).
std::size_t ShareOf(std::size_t most, std::size_t taken, std::size_t assured);

// Who calls.
struct Caller {
  // Any text that tells connections apart.
  std::string connection;
  // Any text that tells callers apart who may have many connections.
  std::string identity;
  // The call is one message of a stream that is a call itself.
  bool is_part = false;
};

enum class ServingState { kStarting, kServing, kDraining };

// Whether a call is also taken while the server starts or drains.
enum class Availability { kWhenServing, kAlways };

// Why a call is refused in `state`, which is not kServing: UNAVAILABLE
// (STARTING, DRAINING) with retry_after.
absl::Status NotServing(ServingState state);

// Counts the calls in flight and decides which may come in. Thread-safe.
class CallGate {
 public:
  // The right to be in flight; given back by its destructor. The gate outlives
  // it. Not thread-safe.
  class Ticket {
   public:
    Ticket() = default;
    Ticket(Ticket&& other) noexcept;
    Ticket& operator=(Ticket&& other) noexcept;
    ~Ticket();

    // Accounts for memory that the call needs beside its request.
    // RESOURCE_EXHAUSTED when there is no room, INVALID_ARGUMENT
    // (LIMIT_EXCEEDED) when the call could never have so much; the ticket stays
    // as it is.
    absl::Status Charge(std::size_t bytes);

    // The call now holds `bytes` and nothing of what was accounted for, which
    // pays for them as far as it goes; the rest as by Charge(). For the answer,
    // which may wait long for a client that is slow to read. OK for no ticket.
    absl::Status Cover(std::size_t bytes);

    // The answer is about to be sent: whoever gets it may open another call in
    // the place of this one, on its connection, before this one has ended here.
    void Answered();

   private:
    friend class CallGate;
    Ticket(CallGate& gate, Caller caller, std::size_t bytes)
        : gate_(&gate), caller_(std::move(caller)), bytes_(bytes) {}
    CallGate* gate_ = nullptr;
    Caller caller_;
    std::size_t bytes_ = 0;
    bool is_answered_ = false;
  };

  // Called once for a connection whose client does not listen, from the thread
  // of its call; empty: nobody is told.
  using OnFlood = std::function<void(const std::string& connection)>;

  // `metrics` outlive the gate.
  explicit CallGate(const CallLimits& limits,
                    ServingState state = ServingState::kStarting,
                    OnFlood on_flood = {},
                    GateMetrics& metrics = NullGateMetrics());
  CallGate(const CallGate&) = delete;
  CallGate& operator=(const CallGate&) = delete;

  // Lets a call in that holds `bytes`.
  // UNAVAILABLE (STARTING, DRAINING), RESOURCE_EXHAUSTED (OVERLOADED) with
  // retry_after when one of the limits is reached, or a client that is not
  // alone would have more than ShareOf() the calls or bytes, or
  // INVALID_ARGUMENT (LIMIT_EXCEEDED) for more bytes than one call can ever
  // have.
  absl::StatusOr<Ticket> Enter(const Caller& caller, std::size_t bytes,
                               Availability availability)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // kDraining is final.
  void SetState(ServingState state) ABSL_LOCKS_EXCLUDED(mutex_);
  ServingState state() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Waits until no call is in flight; false when that was not so by `deadline`.
  bool WaitUntilIdle(SteadyTime deadline) ABSL_LOCKS_EXCLUDED(mutex_);

  std::size_t calls() const ABSL_LOCKS_EXCLUDED(mutex_);
  std::size_t bytes_held() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // What one client has in flight.
  struct Client {
    std::size_t calls = 0;
    std::size_t bytes_held = 0;
  };

  // What one connection has in flight.
  struct Connection {
    std::size_t calls = 0;
    // Of those, without parts of streams.
    std::size_t streams = 0;
    // Of those, whose answers are on their way.
    std::size_t answered = 0;
    // Calls that were refused since the last one that was let in, while it had
    // all the streams that it was told.
    std::size_t ignored = 0;
  };

  absl::StatusOr<Ticket> LetIn(const Caller& caller, std::size_t bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // A call was refused; true: its connection floods, and this was not known.
  bool CountRefusal(const Caller& caller) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Reserve(const Caller& caller, std::size_t bytes)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Answer(const Caller& caller) ABSL_LOCKS_EXCLUDED(mutex_);
  void Leave(const Ticket& ticket) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status CheckCalls(const Caller& caller) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether a call that is alone may have so many.
  absl::Status CheckSize(std::size_t bytes) const;
  // Counts a refusal at the limit that `reason` names, one of the first five.
  absl::Status Refuse(CallRefusal reason, absl::string_view what) const;
  // Those of all calls in flight changed.
  void SetBytesHeld(std::size_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckRoom(const Caller& caller, std::size_t bytes) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Client OfClient(const Caller& caller) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const CallLimits limits_;
  const OnFlood on_flood_;
  GateMetrics& metrics_;
  mutable Mutex mutex_;
  CondVar idle_;
  ServingState state_ ABSL_GUARDED_BY(mutex_);
  std::size_t calls_ ABSL_GUARDED_BY(mutex_) = 0;
  std::size_t bytes_held_ ABSL_GUARDED_BY(mutex_) = 0;
  // Both without those that have nothing in flight.
  std::unordered_map<std::string, Connection> by_connection_
      ABSL_GUARDED_BY(mutex_);
  std::unordered_map<std::string, Client> by_client_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace resnetd
