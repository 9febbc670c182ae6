#pragma once

#include "client/cli/commands.h"
#include "client/cli/exit_code.h"
#include "client/client.h"

namespace resnetd::cli {

// `resnetctl classify --stream`; `request` is everything but the pictures.
ExitCode ClassifyOverStream(const Session& session, Client& client,
                            client::ClassifyRequest request);

}  // namespace resnetd::cli
