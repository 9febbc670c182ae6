#pragma once

#include <string>
#include <vector>

#include "server/engine/precision.h"

namespace resnetd {

// One arm of ./dev bench peers, as tests/bench/peer_engines/arm.py is of other
// engines.
struct ArmOptions {
  std::string model;
  Precision precision = Precision::kFloat32;
  std::vector<int> batches;
  int threads = 1;
};

// Prints a line of JSON when the network is loaded for every batch size: the
// logits of the first picture and the operations of a picture; or why there is
// no such plan. Then reads lines until the input ends: `time BATCH SECONDS` is
// answered with how many batches ran in at least so much processor time, and
// what they took, `peak` with what a core can do in the precision (CorePeak()),
// which means something while the machine does nothing else.
void RunArm(const ArmOptions& options);

}  // namespace resnetd
