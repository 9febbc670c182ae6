#include "client/cli/completion.h"

#include <CLI/CLI.hpp>

namespace resnetd::cli {
std::string CompletionScript(absl::string_view /*shell*/,
                             const CLI::App& /*root*/) {
  return "";
}
}  // namespace resnetd::cli
