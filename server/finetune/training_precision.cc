#include "server/finetune/training_precision.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace resnetd {
namespace {

// resnet18 has 11 million parameters, the deepest network for pictures of
// 32 x 32 that is in use 1.7 million (cifar_resnet110).
constexpr std::int64_t kLeastParameters = 1'000'000;

bool IsNear(double value, double expected, double most) {
  return std::isfinite(value) && std::isfinite(expected) &&
         std::abs(value - expected) <= most;
}

}  // namespace

bool IsHopeless(const TrainingTrial& fp32, const TrainingTrial& bf16) {
  return static_cast<double>(bf16.fastest.count()) >
         kMostSlowdown * static_cast<double>(fp32.fastest.count());
}

TrainingPrecision ChoosePrecision(const TrainingTrial& fp32,
                                  const TrainingTrial& bf16) {
  const bool is_same =
      IsNear(bf16.loss, fp32.loss, kMostLossError * (1 + fp32.loss)) &&
      IsNear(bf16.gradient_norm, fp32.gradient_norm,
             kMostGradientError * fp32.gradient_norm);
  const bool is_faster =
      static_cast<double>(fp32.fastest.count()) >=
      kLeastSpeedup * static_cast<double>(bf16.fastest.count());
  return is_same && is_faster ? TrainingPrecision::kBf16
                              : TrainingPrecision::kFp32;
}

bool IsPrecisionOpen(const RecipeRequest& request, const Recipe& recipe,
                     const Network& network) {
  const std::vector<bool>& trained = recipe.phases.back().trained_parts;
  const bool is_head_only =
      std::find(trained.begin(), trained.end(), true) == trained.end() - 1;
  return !request.precision && !is_head_only &&
         ParameterCount(network) >= kLeastParameters;
}

}  // namespace resnetd
