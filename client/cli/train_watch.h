#pragma once

#include <cstdint>

#include "client/cli/commands.h"
#include "client/client.h"

namespace resnetd::cli {

// Tells what happens to a job until it is done: one line an event, with -o
// json one object a line. Somebody at a terminal sees steps as curves that are
// drawn again instead. Then what became of it.
//
// kOk: it did what it was asked for. kOther: it failed, was cancelled, or its
// version was to be promoted and was not. Else as the error that ended it.
ExitCode WatchJob(const Session& session, Client& client,
                  const client::Job& job, std::int64_t after_sequence);

// The verdict of the gate, what became of the job, and the next command.
void PrintOutcome(const Session& session, const client::Job& job);

}  // namespace resnetd::cli
