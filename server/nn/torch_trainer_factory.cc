#include "server/nn/torch_trainer_factory.h"

#include <ATen/Context.h>
#include <torch/version.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/call_once.h"
#include "server/base/status_macros.h"
#include "server/nn/device_health.h"
#include "server/nn/torch_device.h"
#include "server/nn/torch_status.h"
#include "server/nn/torch_trainer.h"
#include "server/nn/torch_version.h"
#include "server/nn/trainer_checks.h"
#include "server/nn/watched_trainer.h"
#ifdef RESNETD_CUDA
#include "server/nn/cuda_stream.h"
#endif

namespace resnetd {

absl::StatusOr<std::unique_ptr<TrainerFactory>> TorchTrainerFactory::Create(
    const TrainerPluginOptions& options) {
  return TorchToStatus(
      "start", [&]() -> absl::StatusOr<std::unique_ptr<TrainerFactory>> {
        RETURN_IF_ERROR(CheckTorchVersion());
        RequireFullFloat32();
        // Not make_unique: the constructor is private.
        return std::unique_ptr<TrainerFactory>(
            new TorchTrainerFactory(options.on_broken));
      });
}

TorchTrainerFactory::TorchTrainerFactory(std::function<void()> on_broken)
    // Every trainer of a device may find that it is broken.
    : on_broken_(CallOnce(std::move(on_broken))) {}

std::shared_ptr<HostStream::Life> TorchTrainerFactory::FakeLife(
    const DeviceName& name) {
  const MutexLock lock(mutex_);
  if (fake_ == nullptr) {
    fake_ = std::make_shared<HostStream::Life>();
    fake_->breaks_after = name.number;
  }
  return fake_;
}

absl::StatusOr<TorchTrainerFactory::Place> TorchTrainerFactory::FindPlace(
    const TrainerOptions& options) {
  ASSIGN_OR_RETURN(const DeviceName name, ParseDeviceName(options.device));
  Place place;
  if (name.kind == DeviceName::Kind::kFake) {
    place.stream =
        std::make_unique<HostStream>(FakeLife(name), options.threads);
    place.begin_step = place.stream->Record([] {});
    return place;
  }
  ASSIGN_OR_RETURN(place.device, FindDevice(options.device));
#ifdef RESNETD_CUDA
  if (place.device.is_cuda()) {
    // Steps are all of one shape: what the fastest algorithm is is measured
    // once.
    at::globalContext().setBenchmarkCuDNN(true);
    place.stream = MakeCudaStream(place.device, StreamPriority::kLoading);
  }
#endif
  return place;
}

absl::Status TorchTrainerFactory::Judged(absl::Status status,
                                         const Place& place) const {
  if (place.stream == nullptr) {
    return status;
  }
  return DeviceHealth([&place] { return place.stream->Works(); }, on_broken_)
      .Judge(std::move(status));
}

absl::StatusOr<std::unique_ptr<Trainer>> TorchTrainerFactory::Create(
    const TrainerOptions& options, const Network& network,
    const Weights& weights, const PreprocessSpec& preprocess) {
  // Before the device is looked for: an unknown one is an option, too.
  RETURN_IF_ERROR(CheckOptions(options, network));
  return TorchToStatus(
      "set up a training",
      [&]() -> absl::StatusOr<std::unique_ptr<Trainer>> {
        ASSIGN_OR_RETURN(Place place, FindPlace(options));
        absl::StatusOr<std::unique_ptr<TorchTrainer>> trainer =
            TorchTrainer::Create(options, network, weights, preprocess,
                                 place.device);
        if (!trainer.ok()) {
          return Judged(trainer.status(), place);
        }
        std::unique_ptr<Trainer> made = *std::move(trainer);
        if (place.stream != nullptr) {
          made = std::make_unique<WatchedTrainer>(
              std::move(place.stream), std::move(made),
              std::move(place.begin_step), on_broken_);
        }
        return made;
      },
      TorchUse::kTraining);
}

std::string TorchTrainerFactory::description() const {
  return absl::StrCat("LibTorch ", TORCH_VERSION,
                      FindDevice("cuda").ok() ? " on cpu and cuda" : " on cpu");
}

}  // namespace resnetd
