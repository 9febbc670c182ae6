#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "server/base/mutex.h"
#include "server/finetune/trainer.h"
#include "server/finetune/trainer_plugin.h"
#include "server/models/device_name.h"
#include "server/nn/host_stream.h"

namespace resnetd {

// Makes TorchTrainers, those of a GPU watched for one that breaks. Thread-safe.
class TorchTrainerFactory final : public TrainerFactory {
 public:
  // FAILED_PRECONDITION (BACKEND_UNAVAILABLE): the LibTorch beside the plug-in
  // is not the one it was built for.
  static absl::StatusOr<std::unique_ptr<TrainerFactory>> Create(
      const TrainerPluginOptions& options = {});

  // Beside the errors of TrainerFactory: FAILED_PRECONDITION
  // (BACKEND_UNAVAILABLE) when the device is not there; UNAVAILABLE
  // (BACKEND_UNAVAILABLE): it is broken, as trainers then answer, too.
  absl::StatusOr<std::unique_ptr<Trainer>> Create(
      const TrainerOptions& options, const Network& network,
      const Weights& weights, const PreprocessSpec& preprocess) override;
  std::string description() const override;

 private:
  // Where a trainer computes.
  struct Place {
    c10::Device device = c10::kCPU;
    // Null on the CPU, which does not break.
    std::unique_ptr<DeviceStream> stream;
    // Of the fake device: counts a step.
    std::unique_ptr<RecordedGraph> begin_step;
  };

  explicit TorchTrainerFactory(std::function<void()> on_broken);

  absl::StatusOr<Place> FindPlace(const TrainerOptions& options)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // What a failure to set a trainer up means there.
  absl::Status Judged(absl::Status status, const Place& place) const;
  // One device, however many train on it: what the first one is told counts.
  std::shared_ptr<HostStream::Life> FakeLife(const DeviceName& name)
      ABSL_LOCKS_EXCLUDED(mutex_);

  const std::function<void()> on_broken_;
  Mutex mutex_;
  std::shared_ptr<HostStream::Life> fake_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace resnetd
