#pragma once

#include "client/cli/app_fwd.h"
#include "client/cli/command_line.h"

namespace resnetd::cli {

// Adds `train` with its commands.
void AddTrainCommands(CLI::App& root, Arguments& arguments);

// Adds `train start`.
void AddTrainStart(CLI::App& train, Arguments& arguments);

}  // namespace resnetd::cli
