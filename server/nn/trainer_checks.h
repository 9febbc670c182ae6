#pragma once

#include <cstddef>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "server/finetune/trainer.h"
#include "server/models/architecture.h"

namespace resnetd {

// INVALID_ARGUMENT (RECIPE_INVALID) with a violation for each option that is
// out of its range or does not fit the network.
absl::Status CheckOptions(const TrainerOptions& options,
                          const Network& network);

// What a batch must be.
struct BatchRules {
  int classes = 0;
  // 2 where batch norms use the statistics of the batch.
  std::size_t least_examples = 1;
  // Everything before a trained part is frozen, so that there are features.
  bool has_frozen_beginning = false;
};

// INVALID_ARGUMENT (RECIPE_INVALID): too few examples, not as many labels or
// partners as examples, a label, a partner or `mix` out of its range; pictures
// beside features, features with mixup or where there are none. Pictures and
// features are not looked at.
absl::Status CheckBatch(const TrainingBatch& batch, const BatchRules& rules);

// INVALID_ARGUMENT (RECIPE_INVALID): not one rate for each part, or the rate of
// a trained part is negative or not finite.
absl::Status CheckRates(absl::Span<const double> rates,
                        const std::vector<bool>& trained_parts);

}  // namespace resnetd
