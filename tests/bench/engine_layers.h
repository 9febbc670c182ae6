#pragma once

#include "tests/bench/engine_cell.h"

namespace resnetd {

// A line a step of the plan of `cell`: the kernel, the median of its processor
// time on the calling thread, and the share of `peak` (operations a second; 0:
// not known) that it reaches. The first includes the writing of the pictures.
// Means something on one thread.
void PrintLayers(const BenchNetwork& network, const Cell& cell, double peak);

}  // namespace resnetd
