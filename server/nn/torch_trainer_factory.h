#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/finetune/trainer.h"

namespace resnetd {

// Makes TorchTrainers. Thread-safe.
class TorchTrainerFactory final : public TrainerFactory {
 public:
  // FAILED_PRECONDITION (BACKEND_UNAVAILABLE): the LibTorch beside the plug-in
  // is not the one it was built for.
  static absl::StatusOr<std::unique_ptr<TrainerFactory>> Create();

  // Beside the errors of TrainerFactory: FAILED_PRECONDITION
  // (BACKEND_UNAVAILABLE) when the device is not there.
  absl::StatusOr<std::unique_ptr<Trainer>> Create(
      const TrainerOptions& options, const Network& network,
      const Weights& weights, const PreprocessSpec& preprocess) override;
  std::string description() const override;

 private:
  TorchTrainerFactory() = default;
};

}  // namespace resnetd
