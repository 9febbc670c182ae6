#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/finetune/trainer.h"
#include "server/nn/device_health.h"
#include "server/nn/device_stream.h"

namespace resnetd {

// A trainer on a device that may break: a failure that is not want of memory is
// followed by a small computation on the device, and where that fails as well,
// the device is broken for the process, as it is in serving (DeviceExecutor).
//
// Beside the errors of Trainer: UNAVAILABLE (BACKEND_UNAVAILABLE): the device
// is broken; nothing is computed any more. Not thread-safe, as Trainer is.
class WatchedTrainer final : public Trainer {
 public:
  // `stream`: of the device of `trainer`, used by the threads that call this.
  // `begin_step`: replayed before each step, which fails where that does; null:
  // nothing is. `on_broken`: as DeviceHealth has it.
  WatchedTrainer(std::unique_ptr<DeviceStream> stream,
                 std::unique_ptr<Trainer> trainer,
                 std::unique_ptr<RecordedGraph> begin_step,
                 std::function<void()> on_broken);

  absl::StatusOr<StepReport> Step(absl::Span<const TrainingBatch> batches,
                                  const StepSettings& settings) override;
  absl::StatusOr<std::optional<GradientSample>> PendingSample() override;
  absl::StatusOr<std::vector<float>> Logits(
      absl::Span<const Pixels* const> batch) override;
  absl::StatusOr<std::vector<float>> LogitsOfFeatures(
      absl::Span<const Features> batch) override;
  absl::Status EstimateNorms(
      absl::Span<const std::vector<const Pixels*>> batches) override;
  absl::Status EstimateNormsOfFeatures(
      absl::Span<const std::vector<Features>> batches) override;
  absl::StatusOr<TensorList> ExportWeights() override;
  absl::StatusOr<TrainerState> Save() override;
  absl::Status Restore(const TrainerState& state) override;
  std::int64_t resident_bytes() const override {
    return trainer_->resident_bytes();
  }

 private:
  // `work` answers with a Status or a StatusOr.
  template <typename Work>
  auto Watch(const Work& work) -> decltype(work());

  const std::unique_ptr<DeviceStream> stream_;
  const std::unique_ptr<Trainer> trainer_;
  const std::unique_ptr<RecordedGraph> begin_step_;
  DeviceHealth health_;
};

}  // namespace resnetd
