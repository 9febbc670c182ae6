#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "server/base/mutex.h"
#include "server/base/status_macros.h"
#include "server/finetune/evaluator.h"
#include "tests/support/fake_model.h"
#include "tests/support/held_calls.h"

namespace resnetd {

// An Evaluator without pictures: every version is right on three examples of
// four. Thread-safe.
class FakeEvaluator final : public Evaluator {
 public:
  // The next calls fail so; OK: no longer.
  void Fail(absl::Status error) {
    const MutexLock lock(mutex_);
    error_ = std::move(error);
  }
  HeldCalls& calls() { return calls_; }

  // Of the last call, e.g. "evaluate digits/2 on photos test".
  std::string last() {
    const MutexLock lock(mutex_);
    return last_;
  }
  Mutation last_mutation() {
    const MutexLock lock(mutex_);
    return last_mutation_;
  }

  absl::StatusOr<VersionEvaluation> Evaluate(const ModelName& model,
                                             VersionNumber version,
                                             const Measurement& what,
                                             const GoOn& go_on) override {
    RETURN_IF_ERROR(
        Run(absl::StrCat("evaluate ", Text(model, version)), what, go_on));
    return Measured(model, version);
  }
  absl::StatusOr<VersionComparison> Compare(const ModelName& champion_model,
                                            VersionNumber champion,
                                            const ModelName& candidate_model,
                                            VersionNumber candidate,
                                            const Measurement& what,
                                            const GoOn& go_on) override {
    RETURN_IF_ERROR(Run(absl::StrCat("compare ", Text(champion_model, champion),
                                     " and ", Text(candidate_model, candidate)),
                        what, go_on));
    return Judge(Measured(champion_model, champion),
                 Measured(candidate_model, candidate), kLogits, kLogits,
                 kLabels);
  }
  absl::StatusOr<TemperatureFit> Calibrate(const ModelName& model,
                                           VersionNumber version,
                                           const Measurement& what,
                                           bool validate_only,
                                           const Mutation& mutation,
                                           const GoOn& go_on) override {
    RETURN_IF_ERROR(
        Run(absl::StrCat(validate_only ? "try to calibrate " : "calibrate ",
                         Text(model, version)),
            what, go_on));
    {
      const MutexLock lock(mutex_);
      last_mutation_ = mutation;
    }
    VersionView view{.row = {.model = model, .version = {version.value + 1}},
                     .facts = Measured(model, version).version};
    return TemperatureFit{
        .evaluation = Measured(model, version),
        .calibrated = {.version = std::move(view), .created = !validate_only}};
  }
  absl::StatusOr<Quantization> Quantize(const ModelName& model,
                                        VersionNumber version,
                                        const Measurement& what,
                                        bool validate_only,
                                        const GoOn& go_on) override {
    RETURN_IF_ERROR(
        Run(absl::StrCat(validate_only ? "try to quantize " : "quantize ",
                         Text(model, version)),
            what, go_on));
    return Quantization{
        .version = {.row = {.model = model, .version = version},
                    .facts = Measured(model, version).version},
        .dataset_digest = std::string(64, 'd'),
        .report = {.trials = {{.precision = "fp32",
                               .seconds = 0.004,
                               .pictures = 64,
                               .agreeing = 64},
                              {.precision = "int8",
                               .seconds = 0.001,
                               .pictures = 64,
                               .agreeing = 60,
                               .error = 0.25,
                               .labelled = 50,
                               .correct = 40,
                               .bytes = 1000,
                               .objection = PrecisionObjection::kDisagrees,
                               .obstacle = "agrees on too few"}},
                   .policy = "auto",
                   .chosen = "fp32",
                   .fastest = "fp32",
                   .method = "largest",
                   .text = "fp32 chosen"}};
  }

 private:
  static inline const std::vector<float> kLogits = {5, 0, 0, 5, 5, 0, 5, 0};
  static inline const std::vector<int> kLabels = {0, 1, 0, 1};

  static std::string Text(const ModelName& model, VersionNumber version) {
    return absl::StrCat(model.text(), "/", version.value);
  }
  static VersionEvaluation Measured(const ModelName& model,
                                    VersionNumber version) {
    return Measure(std::make_shared<const VersionFacts>(
                       FakeFacts(model.text(), 2, version.value)),
                   kLogits, kLabels);
  }
  absl::Status Run(const std::string& call, const Measurement& what,
                   const GoOn& go_on) {
    {
      const MutexLock lock(mutex_);
      last_ = absl::StrCat(call, " on ", what.dataset.text(), " ",
                           DatasetPartName(what.part));
    }
    RETURN_IF_ERROR(calls_.Run(go_on));
    const MutexLock lock(mutex_);
    return error_;
  }

  HeldCalls calls_;
  Mutex mutex_;
  absl::Status error_ ABSL_GUARDED_BY(mutex_);
  std::string last_ ABSL_GUARDED_BY(mutex_);
  Mutation last_mutation_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace resnetd
