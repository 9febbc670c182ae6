#pragma once

#include <sched.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/base/status_macros.h"
#include "server/finetune/probe_cost.h"
#include "server/finetune/prober.h"

namespace resnetd {

// A Prober without a network: every norm is 1, every pass is one of its work.
// Remembers its last call.
class ScriptedProber final : public Prober {
 public:
  absl::StatusOr<ProbeReport> Probe(const Network& network,
                                    const Weights& /*weights*/,
                                    const PreprocessSpec& preprocess,
                                    const TrainingBatch& batch,
                                    const ProbeSettings& settings,
                                    const ProbeGoOn& go_on) override {
    ++calls;
    policy = sched_getscheduler(0);
    labels = batch.labels;
    last = settings;
    crop = preprocess.crop;
    sizes.clear();
    for (const Pixels* picture : batch.pictures) {
      sizes.push_back(picture->width);
    }
    const int blocks = static_cast<int>(network.blocks.size());
    ProbeProgress progress{.all = ProbeWork(blocks, settings)};
    while (progress.done < progress.all) {
      RETURN_IF_ERROR(go_on(progress));
      if (pass) {
        pass();
      }
      progress.done += kBackwardWork;
    }
    RETURN_IF_ERROR(error);
    ProbeReport report{.loss = 0.5,
                       .examples = static_cast<int>(batch.labels.size())};
    report.blocks.resize(network.blocks.size());
    return report;
  }

  // Called in each pass.
  std::function<void()> pass;
  // What a probe ends with.
  absl::Status error;
  int calls = 0;
  int policy = -1;
  std::vector<int> labels;
  ProbeSettings last;
  int crop = 0;
  // Widths of the pictures.
  std::vector<int> sizes;
};

}  // namespace resnetd
