#pragma once

#include <c10/util/BFloat16.h>

#include <cstdint>

#include "absl/types/span.h"

namespace resnetd {

// Sums over values in memory, all of them added up in float64: what a training
// that is watched costs is mostly these. As wide as the processor's vectors;
// of one thread. Thread-safe.

struct ValueSums {
  // Not finite exactly when a value is not: no square of a float32 is beyond
  // float64.
  double squares = 0;
  // Values that are exactly 0, of either sign.
  std::int64_t zeros = 0;

  ValueSums& operator+=(const ValueSums& other) {
    squares += other.squares;
    zeros += other.zeros;
    return *this;
  }
};
ValueSums SumsOf(absl::Span<const float> values);
ValueSums SumsOf(absl::Span<const double> values);
ValueSums SumsOf(absl::Span<const c10::BFloat16> values);

// Of two equally long rows.
struct PairSums {
  // Of the squares of each.
  double left = 0;
  double right = 0;
  // Of the squares of what both are added up, rounded as their type is.
  double both = 0;
  double products = 0;

  PairSums& operator+=(const PairSums& other) {
    left += other.left;
    right += other.right;
    both += other.both;
    products += other.products;
    return *this;
  }
};
PairSums SumsOfPair(absl::Span<const float> left,
                    absl::Span<const float> right);
PairSums SumsOfPair(absl::Span<const double> left,
                    absl::Span<const double> right);
PairSums SumsOfPair(absl::Span<const c10::BFloat16> left,
                    absl::Span<const c10::BFloat16> right);

// Copies `from` to `to`, which is as long, and tells its squares' sum.
double CopySquares(absl::Span<const float> from, absl::Span<float> to);
double CopySquares(absl::Span<const double> from, absl::Span<double> to);

// The sum of the squares of left - right, equally long.
double SquaredDistance(absl::Span<const float> left,
                       absl::Span<const float> right);
double SquaredDistance(absl::Span<const double> left,
                       absl::Span<const double> right);

}  // namespace resnetd
