#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "server/store/dataset_catalog.h"

namespace resnetd {

// How the examples that were sent for no split of their own are divided.
struct SplitSpec {
  // Shares of them, 0 or more; together less than 1.
  double validation = 0.2;
  double test = 0;
  // Another number divides them anew.
  std::uint64_t seed = 0;
};

// INVALID_ARGUMENT (REQUEST_INVALID) naming "validation" and "test".
absl::Status CheckSplit(const SplitSpec& spec);

// Where an example lies in [0, 1): the first 8 bytes, big end first, of
// SHA-256(seed as 8 bytes, big end first, and the 32 bytes of the picture's
// digest), divided by 2^64.
double SplitPoint(const Digest& image, std::uint64_t seed);

// For each of `examples` kTrain, kValidation or kTest. One that was sent for a
// split stays there. Every other one is in validation below spec.validation of
// its SplitPoint(), in test below validation + test, else in training: whatever
// is added later, it stays where it is.
//
// But a class with at least 2 such examples has something to train on, and
// something to validate with when spec.validation > 0: where it has none, its
// example with the highest point is for training, that with the lowest for
// validation. Only these may move when the class grows.
// Precondition: CheckSplit(spec) is OK. Pure.
std::vector<ExampleSplit> AssignSplits(absl::Span<const ExampleRow> examples,
                                       const SplitSpec& spec);

}  // namespace resnetd
