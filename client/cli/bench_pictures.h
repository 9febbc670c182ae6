#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/types.h"

namespace resnetd::cli {

// Files that a bench holds in memory at most; what lies in a folder beyond
// them is left out.
inline constexpr std::size_t kMostBenchPictures = 1000;

// The pictures at `paths`: files, and folders with all below them, in the
// order of their names. INVALID_ARGUMENT: the errors of
// InspectImageFile(), and DATA_EMPTY: a folder without pictures.
absl::StatusOr<std::vector<client::Image>> ReadPictures(
    const std::vector<std::string>& paths);

// Eight pictures of coloured noise, `side` pixels high and wide, by `seed`.
std::vector<client::Image> NoisePictures(int side, bool at_network_size,
                                         std::uint64_t seed);

}  // namespace resnetd::cli
