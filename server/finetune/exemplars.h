#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"

namespace resnetd {

// Choice of the examples that a version keeps of each class, to be replayed
// when it learns more classes.

// The `per_class` examples of each class whose SHA-256 of seed and digest is
// the least: a random choice that only changes a little when examples are
// added or removed. Indices of `digests`, by class, then by that hash.
// Precondition: one label per digest.
std::vector<std::size_t> ChooseByHash(const std::vector<std::string>& digests,
                                      absl::Span<const int> labels,
                                      std::size_t per_class, std::int64_t seed);

// How many of each class to keep, at least `per_class`, so that `least` are
// kept in all where there are so many: a class with fewer gives what it has.
std::size_t PerClassForAtLeast(absl::Span<const int> labels,
                               std::size_t per_class, std::size_t least);

// The examples whose mean stays nearest to the mean of their class, one after
// the other (Rebuffi et al. 2017), of features scaled to length 1: the first k
// of a class are the choice for k. Indices of the examples, by class, then in
// that order; of equals the first. Examples with a feature that is not finite
// come last. `features`: `size` >= 1 per example. Cost: per_class * examples *
// size.
std::vector<std::size_t> ChooseByHerding(absl::Span<const float> features,
                                         std::size_t size,
                                         absl::Span<const int> labels,
                                         std::size_t per_class);

}  // namespace resnetd
