#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/telemetry/serving_metrics.h"

namespace resnetd {

// A Telemetry that remembers which calls ended how. Thread-safe.
class FakeTelemetry final : public Telemetry {
 public:
  // A method and its code, in the order of their ends.
  using Ended = std::pair<std::string, absl::StatusCode>;

  ModelMetrics& ForModel(absl::string_view) override {
    return NullModelMetrics();
  }

  // Called with the method when a call begins, in the thread that takes it.
  void SetOnStarted(std::function<void(absl::string_view)> on_started) {
    MutexLock lock(mutex_);
    on_started_ = std::move(on_started);
  }

  void RpcStarted(absl::string_view method) override {
    std::function<void(absl::string_view)> on_started;
    {
      MutexLock lock(mutex_);
      ++in_flight_;
      on_started = on_started_;
    }
    if (on_started) {
      on_started(method);
    }
  }
  void RpcEnded(absl::string_view method, absl::StatusCode code, Duration,
                absl::string_view) override {
    MutexLock lock(mutex_);
    --in_flight_;
    ended_.emplace_back(std::string(method), code);
  }

  DecodePoolMetrics& decode_pool() override { return pool_; }
  VersionMetrics& versions() override { return NullVersionMetrics(); }
  TrainingMetrics& training() override { return NullTrainingMetrics(); }
  CredentialMetrics& credentials() override { return NullCredentialMetrics(); }
  GateMetrics& gate() override { return NullGateMetrics(); }
  void SetReady(bool) override {}
  std::string Expose(ExpositionFormat) const override { return ""; }

  int in_flight() const {
    MutexLock lock(mutex_);
    return in_flight_;
  }
  std::vector<Ended> ended() const {
    MutexLock lock(mutex_);
    return ended_;
  }

 private:
  class NoPool final : public DecodePoolMetrics {
   public:
    void SetThreads(std::size_t) override {}
    void AddQueued(int) override {}
    void AddBusy(Duration) override {}
  };

  NoPool pool_;
  mutable Mutex mutex_;
  int in_flight_ ABSL_GUARDED_BY(mutex_) = 0;
  std::function<void(absl::string_view)> on_started_ ABSL_GUARDED_BY(mutex_);
  std::vector<Ended> ended_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace resnetd
