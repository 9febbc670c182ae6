#include "server/finetune/rate_schedule.h"

#include <algorithm>
#include <cmath>

namespace resnetd {
namespace {

constexpr double kPi = 3.14159265358979323846;

}  // namespace

std::int64_t TotalSteps(const Recipe& recipe) {
  std::int64_t steps = 0;
  for (const TrainingPhase& phase : recipe.phases) {
    steps += phase.steps;
  }
  return steps;
}

PhasePosition PhaseAt(const Recipe& recipe, std::int64_t step) {
  PhasePosition position{.phase = 0, .step = step};
  while (position.step >= recipe.phases[position.phase].steps) {
    position.step -= recipe.phases[position.phase].steps;
    ++position.phase;
  }
  return position;
}

double RateFactor(RateSchedule schedule, double warmup, std::int64_t steps,
                  std::int64_t step) {
  const std::int64_t rising =
      std::min(std::llround(warmup * static_cast<double>(steps)), steps - 1LL);
  if (step < rising) {
    return static_cast<double>(step + 1) / static_cast<double>(rising + 1);
  }
  if (schedule == RateSchedule::kConstant) {
    return 1;
  }
  const double done =
      static_cast<double>(step - rising) / static_cast<double>(steps - rising);
  return 0.5 * (1 + std::cos(kPi * done));
}

std::vector<double> RatesAt(const Recipe& recipe, std::int64_t step) {
  const PhasePosition position = PhaseAt(recipe, step);
  const TrainingPhase& phase = recipe.phases[position.phase];
  const double factor =
      RateFactor(recipe.schedule, recipe.warmup, phase.steps, position.step);
  std::vector<double> rates = phase.rates;
  for (double& rate : rates) {
    rate *= factor;
  }
  return rates;
}

std::vector<double> ScaleByGradients(absl::Span<const double> rates,
                                     absl::Span<const PartNorms> parts) {
  double largest = 0;
  for (const PartNorms& part : parts) {
    if (part.weights > 0) {
      largest = std::max(largest, part.gradient / part.weights);
    }
  }
  std::vector<double> scaled(rates.begin(), rates.end());
  for (std::size_t i = 0; largest > 0 && i < parts.size(); ++i) {
    if (parts[i].weights > 0) {
      scaled[i] *= parts[i].gradient / parts[i].weights / largest;
    }
  }
  return scaled;
}

}  // namespace resnetd
