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

TrainingPhase ScaleByGradients(const TrainingPhase& phase,
                               absl::Span<const double> ratios) {
  double largest = 0;
  for (std::size_t part = 0; part < ratios.size(); ++part) {
    if (phase.trained_parts[part]) {
      largest = std::max(largest, ratios[part]);
    }
  }
  TrainingPhase scaled = phase;
  for (std::size_t part = 0; largest > 0 && part < ratios.size(); ++part) {
    scaled.rates[part] *= ratios[part] / largest;
  }
  return scaled;
}

}  // namespace resnetd
