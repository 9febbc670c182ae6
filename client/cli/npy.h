#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/types/span.h"

namespace resnetd::cli {

// A file as numpy.load() reads it (format 1.0): an array of float32 with a row
// for each of `rows`, all of `columns` values. An empty row stands for one that
// is not known: all of it is NaN.
std::string NpyFile(absl::Span<const std::vector<float>> rows,
                    std::size_t columns);

}  // namespace resnetd::cli
