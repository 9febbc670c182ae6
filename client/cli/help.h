#pragma once

#include <string>

#include "client/cli/app_fwd.h"

namespace resnetd::cli {

// Help of a command: purpose, usage, sub-commands, arguments, options, options
// of all commands, examples. The same with every release of CLI11.
std::string HelpText(const CLI::App& command);

// Whether it takes arguments beside options, so that it can do without a
// sub-command.
bool HasArguments(const CLI::App& command);

// "resnetctl models show".
std::string FullName(const CLI::App& command);

// Help of the program and of each command, one after the other.
std::string AllHelp(const CLI::App& root);

}  // namespace resnetd::cli
