#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace resnetd::cli {

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
};

}  // namespace resnetd::cli
