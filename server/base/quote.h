#pragma once

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace resnetd {

// `text` from outside for an error text or a log line: in double quotes, every
// byte that is not printable ASCII as an escape, cut after `max_bytes` of the
// original with "..." behind the quotes.
std::string Quoted(absl::string_view text, std::size_t max_bytes = 64);

}  // namespace resnetd
