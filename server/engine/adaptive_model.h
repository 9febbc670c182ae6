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
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/base/mutex.h"
#include "server/engine/background_jobs.h"
#include "server/engine/cpu_engine.h"
#include "server/engine/cpu_model.h"
#include "server/engine/precision_choice.h"
#include "server/engine/precision_record.h"
#include "server/engine/precision_trial.h"
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
// another precision has proven better in that one; or in one that had proven
// better at an earlier start. Thread-safe.
class AdaptiveModel final : public Model {
 public:
  // `model` is the version in float32.
  AdaptiveModel(const dnnl::engine& engine, std::unique_ptr<CpuModel> model,
                NamedPolicy policy, std::shared_ptr<PrecisionChooser> chooser);
  // `model` is the version as `kept` chose it, which is not chosen again.
  // `float_bytes`: about what it would hold in float32.
  AdaptiveModel(const dnnl::engine& engine, std::unique_ptr<CpuModel> model,
                NamedPolicy policy, std::shared_ptr<PrecisionChooser> chooser,
                const PrecisionRecord& kept, std::int64_t float_bytes);
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
  absl::Status CheckGolden(const Golden& golden, int side,
                           std::size_t max_batch) const override;

  // Starts the choice, beside the answers; one that was kept and made the model
  // is told at once.
  void MayChoosePrecision(const VersionFacts& facts,
                          std::unique_ptr<PrecisionHost> host) override;
  void ChoosePrecisionAgain() override;
  // Ends a choice that is being made; with `use` instead of it, else it is
  // begun again afterwards, as it is after ChoosePrecisionAgain() meanwhile.
  absl::StatusOr<PrecisionReport> MeasurePrecisions(
      const RealPictures& pictures, bool use,
      const std::function<bool()>& stopped) override;

 private:
  using Current = std::shared_ptr<const CpuModel>;
  // What choices and measurements begin with.
  struct Start {
    // Given back last.
    std::unique_ptr<PrecisionRoom> room;
    // The version in float32, as it is or loaded now.
    Current floats;
  };

  Current Now() const ABSL_LOCKS_EXCLUDED(mutex_);
  void StartChoice() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<Start> Begin(const PrecisionPolicy& tried) const;
  void Choose(const BackgroundJobs::Stopped& stopped)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void ChooseAnew(const DecisionKey& key, const Current& floats,
                  const BackgroundJobs::Stopped& stopped)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // What an earlier start decided, if that can be had and still holds; whether
  // it does.
  bool TakeKept(const PrecisionRecord& record, const Current& floats);
  absl::StatusOr<Current> MakeKept(const PrecisionRecord& record,
                                   const CpuModel& floats) const;
  DecisionKey KeyOf(const std::string& pictures) const;
  // MeasurePrecisions() while no choice is made.
  absl::StatusOr<PrecisionReport> Measure(const RealPictures& pictures,
                                          bool use,
                                          const std::function<bool()>& stopped)
      ABSL_LOCKS_EXCLUDED(mutex_);
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
  // What the version holds in float32.
  const std::int64_t float_bytes_;
  // What made the model, until the host is told; absent: it is in float32.
  std::optional<PrecisionDecision> kept_;
  // Set before the first choice; absent: it may not choose.
  std::optional<VersionFacts> facts_;
  std::unique_ptr<PrecisionHost> host_;

  mutable Mutex mutex_;
  Current current_ ABSL_GUARDED_BY(mutex_);
  std::string choice_ ABSL_GUARDED_BY(mutex_);
  // A choice is to be made that no thread is making.
  bool is_wanted_ ABSL_GUARDED_BY(mutex_) = false;
  // ChoosePrecisionAgain() was called, and no choice has begun since: what is
  // measured meanwhile does not make it needless.
  bool has_other_pictures_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_measuring_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace resnetd
