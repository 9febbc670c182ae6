#pragma once

#include "client/cli/app_fwd.h"
#include "client/cli/command_line.h"

namespace resnetd::cli {

// Adds `resnetctl top`; see command_tree.h.
void AddTopCommand(CLI::App& root, Arguments& arguments);

}  // namespace resnetd::cli
