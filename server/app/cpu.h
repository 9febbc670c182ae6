#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace resnetd {

// Cores that this process may use: its affinity mask, cut to the smallest CPU
// quota of its control groups, at least 1. A container with `cpus: 2` on a
// large machine gets 2.
int UsableCores();

// The smallest quota of the process's own control group and of its parents, of
// version 2 (`cpu.max`) and of version 1 (`cpu.cfs_quota_us`). In cores,
// rounded up; nullopt: none, or none that can be read. `root`: of the file
// system, for tests.
std::optional<int> QuotaCores(const std::string& root = "/");

// Of the file's text, "150000 100000": microseconds of a period that may be
// used, and the period. nullopt: no quota ("max", and -1 in version 1, whose
// two files are given joined by a blank), or a text that says none. Pure.
std::optional<int> QuotaCoresOf(absl::string_view text);

}  // namespace resnetd
