// How long a request may wait, on servers of several speeds: what is answered,
// how late, and what is refused though there is time for it. See
// docs/decisions/0018-a-queue-target-of-one-second.md.

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
  // No other limit is in the way.
  scenario.gate.max_calls = scenario.gate.max_calls_per_client =
      scenario.gate.max_calls_per_connection = 1'000'000;
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
  double goodput = 0;      // of what the device can do
  double refused = 0;      // of all calls
  double late = 0;         // of those that were let in
  double p99_seconds = 0;  // of those that were answered
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
  figures.p99_seconds =
      ToSeconds(report.latencies[report.latencies.size() * 99 / 100]);
  return figures;
}

std::size_t CallsIn(const Device& device, double load, double time) {
  return static_cast<std::size_t>(load * device.Capacity() * time);
}

// What a target comes to on one device.
struct Line {
  Figures flood;    // five times what it can do, of one caller
  Figures callers;  // the same, of eight
  Figures busy;     // 0.95 of it
  Figures usual;    // 0.7 of it
  // 64 calls at the same moment, each of another caller.
  Figures burst;
  // 0.7 of it, in requests of up to 64 images.
  Figures large;
};

Line LineOf(const Device& device, Duration target) {
  // As long as 400 full batches take.
  const double time = 400 * ToSeconds(device.FullBatch());
  const auto offered = [&](double load, std::size_t images,
                           std::size_t callers) {
    const std::size_t calls = CallsIn(device, load, time) * 2 / (1 + images);
    return FiguresOf(device,
                     LoadOn(device, target, load, images, callers, calls));
  };
  return {.flood = offered(5, 1, 1),
          .callers = offered(5, 1, 8),
          .busy = offered(0.95, 1, 1),
          .usual = offered(0.7, 1, 1),
          .burst = FiguresOf(device, LoadOn(device, target, 0.001, 1, 64, 64)),
          .large = offered(0.7, 64, 4)};
}

void Tell(const Device& device, const std::string& target, const Line& line) {
  std::cout << absl::StrFormat(
                   "| %s | %s | %.3f | %.2f s | %.2f s | %.1f %% | %.1f %% | "
                   "%.0f %% | %.1f %% |",
                   device.name, target, line.flood.goodput,
                   line.flood.p99_seconds, line.callers.p99_seconds,
                   100 * line.busy.refused, 100 * line.usual.refused,
                   100 * line.burst.refused, 100 * line.large.refused)
            << std::endl;
}

struct Targets {
  Line batches;  // three batches
  Line second;   // one second, as it is
};

Targets TargetsOf(const Device& device) {
  const Targets targets = {.batches = LineOf(device, 3 * device.FullBatch()),
                           .second = LineOf(device, seconds(1))};
  Tell(device, "three batches", targets.batches);
  Tell(device, "1 s", targets.second);
  for (const Line& line : {targets.batches, targets.second}) {
    EXPECT_GE(line.flood.goodput, 0.98);
    EXPECT_GE(line.callers.goodput, 0.98);
    EXPECT_EQ(line.flood.late, 0);
    EXPECT_EQ(line.callers.late, 0);
    EXPECT_EQ(line.busy.late, 0);
    EXPECT_EQ(line.large.late, 0);
  }
  // The target and two batches, which take up to a twentieth more or less.
  EXPECT_LE(targets.second.flood.p99_seconds,
            1.05 * (1 + 2 * ToSeconds(device.FullBatch())));
  return targets;
}

TEST(QueueTargetTest, OnASlowServerThreeBatchesRefuseLessAndAnswerLater) {
  const Targets targets = TargetsOf(Slow());
  EXPECT_LT(targets.batches.usual.refused, 0.001);
  EXPECT_GT(targets.second.usual.refused, 0.01);
  EXPECT_LT(targets.second.usual.refused, 0.03);
  EXPECT_GT(targets.batches.callers.p99_seconds,
            3 * targets.second.callers.p99_seconds);
}

TEST(QueueTargetTest, ThreeBatchesAreTooLittleForCallersWhoComeAtOnce) {
  const Targets targets = TargetsOf(Cpu());
  EXPECT_GT(targets.batches.burst.refused, 0.5);
  EXPECT_EQ(targets.second.burst.refused, 0);
  EXPECT_GT(targets.batches.large.refused, 0.2);
  EXPECT_LT(targets.second.large.refused, 0.001);
}

TEST(QueueTargetTest, AQuickServerRefusesFewWithEither) {
  const Targets targets = TargetsOf(Gpu());
  EXPECT_EQ(targets.batches.burst.refused, 0);
  EXPECT_EQ(targets.second.burst.refused, 0);
  EXPECT_GT(targets.batches.large.refused, 0.02);
  EXPECT_EQ(targets.second.large.refused, 0);
}

}  // namespace
}  // namespace resnetd
