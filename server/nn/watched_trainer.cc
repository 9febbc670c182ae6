#include "server/nn/watched_trainer.h"

#include <utility>

#include "server/base/status_macros.h"
#include "server/nn/torch_status.h"

namespace resnetd {
namespace {

absl::Status StatusOf(const absl::Status& status) { return status; }
template <typename Value>
absl::Status StatusOf(const absl::StatusOr<Value>& value) {
  return value.status();
}

}  // namespace

WatchedTrainer::WatchedTrainer(std::unique_ptr<DeviceStream> stream,
                               std::unique_ptr<Trainer> trainer,
                               std::unique_ptr<RecordedGraph> begin_step,
                               std::function<void()> on_broken)
    : stream_(std::move(stream)),
      trainer_(std::move(trainer)),
      begin_step_(std::move(begin_step)),
      health_([this] { return stream_->Works(); }, std::move(on_broken)) {}

template <typename Work>
auto WatchedTrainer::Watch(const Work& work) -> decltype(work()) {
  if (health_.broken()) {
    return DeviceHealth::BrokenError();
  }
  auto done = work();
  if (done.ok()) {
    return done;
  }
  return health_.Judge(StatusOf(done));
}

absl::StatusOr<StepReport> WatchedTrainer::Step(
    absl::Span<const TrainingBatch> batches, const StepSettings& settings) {
  return Watch([&]() -> absl::StatusOr<StepReport> {
    if (begin_step_ != nullptr) {
      RETURN_IF_ERROR(TorchToStatus(
          "train a step",
          [&] {
            begin_step_->Replay();
            return absl::OkStatus();
          },
          TorchUse::kTraining));
    }
    return trainer_->Step(batches, settings);
  });
}

absl::StatusOr<std::optional<GradientSample>> WatchedTrainer::PendingSample() {
  return Watch([&] { return trainer_->PendingSample(); });
}

absl::StatusOr<std::vector<float>> WatchedTrainer::Logits(
    absl::Span<const Pixels* const> batch) {
  return Watch([&] { return trainer_->Logits(batch); });
}

absl::StatusOr<std::vector<float>> WatchedTrainer::LogitsOfFeatures(
    absl::Span<const Features> batch) {
  return Watch([&] { return trainer_->LogitsOfFeatures(batch); });
}

absl::Status WatchedTrainer::EstimateNorms(
    absl::Span<const std::vector<const Pixels*>> batches) {
  return Watch([&] { return trainer_->EstimateNorms(batches); });
}

absl::Status WatchedTrainer::EstimateNormsOfFeatures(
    absl::Span<const std::vector<Features>> batches) {
  return Watch([&] { return trainer_->EstimateNormsOfFeatures(batches); });
}

absl::StatusOr<TensorList> WatchedTrainer::ExportWeights() {
  return Watch([&] { return trainer_->ExportWeights(); });
}

absl::StatusOr<TrainerState> WatchedTrainer::Save() {
  return Watch([&] { return trainer_->Save(); });
}

absl::Status WatchedTrainer::Restore(const TrainerState& state) {
  return Watch([&] { return trainer_->Restore(state); });
}

}  // namespace resnetd
