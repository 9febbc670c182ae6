#include "tests/bench/engine_layers.h"

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

#include "server/engine/plan.h"
#include "server/engine/program.h"

namespace resnetd {
namespace {

constexpr int kRuns = 15;

struct StepTimes {
  std::string implementation;
  double flops = 0;
  std::vector<double> seconds;
};

// Of a picture. Loops of our own that are a part of a step of the network have
// none.
double FlopsOf(const Program& program, const PlannedStep& planned) {
  const bool is_whole =
      program.steps[planned.of_program].kind == StepKind::kConvolution ||
      !planned.own;
  return is_whole ? FlopsOfStep(program, planned.of_program) : 0;
}

double ThreadNow() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) +
         1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace

void PrintLayers(const BenchNetwork& network, const Cell& cell, double peak) {
  const Program program = network.program();
  std::vector<StepTimes> steps;
  for (int run = 0; run < kRuns; ++run) {
    std::size_t step = 0;
    double start = ThreadNow();
    const auto observed = cell.network->Observe(
        network.Pictures(cell.batch),
        [&](const PlannedStep& planned, const std::byte* /*output*/) {
          if (run == 0) {
            steps.push_back({.implementation = planned.implementation,
                             .flops = FlopsOf(program, planned) * cell.batch,
                             .seconds = {}});
          }
          steps[step].seconds.push_back(ThreadNow() - start);
          ++step;
          start = ThreadNow();
        });
    if (!observed.ok()) {
      std::printf("  %s\n", std::string(observed.message()).c_str());
      return;
    }
  }
  for (StepTimes& step : steps) {
    std::sort(step.seconds.begin(), step.seconds.end());
    const double median = step.seconds[step.seconds.size() / 2];
    const double rate = step.flops / median;
    std::printf("  %-44s %9.1f us %8.1f GOP/s %6.1f %% of peak\n",
                step.implementation.c_str(), median * 1e6, rate / 1e9,
                peak > 0 ? 100 * rate / peak : 0.0);
  }
}

}  // namespace resnetd
