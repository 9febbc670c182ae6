#pragma once

#include <chrono>
#include <cstddef>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/torture/serving_scenario.h"

namespace resnetd {

// Of the server of Offered(), in images a second.
inline constexpr double kCapacity = 100;
// After its callers are done, a world waits so long and asks once more.
inline constexpr double kIdleAtTheEnd = 100;

// One caller for each of `loads`, in multiples of what the server can do, with
// two seconds for each call.
inline ServingScenario Offered(const std::vector<double>& loads,
                               std::size_t calls) {
  ServingScenario scenario(1);
  scenario.workers = 1;
  scenario.max_batch = 4;
  scenario.objective = {};
  scenario.limits = {};
  scenario.rate = {};
  scenario.models = {{.base = {}, .each = std::chrono::milliseconds(10)}};
  scenario.callers.clear();
  for (const double load : loads) {
    scenario.callers.push_back(
        {.identity = absl::StrCat("caller-", scenario.callers.size()),
         .mean_gap =
             Duration(static_cast<std::int64_t>(1e9 / (kCapacity * load))),
         .max_images = 1,
         .min_patience = 200,
         .max_patience = 201,
         .cancels = 0});
  }
  scenario.priorities = {Priority::kNormal};
  scenario.max_decode = {};
  scenario.calls = calls;
  scenario.decode_bytes = 512U << 20U;
  scenario.max_decode_images = 65'536;
  scenario.gate = {};
  scenario.max_message = 1;
  scenario.max_sending = {};
  scenario.slow_batches = scenario.storms = scenario.jumps = scenario.stops =
      scenario.load_steps = 0;
  scenario.is_exact = false;
  return scenario;
}

inline double Share(std::size_t part, std::size_t whole) {
  return static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace resnetd
