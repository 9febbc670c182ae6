#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace CLI {  // NOLINT(readability-identifier-naming): the library's name.
class App;
}  // namespace CLI

namespace resnetd::cli {

// Completion scripts made from the tree of commands, so that they cannot fall
// behind it. `shell`: "bash", "zsh" or "fish".
std::string CompletionScript(absl::string_view shell, const CLI::App& root);

}  // namespace resnetd::cli
