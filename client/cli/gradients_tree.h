#pragma once

#include "client/cli/app_fwd.h"
#include "client/cli/command_line.h"

namespace resnetd::cli {

// Adds `resnetctl gradients`; see command_tree.h.
void AddGradientsCommand(CLI::App& root, Arguments& arguments);

}  // namespace resnetd::cli
