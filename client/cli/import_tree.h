#pragma once

#include "client/cli/app_fwd.h"
#include "client/cli/command_line.h"

namespace resnetd::cli {

// Adds `models import` to `models`. `arguments` outlives the tree.
void AddImportCommand(CLI::App& models, Arguments& arguments);

// Options that several commands take.
void AddRequestId(CLI::App& app, ModelsOptions& options);
void AddDryRun(CLI::App& app, ModelsOptions& options);
void AddLabelChange(CLI::App& app, ModelsOptions& options);

}  // namespace resnetd::cli
