// How long a request may wait, on servers of several speeds: what is answered,
// how late, and what is refused though there is time for it. See
// docs/decisions/0018-the-queue-target-follows-the-batch.md.

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/torture/serving_loads.h"
#include "tests/torture/serving_world.h"

namespace resnetd {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

struct Device {
  std::string name;
  // Of a batch, and of each of its images.
  Duration base{};
  Duration each{};
  std::size_t max_batch = 4;

  Duration FullBatch() const {
    return base + each * static_cast<std::int64_t>(max_batch);
  }
  double Capacity() const {
    return static_cast<double>(max_batch) / ToSeconds(FullBatch());
  }
};

Device Slow() { return {"slow", {}, milliseconds(150), 4}; }
Device Cpu() { return {"cpu", {}, milliseconds(10), 4}; }
Device Gpu() { return {"gpu", milliseconds(3), microseconds(250), 32}; }

// As many callers, who ask together for `load` times what the device can do, in
// requests of up to `images`, with ten seconds for each.
ServingScenario LoadOn(const Device& device, Duration target, double load,
                       std::size_t images, std::size_t callers,
                       std::size_t calls) {
  const double asked = load * device.Capacity() / kCapacity /
                       static_cast<double>(callers) * 2 /
                       static_cast<double>(1 + images);
  ServingScenario scenario =
      Offered(std::vector<double>(callers, asked), calls);
  scenario.models = {{.base = device.base, .each = device.each}};
  scenario.max_batch = device.max_batch;
  scenario.limits.max_wait = target;
  scenario.is_warm = true;
  const auto patience =
      static_cast<int>(seconds(10) / scenario.TimeOf(0, images));
  for (ServingScenario::Caller& caller : scenario.callers) {
    caller.max_images = images;
    caller.min_patience = std::max(patience, 2);
    caller.max_patience = caller.min_patience + 1;
  }
  return scenario;
}

struct Figures {
  double goodput = 0;  // of what the device can do
  double refused = 0;  // of all calls
  double late = 0;     // of those that were let in
  double p99_ms = 0;   // of those that were answered
};

Figures FiguresOf(const Device& device, const ServingScenario& scenario) {
  ServingReport report = ServingWorld(scenario, 7, Sabotage::kNone).Run();
  EXPECT_TRUE(report.violations.empty()) << device.name;
  std::sort(report.latencies.begin(), report.latencies.end());
  const double seconds_served = ToSeconds(report.simulated) - kIdleAtTheEnd;
  Figures figures;
  figures.goodput =
      static_cast<double>(report.answered) / seconds_served / device.Capacity();
  figures.refused = Share(report.refused, report.calls);
  figures.late = Share(report.failed, report.answered + report.failed);
  figures.p99_ms =
      1000 * ToSeconds(report.latencies[report.latencies.size() * 99 / 100]);
  return figures;
}

std::size_t CallsIn(const Device& device, double load, double time) {
  return static_cast<std::size_t>(load * device.Capacity() * time);
}

// One line of the table of the decision.
std::string LineOf(const Device& device, Duration target) {
  // As long as 400 full batches take.
  const double time = 400 * ToSeconds(device.FullBatch());
  const Figures flood = FiguresOf(
      device, LoadOn(device, target, 5, 1, 1, CallsIn(device, 5, time)));
  const Figures busy = FiguresOf(
      device, LoadOn(device, target, 0.95, 1, 1, CallsIn(device, 0.95, time)));
  const Figures usual = FiguresOf(
      device, LoadOn(device, target, 0.7, 1, 1, CallsIn(device, 0.7, time)));
  // All at once, each of another caller.
  const Figures burst =
      FiguresOf(device, LoadOn(device, target, 0.001, 1, 64, 64));
  const Figures large = FiguresOf(
      device,
      LoadOn(device, target, 0.7, 64, 4, CallsIn(device, 0.7, time) / 32));
  return absl::StrFormat(
      "| %s | %d ms | %.3f | %.0f ms | %.1f %% | %.1f %% | %.0f %% | %.1f %% |",
      device.name, target / milliseconds(1), flood.goodput, flood.p99_ms,
      100 * busy.refused, 100 * usual.refused, 100 * burst.refused,
      100 * large.refused);
}

TEST(QueueTargetTest, Figures) {
  std::cout << "| server | target | goodput at 5x | p99 at 5x | refused at "
               "0.95 | at 0.7 | of 64 at once | of up to 64 images at 0.7 |\n";
  for (const Device& device : {Slow(), Cpu(), Gpu()}) {
    for (const Duration target :
         {3 * device.FullBatch(),
          std::max<Duration>(3 * device.FullBatch(), milliseconds(250)),
          Duration(seconds(1)),
          std::max<Duration>(3 * device.FullBatch(), seconds(1))}) {
      std::cout << LineOf(device, target) << std::endl;
    }
  }
}

}  // namespace
}  // namespace resnetd
