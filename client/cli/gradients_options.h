#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "client/cli/model_ref.h"

namespace resnetd::cli {

// What `resnetctl gradients probe` was told.
struct ProbeCommandOptions {
  ModelRef ref;
  // Pictures of this machine.
  std::string data;
  // So many of them at most.
  std::int64_t pictures = 16;
  bool batch_statistics = false;
  bool fd_check = false;
  bool split = false;
  // 0: not asked for.
  std::int64_t path_passes = 0;
  std::int64_t seed = 0;
};

// What `resnetctl gradients` was told.
struct GradientsOptions {
  // "jobs/N".
  std::string job;
  // 0: from the oldest one that is kept, to the newest one.
  std::int64_t first_step = 0;
  std::int64_t last_step = 0;
  // Empty: all.
  std::vector<std::string> blocks;
  // 0: the server's default.
  std::int64_t max_samples = 0;
  bool follow = false;
  // Files to write; empty: none.
  std::string csv;
  std::string svg;
  // A folder that gets an event file; empty: none.
  std::string tensorboard;
  // They may exist.
  bool force = false;
  ProbeCommandOptions probe;
};

}  // namespace resnetd::cli
