#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/base/mutex.h"
#include "server/engine/background_jobs.h"
#include "server/engine/cpu_engine.h"
#include "server/engine/cpu_model.h"
#include "server/engine/precision_choice.h"
#include "server/engine/precision_record.h"
#include "server/engine/precision_trial.h"
#include "server/models/choosing_model.h"
#include "server/models/model.h"

namespace resnetd {

// What the versions of an engine share when they choose a precision.
struct PrecisionChooser {
  CalibrationPictures pictures;
  PrecisionRecords records;
  BackgroundJobs jobs;
};

// A policy and how the operator spells it.
struct NamedPolicy {
  std::string name = "fp32";
  PrecisionPolicy policy;
};

// A version that answers in float32 from the start, and from the moment that
// another precision has proven better in that one. Thread-safe.
class AdaptiveModel final : public ChoosingModel {
 public:
  // `model` is the version in float32.
  AdaptiveModel(const dnnl::engine& engine, std::unique_ptr<CpuModel> model,
                NamedPolicy policy, std::shared_ptr<PrecisionChooser> chooser);
  // Waits for the end of a choice that is being made.
  ~AdaptiveModel() override;

  absl::StatusOr<std::vector<float>> Logits(
      absl::Span<const Pixels* const> batch) const override;
  absl::StatusOr<ModelOutput> Compute(absl::Span<const ModelInput> batch,
                                      bool want_features) const override;
  std::string precision() const override;
  std::string precision_choice() const override;
  std::string backend() const override { return "engine"; }
  std::int64_t resident_bytes() const override;

  void Attach(const VersionFacts& facts,
              std::unique_ptr<PrecisionHost> host) override;
  // Starts the choice, beside the answers.
  void MayChoosePrecision(const std::function<void()>& chosen) override;

 private:
  using Current = std::shared_ptr<const CpuModel>;

  Current Now() const ABSL_LOCKS_EXCLUDED(mutex_);
  void Choose(const BackgroundJobs::Stopped& stopped);
  void ChooseAnew(const DecisionKey& key,
                  const BackgroundJobs::Stopped& stopped);
  // What an earlier start decided, if that can be had and still holds; whether
  // it does.
  bool TakeKept(const PrecisionRecord& record);
  absl::StatusOr<std::unique_ptr<CpuModel>> MakeKept(
      const PrecisionRecord& record) const;
  DecisionKey KeyOf(const std::string& pictures) const;
  // Keeps what was decided for later loads.
  void Keep(const DecisionKey& key, const PrecisionRun& run) const;
  // `model`: null, as it is.
  void Switch(Current model, const PrecisionDecision& decision)
      ABSL_LOCKS_EXCLUDED(mutex_);

  const dnnl::engine engine_;
  const NamedPolicy policy_;
  const std::shared_ptr<PrecisionChooser> chooser_;
  const int crop_;
  const std::size_t max_batch_;
  const int threads_;
  // Set before the choice begins.
  std::optional<VersionFacts> facts_;
  std::unique_ptr<PrecisionHost> host_;
  std::function<void()> chosen_;

  mutable Mutex mutex_;
  Current current_ ABSL_GUARDED_BY(mutex_);
  std::string choice_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace resnetd
