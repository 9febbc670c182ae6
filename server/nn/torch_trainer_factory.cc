#include "server/nn/torch_trainer_factory.h"

#include <torch/version.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/status_macros.h"
#include "server/nn/torch_device.h"
#include "server/nn/torch_status.h"
#include "server/nn/torch_trainer.h"
#include "server/nn/torch_version.h"
#include "server/nn/trainer_checks.h"

namespace resnetd {

absl::StatusOr<std::unique_ptr<TrainerFactory>> TorchTrainerFactory::Create() {
  return TorchToStatus(
      "start", []() -> absl::StatusOr<std::unique_ptr<TrainerFactory>> {
        RETURN_IF_ERROR(CheckTorchVersion());
        RequireFullFloat32();
        // Not make_unique: the constructor is private.
        return std::unique_ptr<TrainerFactory>(new TorchTrainerFactory());
      });
}

absl::StatusOr<std::unique_ptr<Trainer>> TorchTrainerFactory::Create(
    const TrainerOptions& options, const Network& network,
    const Weights& weights, const PreprocessSpec& preprocess) {
  // Before the device is looked for: an unknown one is an option, too.
  RETURN_IF_ERROR(CheckOptions(options, network));
  return TorchToStatus(
      "set up a training",
      [&]() -> absl::StatusOr<std::unique_ptr<Trainer>> {
        ASSIGN_OR_RETURN(const c10::Device device, FindDevice(options.device));
        ASSIGN_OR_RETURN(std::unique_ptr<TorchTrainer> trainer,
                         TorchTrainer::Create(options, network, weights,
                                              preprocess, device));
        return std::unique_ptr<Trainer>(std::move(trainer));
      },
      TorchUse::kTraining);
}

std::string TorchTrainerFactory::description() const {
  return absl::StrCat("LibTorch ", TORCH_VERSION,
                      FindDevice("cuda").ok() ? " on cpu and cuda" : " on cpu");
}

}  // namespace resnetd
