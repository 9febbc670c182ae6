#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
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
#include "server/models/model.h"

namespace resnetd {

// What the versions of an engine share when they choose a precision.
struct PrecisionChooser {
  PrecisionPolicy policy;
  std::string policy_name;
  CalibrationPictures pictures;
  PrecisionRecords records;
  BackgroundJobs jobs;
};

// A version that answers in float32 from the start, and from the moment that
// another precision has proven better in that one. Thread-safe.
class AdaptiveModel final : public Model {
 public:
  // `facts` name the version; `model` is it in float32.
  AdaptiveModel(const dnnl::engine& engine, const VersionFacts& facts,
                std::unique_ptr<CpuModel> model,
                std::shared_ptr<PrecisionChooser> chooser);
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

  // Starts the choice, beside the answers.
  void MayChoosePrecision(const std::function<void()>& chosen) override;

 private:
  using Current = std::shared_ptr<const CpuModel>;

  Current Now() const ABSL_LOCKS_EXCLUDED(mutex_);
  void Choose(const BackgroundJobs::Stopped& stopped);
  // What an earlier start decided, if that can be had; whether it could.
  bool TakeKept(const PrecisionRecord& record);
  void Switch(std::unique_ptr<CpuModel> winner, const std::string& text)
      ABSL_LOCKS_EXCLUDED(mutex_);

  const dnnl::engine engine_;
  const ModelName name_;
  const PreprocessSpec preprocess_;
  const DecisionKey key_;
  const std::shared_ptr<PrecisionChooser> chooser_;
  // Called once a choice was made. Set before the job starts.
  std::function<void()> chosen_;

  mutable Mutex mutex_;
  Current current_ ABSL_GUARDED_BY(mutex_);
  std::string choice_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace resnetd
