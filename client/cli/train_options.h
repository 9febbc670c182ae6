#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "client/cli/model_ref.h"
#include "client/job_types.h"

namespace resnetd::cli {

// What `resnetctl train start` was told.
struct TrainStartOptions {
  // Empty: the model that answers calls which name none.
  ModelRef model;
  // Pictures of this machine that become the dataset; empty: spec.dataset.
  std::string data;
  // Everything that a job is asked for but its model.
  client::JobSpec spec;
  bool manual = false;
  bool watch = false;
  bool dry_run = false;
  // Measures what it would cost, and starts nothing.
  bool estimate = false;
};

// What the commands behind `resnetctl train` were told.
struct TrainOptions {
  TrainStartOptions start;
  // "jobs/N", of those that are about one job.
  std::string job;
  // Of `list`; empty: any.
  std::vector<client::JobState> states;
  // Behind this event.
  std::int64_t after_sequence = 0;
  // Of `logs`: with every step.
  bool steps = false;
  bool yes = false;
  // Of `publish`; absent: the best checkpoint, or the last one.
  std::optional<std::int64_t> step;
  bool best = false;
  // Empty: the client makes one.
  std::string request_id;
};

}  // namespace resnetd::cli
