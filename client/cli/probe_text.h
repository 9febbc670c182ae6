#pragma once

#include <string>

#include "client/cli/json.h"
#include "client/probe_types.h"

namespace resnetd::cli {

// Probed gradients as people and programs read them. Pure; texts are safe for a
// terminal.

// A line for each block with bars, what was proved, ways back.
std::string ProbeText(const client::ProbeReport& report, bool unicode);

// The document of `-o json`: the fields of the proto by their names.
Json ProbeJson(const client::ProbeReport& report);

// Of a request, for grpcurl.
Json ProbeOptionsJson(const client::ProbeOptions& options);

}  // namespace resnetd::cli
