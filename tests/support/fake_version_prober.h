#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/base/mutex.h"
#include "server/base/status_macros.h"
#include "server/finetune/version_prober.h"
#include "tests/support/fake_model.h"
#include "tests/support/held_calls.h"

namespace resnetd {

// A VersionProber without networks: two blocks, all that can be asked for.
// Thread-safe.
class FakeVersionProber final : public VersionProber {
 public:
  explicit FakeVersionProber(const ProbeLimits& limits = {})
      : limits_(limits) {}

  // The next calls fail so; OK: no longer.
  void FailCheck(absl::Status error) {
    const MutexLock lock(mutex_);
    check_error_ = std::move(error);
  }
  void FailProbe(absl::Status error) {
    const MutexLock lock(mutex_);
    probe_error_ = std::move(error);
  }
  HeldCalls& probes() { return probes_; }

  // Of the last probe.
  ProbeTarget last() {
    const MutexLock lock(mutex_);
    return last_;
  }
  std::vector<ProbeExample> last_examples() {
    const MutexLock lock(mutex_);
    return last_examples_;
  }
  SteadyTime last_deadline() {
    const MutexLock lock(mutex_);
    return last_deadline_;
  }

  const ProbeLimits& limits() const override { return limits_; }

  absl::Status Check(const ProbeTarget& /*target*/) override {
    const MutexLock lock(mutex_);
    return check_error_;
  }

  absl::StatusOr<Probed> Probe(const ProbeTarget& target,
                               absl::Span<const ProbeExample> examples,
                               SteadyTime deadline,
                               const GoOn& go_on) override {
    {
      const MutexLock lock(mutex_);
      last_ = target;
      last_examples_.assign(examples.begin(), examples.end());
      last_deadline_ = deadline;
    }
    RETURN_IF_ERROR(probes_.Run(go_on));
    RETURN_IF_ERROR(probe_error());
    return Answer(target, static_cast<int>(examples.size()));
  }

  // What a probe of `target` on so many pictures shows.
  static Probed Answer(const ProbeTarget& target, int examples) {
    Probed probed;
    probed.version = std::make_shared<const VersionFacts>(
        FakeFacts(target.model.text(), 2, target.version.value));
    probed.blocks = {"layer1.00", "layer2.00"};
    probed.took = std::chrono::milliseconds(1500);
    ProbeReport& report = probed.report;
    report.loss = 0.25;
    report.examples = examples;
    for (const double scale : {4.0, 1.0}) {
      ProbedBlock block{.shortcut_is_identity = scale > 1};
      block.paths = {.shortcut = 4 * scale,
                     .main = 3 * scale,
                     .input = 5 * scale,
                     .sum = 4 * scale,
                     .cosine = 0};
      block.residual_ratio = 0.5;
      if (target.settings.check_differences) {
        block.differences = PathErrors{.main = 1e-9, .shortcut = 2e-9};
      }
      if (target.settings.split_parameters) {
        block.parameters = ParameterSplit{
            .by_main = 1, .by_shortcut = 2, .whole = 3, .error = 1e-15};
      }
      report.blocks.push_back(block);
    }
    if (target.settings.path_passes > 0) {
      report.distribution = PathDistribution{
          .lengths = {{.main_paths = 0, .ways = 1, .gone = 1, .mean_norm = 2},
                      {.main_paths = 1, .ways = 2, .gone = 2, .mean_norm = 2},
                      {.main_paths = 2, .ways = 1, .gone = 1, .mean_norm = 2}},
          .direct_share = 0.4,
          .error = 1e-16};
    }
    return probed;
  }

 private:
  absl::Status probe_error() {
    const MutexLock lock(mutex_);
    return probe_error_;
  }

  const ProbeLimits limits_;
  HeldCalls probes_;
  Mutex mutex_;
  absl::Status check_error_ ABSL_GUARDED_BY(mutex_);
  absl::Status probe_error_ ABSL_GUARDED_BY(mutex_);
  ProbeTarget last_ ABSL_GUARDED_BY(mutex_){
      .model = ModelName::Parse("none").value()};
  std::vector<ProbeExample> last_examples_ ABSL_GUARDED_BY(mutex_);
  SteadyTime last_deadline_ ABSL_GUARDED_BY(mutex_) = {};
};

}  // namespace resnetd
