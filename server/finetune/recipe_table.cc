#include "server/finetune/recipe_table.h"

namespace resnetd {
namespace {

constexpr RecipeColumn kFewShot = {.first_rate = 1e-2,
                                   .last_rate = 1e-2,
                                   .head_rate = 1e-1,
                                   .weight_decay = 0,
                                   .head_share = 0.2,
                                   .head_epoch = false,
                                   .last_stages = 2,
                                   .mixup = 0,
                                   .least_scale = 0.8,
                                   .colour = 0,
                                   .patience = 5};
constexpr RecipeColumn kMedium = {.first_rate = 1e-4,
                                  .last_rate = 1e-2,
                                  .head_rate = 1e-2,
                                  .weight_decay = 1e-4,
                                  .head_share = 0.2,
                                  .head_epoch = true,
                                  .last_stages = 0,
                                  .mixup = 0,
                                  .least_scale = 0.5,
                                  .colour = 0.2,
                                  .patience = 5};
constexpr RecipeColumn kLarge = {.first_rate = 1e-2,
                                 .last_rate = 1e-2,
                                 .head_rate = 1e-1,
                                 .weight_decay = 5e-5,
                                 .head_share = 0,
                                 .head_epoch = false,
                                 .last_stages = 0,
                                 .mixup = 0.1,
                                 .least_scale = 0.5,
                                 .colour = 0.2,
                                 .patience = 5};
// No early stop: most of the gain comes with the low rates at the end.
constexpr RecipeColumn kFromScratch = {.first_rate = 1e-1,
                                       .last_rate = 1e-1,
                                       .head_rate = 1e-1,
                                       .weight_decay = 5e-4,
                                       .head_share = 0,
                                       .head_epoch = false,
                                       .last_stages = 0,
                                       .mixup = 0,
                                       .least_scale = 0.5,
                                       .colour = 0,
                                       .patience = 0};

}  // namespace

const RecipeColumn& ColumnOf(RecipePreset preset) {
  switch (preset) {
    case RecipePreset::kFewShot:
      return kFewShot;
    case RecipePreset::kMedium:
      return kMedium;
    case RecipePreset::kLarge:
      return kLarge;
    case RecipePreset::kFromScratch:
      break;
  }
  return kFromScratch;
}

}  // namespace resnetd
