#include "tests/torture/serving_scenario.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "server/models/batch_sizes.h"
#include "tests/support/seeded_random.h"

namespace resnetd {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

// Of what the workers can do.
constexpr std::array<double, 6> kLoads = {0.3, 0.8, 1.2, 2, 5, 10};

template <typename Value, std::size_t count>
Value OneOf(const std::array<Value, count>& values, SeededRandom& random) {
  return values[random.Below(count)];
}

std::vector<Priority> DrawPriorities(SeededRandom& random) {
  if (random.OneIn(2)) {
    return {static_cast<Priority>(random.Below(3))};
  }
  // The lowest is rare or common.
  std::vector<Priority> priorities = {Priority::kNormal, Priority::kBatch};
  for (std::uint64_t i = random.Below(6); i > 0; --i) {
    priorities.push_back(static_cast<Priority>(1 + random.Below(2)));
  }
  return priorities;
}

// Some of 1, 2, 4, ..., and the largest.
void DrawAllowedBatches(ServingScenario& scenario, SeededRandom& random) {
  for (std::size_t size = 1; size < scenario.max_batch; size *= 2) {
    if (random.OneIn(2)) {
      scenario.allowed_batches.push_back(size);
    }
  }
  scenario.allowed_batches.push_back(scenario.max_batch);
}

void DrawFaults(ServingScenario& scenario, SeededRandom& random) {
  if (random.OneIn(3)) {
    return;
  }
  const auto one_in = [&random](std::uint64_t most) {
    return random.OneIn(2) ? 0 : 1 + random.Below(most);
  };
  scenario.slow_batches = one_in(40);
  scenario.storms = one_in(100);
  scenario.jumps = one_in(100);
  scenario.load_steps = one_in(50);
}

void DrawCallers(ServingScenario& scenario, SeededRandom& random) {
  const std::size_t count = random.OneIn(3) ? 1 : 2 + random.Below(4);
  for (std::size_t i = 0; i < count; ++i) {
    ServingScenario::Caller caller;
    caller.identity = absl::StrCat("caller-", i);
    caller.max_images = 1 + (random.OneIn(3) ? random.Below(20) : 0);
    caller.min_patience = 2 + static_cast<int>(random.Below(5));
    caller.max_patience =
        caller.min_patience + 1 + static_cast<int>(random.Below(100));
    caller.cancels = random.OneIn(3) ? 1 + random.Below(4) : 0;
    scenario.callers.push_back(std::move(caller));
  }
  // One of them may ask for much more than the others.
  const double load = OneOf(kLoads, random);
  const double flood = random.OneIn(2) ? 1 : 20;
  double shares = flood - 1;
  for (const ServingScenario::Caller& caller : scenario.callers) {
    shares += caller.identity.empty() ? 0 : 1;
  }
  for (std::size_t i = 0; i < count; ++i) {
    ServingScenario::Caller& caller = scenario.callers[i];
    const double share = (i == 0 ? flood : 1) / shares;
    const double images = (1 + static_cast<double>(caller.max_images)) / 2;
    const double seconds = ToSeconds(scenario.TimeOf(0, scenario.max_batch)) /
                           static_cast<double>(scenario.max_batch) /
                           static_cast<double>(scenario.workers) * images /
                           (load * share);
    caller.mean_gap = Duration(static_cast<std::int64_t>(seconds * 1e9));
  }
}

// Room for many pictures, or not even for the largest.
void DrawDecoding(ServingScenario& scenario, SeededRandom& random) {
  scenario.decode_bytes = 10 + random.Below(300);
  scenario.max_decode_images = random.OneIn(4) ? 4 + random.Below(40) : 65'536;
  for (ServingScenario::Caller& caller : scenario.callers) {
    const std::uint64_t most = random.OneIn(4) ? 400 : 60;
    caller.picture_bytes = random.OneIn(4) ? 0 : 1 + random.Below(most);
    caller.broken = random.OneIn(4) ? 1 + random.Below(4) : 0;
  }
}

void DrawGate(ServingScenario& scenario, SeededRandom& random) {
  if (random.OneIn(3)) {
    return;
  }
  constexpr std::size_t kMiB = 1U << 20U;
  scenario.gate.max_calls = 4 + random.Below(60);
  scenario.gate.max_calls_per_connection = 2 + random.Below(20);
  scenario.gate.max_calls_per_client = 2 + random.Below(40);
  scenario.gate.max_bytes_held = (8 + random.Below(100)) * kMiB;
  scenario.gate.max_bytes_held_per_client = (4 + random.Below(60)) * kMiB;
  scenario.max_message = (1 + random.Below(8)) * kMiB;
  scenario.max_sending = milliseconds(random.Below(500));
  for (ServingScenario::Caller& caller : scenario.callers) {
    caller.connections = 1 + random.Below(3);
  }
}

void MakeExact(ServingScenario& scenario) {
  scenario.is_exact = true;
  scenario.workers = 1;
  scenario.models.resize(1);
  scenario.models[0].base = {};
  scenario.priorities.resize(1);
  scenario.max_decode = scenario.announced_decode = {};
  scenario.callers.resize(1);
  scenario.callers[0].cancels = scenario.callers[0].broken = 0;
  scenario.callers[0].picture_bytes = 0;
  scenario.slow_batches = scenario.storms = scenario.jumps = scenario.stops = 0;
}

}  // namespace

ServingScenario::ServingScenario(std::uint64_t seed) {
  SeededRandom random(SeededRandom::Mix(seed));
  workers = 1 + random.Below(3);
  constexpr std::array<std::size_t, 6> kBatches = {1, 2, 4, 4, 8, 16};
  max_batch = OneOf(kBatches, random);
  limits.max_images = 4 + random.Below(60);
  // Pictures hold 193 to 292 bytes: room for 4 to 86.
  limits.max_bytes = 1000 + random.Below(20'000);
  limits.max_wait = milliseconds(20 + random.Below(1000));
  for (std::uint64_t i = random.OneIn(2) ? 1 : 1 + random.Below(3); i > 0;
       --i) {
    // As on a CPU, or with much that every batch costs.
    models.push_back({.base = random.OneIn(2)
                                  ? Duration{}
                                  : microseconds(random.Below(20'000)),
                      .each = microseconds(500 + random.Below(20'000))});
  }
  if (random.OneIn(4)) {
    objective = 2 * TimeOf(0, 1 + random.Below(max_batch));
  }
  if (random.OneIn(4)) {
    rate = {.images_per_second = 1 + random.Below(200),
            .burst = random.Below(50)};
  }
  priorities = DrawPriorities(random);
  decoders = 1 + random.Below(3);
  max_decode = random.OneIn(3) ? Duration{} : Duration(microseconds(5000));
  announced_decode = max_decode / 2;
  calls = 40 + random.Below(120);
  DrawFaults(*this, random);
  DrawCallers(*this, random);
  SeededRandom more(SeededRandom::Mix(~seed));
  DrawDecoding(*this, more);
  DrawGate(*this, more);
  stops = more.OneIn(3) ? 1 + more.Below(100) : 0;
  wall_goes_back = more.OneIn(2);
  if (random.OneIn(5)) {
    MakeExact(*this);
  } else if (random.OneIn(3)) {
    DrawAllowedBatches(*this, random);
  }
}

Duration ServingScenario::BatchTimeOf(std::size_t model,
                                      std::size_t images) const {
  return TimeOf(model, RowsOf(images, allowed_batches));
}

Duration ServingScenario::TimeOf(std::size_t model, std::size_t images) const {
  return models[model].base +
         models[model].each * static_cast<std::int64_t>(images);
}

}  // namespace resnetd
