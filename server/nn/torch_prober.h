#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "server/finetune/prober.h"

namespace resnetd {

// Probes with GradientProbe: on the CPU, in double precision. Thread-safe.
class TorchProber final : public Prober {
 public:
  // FAILED_PRECONDITION (BACKEND_UNAVAILABLE): the LibTorch beside the plug-in
  // is not the one it was built for.
  static absl::StatusOr<std::unique_ptr<Prober>> Create();

  absl::StatusOr<ProbeReport> Probe(const Network& network,
                                    const Weights& weights,
                                    const PreprocessSpec& preprocess,
                                    const TrainingBatch& batch,
                                    const ProbeSettings& settings,
                                    const ProbeGoOn& go_on) override;

 private:
  TorchProber() = default;
};

}  // namespace resnetd
