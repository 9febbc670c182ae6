#include "client/cli/commands.h"
namespace resnetd::cli {
ExitCode RunDoctor(const Session& session) { return RunHealth(session); }
}  // namespace resnetd::cli
