#pragma once

#include <string>
#include <vector>

#include "client/cli/app_fwd.h"
#include "client/cli/command_line.h"
#include "client/load/arrivals.h"

namespace resnetd::cli {

// Adds `resnetctl bench`; see command_tree.h.
void AddBenchCommand(CLI::App& root, Arguments& arguments);

// "50x10s,200x5s": calls a second for a time, one after the other. Returns
// what is wrong with the text, or nothing.
std::string ParseSteps(const std::string& text,
                       std::vector<client::LoadPhase>& phases);

}  // namespace resnetd::cli
