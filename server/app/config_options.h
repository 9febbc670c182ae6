#pragma once

#include <string>
#include <vector>

#include "server/app/config.h"

namespace CLI {  // NOLINT(readability-identifier-naming): the library's name.
class App;
}  // namespace CLI

namespace resnetd {

// "max-batch" -> "RESNETD_MAX_BATCH".
std::string VariableOf(const std::string& name);

// Makes every setting of `config` a flag of `app`, with its help, its range and
// its environment variable. Returns the names. `config` outlives `app`.
std::vector<std::string> AddSettings(CLI::App& app, Config& config);

}  // namespace resnetd
