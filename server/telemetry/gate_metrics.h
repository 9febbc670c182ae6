#pragma once

#include <cstddef>
#include <memory>

namespace prometheus {
class Registry;
}  // namespace prometheus

namespace resnetd {

// Why a call is refused before anything is computed for it: label "reason".
enum class CallRefusal {
  // The limit of that name.
  kMaxCalls,
  kMaxCallsPerConnection,
  kMaxCallsPerClient,
  kMaxBytesHeld,
  kMaxBytesHeldPerClient,
  // It would not fit if it were alone.
  kTooLarge,
  kStarting,
  kDraining,
};

// The metrics of what lets calls in. Thread-safe.
class GateMetrics {
 public:
  // The registry outlives the metrics.
  static std::unique_ptr<GateMetrics> Create(prometheus::Registry& registry);
  virtual ~GateMetrics() = default;

  virtual void CountRefused(CallRefusal reason) = 0;
  // Bytes that calls in flight hold now, and the most that they may.
  virtual void SetBytesHeld(std::size_t bytes) = 0;
  virtual void SetBytesLimit(std::size_t bytes) = 0;
};

// Forgets everything.
GateMetrics& NullGateMetrics();

}  // namespace resnetd
