#pragma once

#include <functional>
#include <set>
#include <string>

#include "absl/status/statusor.h"

namespace resnetd {

// The weights (SHA-256, hexadecimal) of the versions that there are.
using WeightsOfVersions =
    std::function<absl::StatusOr<std::set<std::string>>()>;

// Removes what CpuEngineOptions::record_folder keeps for versions that are
// gone: choices of other weights, files that are no choice any more, and what
// was not written to its end an hour ago. A folder that is not there, or is
// called "", has none. Answers how many files went.
//
// `weights` is asked once, after the folder was read: a version that is
// imported meanwhile loses nothing. Where it fails nothing is removed, and that
// is the error. Beside engines that keep and find choices: what is removed
// under them is a choice that they make again. After a crash the next call does
// the rest.
absl::StatusOr<int> CollectKeptChoices(const std::string& folder,
                                       const WeightsOfVersions& weights);

}  // namespace resnetd
