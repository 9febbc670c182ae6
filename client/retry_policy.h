#pragma once

#include <chrono>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/base/mutex.h"

namespace resnetd::client {

// What a second try of a method could do that one try does not.
enum class Repetition {
  // Nothing: it reads, or brings about a state that may be there already.
  kHarmless,
  // A second change, but with a request_id, by which the server knows it again.
  kNeedsId,
  // Never tried again as it is: its stream goes on somewhere else than at its
  // beginning, or nobody has said that it may.
  kNever,
};

// Of a method of resnetd.v1 by its name alone, e.g. "Classify"; what is not
// known must not be repeated.
Repetition RepetitionOf(absl::string_view method);

// Whether a call may be tried more than once.
bool MayRepeat(absl::string_view method, bool has_request_id);

// When the server wants the next try: its `grpc-retry-pushback-ms`, which wins,
// or its RetryInfo.
struct Pushback {
  // Not negative.
  std::optional<std::chrono::nanoseconds> after = {};
  // It does not want one: a negative number, or what is none.
  bool never = false;
};

Pushback PushbackOf(std::optional<absl::string_view> metadata,
                    std::optional<std::chrono::nanoseconds> retry_info);

// A try that has failed.
struct FailedTry {
  absl::StatusCode code = absl::StatusCode::kUnknown;
  // Of the server; empty where the transport made the status.
  absl::string_view reason = {};
  Pushback pushback = {};
};

// How often, and how fast.
struct RetryLimits {
  // Of one call, the first try included; >= 1.
  int most_tries = 4;
  // Pauses that the server does not name: the first, and the longest, of a
  // series that doubles.
  std::chrono::nanoseconds first_pause = std::chrono::milliseconds(50);
  std::chrono::nanoseconds longest_pause = std::chrono::seconds(1);
};

// The pause before the next try; nothing: there is none. `tries` so far, >= 1;
// `left` until the deadline of the call, which the next try must not pass
// before it begins; `uniform` in [0, 1) spreads the clients.
//
// UNAVAILABLE, and CANCELLED without a reason, which gRPC makes of calls that
// race a shutdown, are tried again after half to one and a half of 50, 100,
// 200 ms. RESOURCE_EXHAUSTED is tried again only when the server says when.
// What it says counts, but from a server that goes away: there are others. The
// pause is up to a fifth longer, so that not all come back at once.
std::optional<std::chrono::nanoseconds> PauseBeforeNext(
    const FailedTry& failed, int tries, std::chrono::nanoseconds left,
    double uniform, const RetryLimits& limits = {});

// How many tries may be added to the calls of a client: without a bound, an
// overload that refuses calls makes more of them. Every call puts `share` into
// a purse that holds 100, every further try takes 1 out of it, and none is
// made when it is empty. 20 are there from the beginning, for who makes few
// calls. Thread-safe.
class RetryBudget {
 public:
  static constexpr double kMost = 100;
  static constexpr double kAtFirst = 20;

  // `share`: 0 to 1.
  explicit RetryBudget(double share) : share_(share) {}

  // For each call.
  void Deposit() ABSL_LOCKS_EXCLUDED(mutex_);
  // For each further try; false: it is not made.
  bool Withdraw() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  const double share_;
  Mutex mutex_;
  double tokens_ ABSL_GUARDED_BY(mutex_) = kAtFirst;
};

}  // namespace resnetd::client
