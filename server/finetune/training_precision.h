#pragma once

#include "server/base/clock.h"
#include "server/finetune/recipe.h"
#include "server/finetune/trainer.h"
#include "server/models/architecture.h"

namespace resnetd {

// Some steps of a network in one precision, from the same weights on the same
// pictures as those it is compared with.
struct TrainingTrial {
  // Of a step, without the first.
  Duration fastest{};
  // Of the first step.
  double loss = 0;
  double gradient_norm = 0;
};

// kBf16 has to be so much faster: below it, noise of the measurement would
// decide which weights a job ends with.
inline constexpr double kLeastSpeedup = 1.2;
// How far its first step may be apart. A bfloat16 has 8 bits: single values are
// off by up to 0.4 %, sums over a picture by less.
inline constexpr double kMostLossError = 0.02;
inline constexpr double kMostGradientError = 0.1;

// By how much the first step of kBf16 on some pictures may be slower for a
// trial to be worth its time. A first step also makes primitives, in either
// precision.
inline constexpr double kMostSlowdown = 3;

// Whether these steps, the first ones, say already that kBf16 does not pay.
bool IsHopeless(const TrainingTrial& fp32, const TrainingTrial& bf16);

// kBf16 when its steps are fast enough and come out as those of kFp32: the loss
// within kMostLossError of 1 + the loss, the norm of the gradient within
// kMostGradientError of itself, both finite.
TrainingPrecision ChoosePrecision(const TrainingTrial& fp32,
                                  const TrainingTrial& bf16);

// Whether a trial is to decide: the request leaves it open, and it may pay. It
// does not for a head alone, nor for small networks, which spend their time on
// other things than convolutions.
bool IsPrecisionOpen(const RecipeRequest& request, const Recipe& recipe,
                     const Network& network);

}  // namespace resnetd
