#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "server/finetune/trainer.h"

namespace resnetd {

// What trainers that are a shared library need to know.
struct TrainerPluginOptions {
  // Called at most once, by a thread that trains, when the device is broken for
  // good in this process. Must not call a trainer. Empty: nobody wants to know.
  std::function<void()> on_broken;
};

// Raised whenever the meaning of what crosses the border changes: see
// server/models/backend_plugin.h.
inline constexpr int kTrainerPluginAbi = 4;

// Sizes of the types that cross the border, as one number.
constexpr std::uint64_t TrainerPluginLayout() {
  std::uint64_t layout = 0;
  for (const std::size_t size :
       {sizeof(TrainerPluginOptions), sizeof(TrainerOptions),
        sizeof(OptimizerSettings), sizeof(TrainingBatch), sizeof(Features),
        sizeof(StepSettings), sizeof(StepReport), sizeof(PartNorms),
        sizeof(TrainerState), sizeof(Trainer), sizeof(TrainerFactory),
        sizeof(Network), sizeof(Weights), sizeof(Tensor), sizeof(Pixels),
        sizeof(PreprocessSpec)}) {
    layout = layout * 1'000'003 + size;
  }
  return layout;
}

// What libresnetd_torch.so exports under kTrainerPluginSymbol, beside the
// BackendPlugin: a TrainerPluginFactory with C linkage.
struct TrainerPlugin {
  // First, so that a plug-in with other members behind them can be refused.
  int abi = kTrainerPluginAbi;
  std::uint64_t layout = TrainerPluginLayout();
  // E.g. "LibTorch 2.11.0".
  const char* library = "";
  // FAILED_PRECONDITION (BACKEND_UNAVAILABLE).
  absl::StatusOr<std::unique_ptr<TrainerFactory>> (*create)(
      const TrainerPluginOptions& options) = nullptr;
};

// The plug-in is static data of the library, which stays loaded.
using TrainerPluginFactory = const TrainerPlugin*();
inline constexpr char kTrainerPluginSymbol[] = "resnetd_trainer_plugin";

}  // namespace resnetd
