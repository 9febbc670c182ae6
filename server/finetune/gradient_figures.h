#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "server/finetune/gradient_sample.h"
#include "server/telemetry/gradient_snapshot.h"

namespace resnetd {

// Makes of the samples of one job what a scrape shows of it. Norms are those of
// the newest sample; signal and noise are running means of each alone, as their
// quotient in a single step may be far off or negative. Not thread-safe.
class GradientFigureMaker {
 public:
  // `labels`: of the sample's blocks, in their order; without a label a block
  // is left out. A sample of another number of blocks, or of a step before the
  // last one, begins anew.
  GradientFigures Make(const GradientSample& sample,
                       const std::vector<std::string>& labels);

 private:
  // Absent: none was seen.
  using Mean = std::optional<GradientNoise>;

  static void Add(const std::optional<GradientNoise>& noise, Mean& mean);

  std::int64_t step_ = 0;
  Mean all_;
  std::vector<Mean> blocks_;
};

}  // namespace resnetd
