#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "client/cli/app_fwd.h"

namespace resnetd::cli {

// Completion scripts made from the tree of commands, so that they cannot fall
// behind it. `shell`: "bash", "zsh" or "fish".
std::string CompletionScript(absl::string_view shell, const CLI::App& root);

}  // namespace resnetd::cli
