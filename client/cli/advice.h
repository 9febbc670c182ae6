#pragma once

#include <string>

#include "absl/status/status.h"

namespace resnetd::cli {

// What to do about an error of a call, for the end of its text; empty when the
// text says it all. The server cannot know it: it does not know which client it
// talks to. Not escaped.
std::string AdviceFor(const absl::Status& error);

}  // namespace resnetd::cli
