#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "server/finetune/gradient_probe.h"
#include "server/finetune/prober.h"
#include "server/finetune/trainer.h"

namespace resnetd {

// Raised whenever the meaning of what crosses the border changes: see
// server/models/backend_plugin.h.
inline constexpr int kProbePluginAbi = 1;

// Sizes of the types that cross the border, as one number.
constexpr std::uint64_t ProbePluginLayout() {
  std::uint64_t layout = 0;
  for (const std::size_t size :
       {sizeof(ProbeSettings), sizeof(ProbeReport), sizeof(ProbedBlock),
        sizeof(PathDistribution), sizeof(PathLength), sizeof(PathNorms),
        sizeof(ProbeProgress), sizeof(ProbeGoOn), sizeof(Prober),
        sizeof(TrainingBatch), sizeof(Network), sizeof(Weights), sizeof(Tensor),
        sizeof(Pixels), sizeof(PreprocessSpec)}) {
    layout = layout * 1'000'003 + size;
  }
  return layout;
}

// What libresnetd_torch.so exports under kProbePluginSymbol, beside the
// TrainerPlugin: a ProbePluginFactory with C linkage.
struct ProbePlugin {
  // First, so that a plug-in with other members behind them can be refused.
  int abi = kProbePluginAbi;
  std::uint64_t layout = ProbePluginLayout();
  // E.g. "LibTorch 2.11.0".
  const char* library = "";
  // FAILED_PRECONDITION (BACKEND_UNAVAILABLE).
  absl::StatusOr<std::unique_ptr<Prober>> (*create)() = nullptr;
};

// The plug-in is static data of the library, which stays loaded.
using ProbePluginFactory = const ProbePlugin*();
inline constexpr char kProbePluginSymbol[] = "resnetd_probe_plugin";

}  // namespace resnetd
