#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "server/finetune/recipe.h"
#include "server/image/augment.h"

namespace resnetd {

// The example that something is drawn for: it follows from this alone.
struct DrawPlace {
  std::int64_t seed = 0;
  // Optimiser step, >= 0.
  std::int64_t step = 0;
  // Of the example in the step, or of the batch in the step.
  std::uint32_t index = 0;
};

// Whether every picture is taken as for serving, in each step.
bool VariesNothing(const AugmentationSettings& settings);

// How the picture of width x height is varied, by the rules of torchvision's
// RandomResizedCrop, RandomHorizontalFlip and ColorJitter.
AugmentDraw DrawAugmentation(const AugmentationSettings& settings, int width,
                             int height, const DrawPlace& place);

// The crop that is taken when no drawn one fits: the largest one in the middle
// with a ratio of width to height from 1 / most_ratio to most_ratio.
CropBox MiddleCrop(int width, int height, double most_ratio);

// Mixup of one batch: TrainingBatch::mix and partners.
struct MixupDraw {
  double mix = 1;
  std::vector<int> partners;
};
// `alpha` > 0. Precondition: examples >= 1.
MixupDraw DrawMixup(double alpha, std::size_t examples, const DrawPlace& place);

// TrainingBatch::seed of one batch.
std::uint64_t BatchSeed(const DrawPlace& place);

}  // namespace resnetd
