#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace resnetd {

// Folder of the demo model that comes with the program, found from where the
// executable lies: installed in ../share/resnetd/models/digits, or in the
// source tree that holds build/<preset>/bin.
// NOT_FOUND with what to do instead.
absl::StatusOr<std::string> FindDemoModel();

}  // namespace resnetd
