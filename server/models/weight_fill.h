#pragma once

#include "server/image/pixels.h"
#include "server/models/architecture.h"
#include "server/models/weights.h"

namespace resnetd {

// Deterministic stand-ins for trained weights and for photographs, so that
// tests, golden files and benches of several languages mean the same network
// without shipping it. Every bit follows from this page:
//
//   h(name, i) = mix(fnv1a64(name) + (i + 1) * 0x9E3779B97F4A7C15)
//   mix(z): z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9
//           z = (z ^ (z >> 27)) * 0x94D049BB133111EB
//           z ^ (z >> 31)                       (all modulo 2^64)
//   f(name, i) = float32(h(name, i) >> 40) * 2^-23 - 1, exact, in [-1, 1)
//
// with `name` the state-dict name and i the index in C order. The value is, in
// float32 with one rounding per operation:
//   conv weight (rank 4)   f * float32(sqrt(6 / fan_in)),
//                          fan_in = (in / groups) * k * k, the root in double
//   fc.weight (rank 2)     f * float32(sqrt(1 / in))
//   rank 1: .weight        0.625 + 0.25 f
//           .bias          0.1 f
//           .running_mean  0.1 f
//           .running_var   1 + 0.5 f
//   num_batches_tracked    0 (not among the tensors)
Weights FillWeights(const Network& network);

// Byte i of the interleaved RGB rows is h("picture<number>", i) >> 56.
Pixels FillPicture(int width, int height, int number = 0);

}  // namespace resnetd
