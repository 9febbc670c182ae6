#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace resnetd {

// Edits (insert, delete, replace, swap of neighbours) that turn `a` into `b`,
// ASCII case ignored. Costs a.size() * b.size().
std::size_t EditDistance(absl::string_view a, absl::string_view b);

// The candidates that `word` is probably a misspelling of, nearest first, then
// in their own order; at most `limit`. Empty when none is near: more than a
// third of the longer text would have to change.
std::vector<std::string> NearestNames(absl::string_view word,
                                      absl::Span<const std::string> candidates,
                                      std::size_t limit = 3);

// "; did you mean \"a\"?" or "; did you mean \"a\" or \"b\"?" for the end of an
// error text, empty when no candidate is near.
std::string DidYouMean(absl::string_view word,
                       absl::Span<const std::string> candidates);

}  // namespace resnetd
