#pragma once

#include <vector>

#include "absl/types/span.h"

namespace resnetd {

// Cores that the scheduler may give the calling thread, ascending; at least
// one. A cpuset or `taskset` makes them fewer than the machine has.
std::vector<int> AllowedCores();

// From now on the calling thread, and every thread that it starts, runs on
// these cores alone. False: the system refused, e.g. a core that is not there
// or outside the cpuset; then nothing changed.
bool StayOn(absl::Span<const int> cores);

}  // namespace resnetd
