#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "server/finetune/gradient_sample.h"

namespace resnetd {

// What is asked of a probe: the gradients of labelled examples at the weights
// as they are, without an update, computed in double precision.
struct ProbeSettings {
  int threads = 1;
  // Batch norms use the statistics of the examples, which takes two of them;
  // else the running ones. Both leave the running ones as they are.
  bool batch_statistics = false;
  // Compare the gradient of each path with central differences of the loss:
  // four passes for each block, up to twelve where the differences cross bends
  // of ReLUs.
  bool check_differences = false;
  // Tell what the parameters before each block get through either path: two
  // passes with gradients for each block.
  bool split_parameters = false;
  // Tell how much comes back through how many main paths, by up to this many
  // passes; 0: do not. When 2^blocks are no more, all ways there are.
  int path_passes = 0;
  // Which ways, when not all are gone.
  std::int64_t seed = 0;
};

// How far a probe is, in the work of ProbeWork().
struct ProbeProgress {
  std::int64_t done = 0;
  std::int64_t all = 0;
};
// Whether a probe goes on; an error ends it with that error.
using ProbeGoOn = std::function<absl::Status(const ProbeProgress&)>;

// |value - expected| / |expected|; 0 when both are 0.
struct PathErrors {
  double main = 0;
  double shortcut = 0;
};

// Norms of the gradient of all parameters before a block.
struct ParameterSplit {
  double by_main = 0;
  double by_shortcut = 0;
  double whole = 0;
  // |by_main + by_shortcut - whole| / |whole|, of the vectors.
  double error = 0;
};

struct ProbedBlock {
  bool shortcut_is_identity = false;
  PathNorms paths;
  // Absent when the shortcut is 0.
  std::optional<double> residual_ratio;
  std::optional<PathErrors> differences;
  // Absent for what was not asked for.
  std::optional<ParameterSplit> parameters;
};

// Of the ways back that take the main path of `main_paths` blocks and the
// shortcut of all others.
struct PathLength {
  int main_paths = 0;
  // Ways there are, and those that were gone.
  double ways = 0;
  int gone = 0;
  // Mean norm of the gradient that comes back to the first block on one of
  // them.
  double mean_norm = 0;

  // Of all of them together, if no two weakened each other.
  double mass() const { return ways * mean_norm; }
};

struct PathDistribution {
  std::vector<PathLength> lengths;  // 0 to the number of blocks
  // Norm of the gradient that comes back by shortcuts alone over that of the
  // whole.
  double direct_share = 0;
  // When all ways were gone: |sum of all - whole| / |whole|, of the vectors.
  std::optional<double> error;
};

struct ProbeReport {
  // Mean cross entropy.
  double loss = 0;
  int examples = 0;
  std::vector<ProbedBlock> blocks;
  std::optional<PathDistribution> distribution;
};

}  // namespace resnetd
