#pragma once

#include <string>

#include "server/finetune/job.h"
#include "server/models/version_tallies.h"

namespace resnetd {

// What is made of how a promoted version fares.
struct WatchVerdict {
  bool roll_back = false;
  // Why, for people, with the figures.
  std::string text;
};

// Whether a version that answers `now` so is worse than promoted versions may
// be. `before`: how the version answered that it took over from, at the
// promotion. Rolled back is
//   one whose answers fail more often than rules.max_failure_rate says, but not
//   for a single failure;
//   one whose mean confidence is lower by more than rules.max_confidence_drop
//   of what it was, both known from rules.min_answers answers at least.
WatchVerdict JudgeWatch(const WatchRules& rules, const VersionTally& before,
                        const VersionTally& now);

}  // namespace resnetd
