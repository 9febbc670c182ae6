#pragma once

#include "absl/status/statusor.h"
#include "server/finetune/gradient_probe.h"
#include "server/finetune/trainer.h"
#include "server/image/preprocess.h"
#include "server/models/architecture.h"
#include "server/models/weights.h"

namespace resnetd {

// Takes the gradients of networks apart. Thread-safe.
class Prober {
 public:
  virtual ~Prober() = default;

  // Of the pictures and labels of `batch`, in the calling thread and
  // `settings.threads` of LibTorch; changes nothing. `go_on` is asked before
  // each pass through the network and after the first one; an error ends the
  // probe with that error.
  // INVALID_ARGUMENT (RECIPE_INVALID): as Trainer::Step() of such a batch,
  // `settings` are out of their range, or the network has no blocks.
  // RESOURCE_EXHAUSTED (OUT_OF_MEMORY), INTERNAL (the library failed).
  virtual absl::StatusOr<ProbeReport> Probe(const Network& network,
                                            const Weights& weights,
                                            const PreprocessSpec& preprocess,
                                            const TrainingBatch& batch,
                                            const ProbeSettings& settings,
                                            const ProbeGoOn& go_on) = 0;
};

}  // namespace resnetd
