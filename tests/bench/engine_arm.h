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
// logits of the first picture, the operations of a picture, and the peak of the
// core; or why there is no such plan. Then reads lines `time BATCH SECONDS` and
// answers each with how many batches ran in at least so much processor time,
// and what they took. Until the input ends.
void RunArm(const ArmOptions& options);

}  // namespace resnetd
