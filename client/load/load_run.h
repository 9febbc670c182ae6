#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "client/load/arrivals.h"
#include "client/load/latency_histogram.h"
#include "server/base/clock.h"

namespace resnetd::client {

// How a call ended, as a client sees it.
enum class CallEnd {
  kAnswered,
  // At once, as the server has too much to do or too little time.
  kRefused,
  // Its deadline passed before an answer came.
  kLate,
  // Anything else.
  kFailed,
};

struct CallOutcome {
  CallEnd end = CallEnd::kAnswered;
  // Of what is not answered: the code and the reason of the error, e.g.
  // "RESOURCE_EXHAUSTED QUEUE_FULL".
  std::string error;
};

// What is called.
enum class LoadMethod { kClassify, kEmbed };

// Makes calls; over gRPC those of grpc_caller.h and stream_caller.h do, with
// the client library those of client_caller.h. Thread-safe.
class Caller {
 public:
  using Done = std::function<void(const CallOutcome& outcome)>;

  virtual ~Caller() = default;
  // Starts call `number` and returns; `done` is called once, from any thread,
  // also before this returns.
  virtual void Call(std::size_t number, Done done) = 0;
};

struct LoadOptions {
  // Open loop: calls are due at these rates. Empty: a closed loop.
  std::vector<LoadPhase> phases;
  Spacing spacing = Spacing::kPoisson;
  std::uint64_t seed = 1;
  // Closed loop: calls that are always out, and for how long.
  std::size_t clients = 1;
  Duration length = std::chrono::seconds(10);
  // An open loop keeps at most so many calls out; one that is due meanwhile
  // waits here, which counts as its latency.
  std::size_t most_outstanding = 10'000;
  // Calls fall to so many parts in turns, such as models; each has figures of
  // its own. >= 1.
  std::size_t parts = 1;
  // Asked a few times a second: true ends the load before its time, once what
  // is out has ended. Empty: nobody ends it.
  std::function<bool()> is_over = {};
};

// Of the calls that were due in one phase (a closed loop has one).
struct LoadFigures {
  // 0: a closed loop.
  double rate = 0;
  // Of the phase, as far as it came; in a closed loop until the last answer.
  Duration length{};
  std::size_t calls = 0;
  // Of the answered ones, those that were answered within `length`.
  std::size_t answered_within = 0;
  // From the moment a call was due to its end, by how it ended.
  std::map<CallEnd, LatencyHistogram> latencies;
  // How many calls ended with which error.
  std::map<std::string, std::size_t> errors;
  // The same of each part, if there are several: the rate is its share.
  std::vector<LoadFigures> parts = {};

  std::size_t Count(CallEnd end) const;
  // Answered calls a second: those within `length`, so that what a full queue
  // still answers behind a phase does not count for it.
  double Throughput() const;
};

// While it runs, about four times a second.
struct LoadProgress {
  Duration elapsed{};
  Duration whole{};
  std::size_t phase = 0;
  LoadFigures figures;
};

// Puts load on `caller` and waits until every call has ended. Latencies begin
// when a call is due, not when it is sent: a server that stalls does not hide
// the calls that it held up. `on_progress` may be empty; it is called from the
// calling thread. The figures, by phase.
std::vector<LoadFigures> RunLoad(
    const LoadOptions& options, Caller& caller, const Clock& clock,
    const std::function<void(const LoadProgress&)>& on_progress = {});

}  // namespace resnetd::client
