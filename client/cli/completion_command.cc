#include <CLI/CLI.hpp>
#include <ostream>

#include "client/cli/command_tree.h"
#include "client/cli/commands.h"
#include "client/cli/completion.h"

namespace resnetd::cli {

ExitCode RunCompletion(const Session& session) {
  Arguments unused;
  const std::unique_ptr<CLI::App> tree = CommandTree(unused);
  session.console.out << CompletionScript(session.arguments.completion.shell,
                                          *tree);
  return ExitCode::kOk;
}

}  // namespace resnetd::cli
