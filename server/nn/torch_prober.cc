#include "server/nn/torch_prober.h"

#include "server/base/status_macros.h"
#include "server/nn/gradient_probe.h"
#include "server/nn/torch_status.h"
#include "server/nn/torch_version.h"

namespace resnetd {

absl::StatusOr<std::unique_ptr<Prober>> TorchProber::Create() {
  return TorchToStatus("start",
                       []() -> absl::StatusOr<std::unique_ptr<Prober>> {
                         RETURN_IF_ERROR(CheckTorchVersion());
                         // Not make_unique: the constructor is private.
                         return std::unique_ptr<Prober>(new TorchProber());
                       });
}

absl::StatusOr<ProbeReport> TorchProber::Probe(const Network& network,
                                               const Weights& weights,
                                               const PreprocessSpec& preprocess,
                                               const TrainingBatch& batch,
                                               const ProbeSettings& settings,
                                               const ProbeGoOn& go_on) {
  ASSIGN_OR_RETURN(const std::unique_ptr<GradientProbe> probe,
                   GradientProbe::Create(network, weights, preprocess));
  return probe->Probe(batch, settings, go_on);
}

}  // namespace resnetd
