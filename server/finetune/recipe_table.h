#pragma once

#include <cstddef>
#include <cstdint>

#include "server/finetune/recipe.h"

namespace resnetd {

// Where a preset begins: see PresetOf().
inline constexpr std::int64_t kFewImages = 500;
inline constexpr std::int64_t kFewPerClass = 20;
inline constexpr std::int64_t kManyImages = 20'000;

// The rates of the table are those of SGD with so many examples a step.
inline constexpr double kRateBatch = 128;
// Larger batches take no higher rates: the noise they save is gone by then.
inline constexpr double kMostRateScale = 4;

// One column of the table of docs/finetuning.md. Rates are those of SGD with
// kRateBatch examples a step.
struct RecipeColumn {
  // Of the stem; the stages between follow geometrically.
  double first_rate = 0;
  // Of the last stage.
  double last_rate = 0;
  double head_rate = 0;
  double weight_decay = 0;
  // Share of the steps in which the head settles alone; 0: no such phase.
  double head_share = 0;
  // The head phase is at most one epoch.
  bool head_epoch = false;
  // Stages that AUTO trains, from the last on; 0: all.
  std::size_t last_stages = 0;
  double mixup = 0;
  // Of the picture's area, that a crop shows.
  double least_scale = 1;
  double colour = 0;
  int patience = 0;
};

const RecipeColumn& ColumnOf(RecipePreset preset);

}  // namespace resnetd
