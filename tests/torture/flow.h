#pragma once

#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "server/base/clock.h"
#include "tests/torture/store_step.h"

namespace resnetd {

// One thing that a store does, from a known state, to be disturbed at every
// point. A plain value.
struct Flow {
  std::string name;
  // Done before, in peace.
  std::vector<Step> setup;
  // What is disturbed; none: the opening of the store.
  std::optional<Step> step;
  // The time that passes between.
  Duration pause = Duration::zero();
  // Whether the store was left by kill -9, with a log to be read.
  bool killed = false;
};

std::vector<Flow> AllFlows();

// For the names of tests.
inline void PrintTo(const Flow& flow, std::ostream* out) { *out << flow.name; }

}  // namespace resnetd
