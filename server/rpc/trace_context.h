#pragma once

#include "absl/strings/string_view.h"

namespace resnetd {

// The trace id (32 hex digits) inside a `traceparent` value of W3C Trace
// Context, a view into it; empty when the value is not valid, which the
// standard says to ignore.
absl::string_view TraceIdOf(absl::string_view traceparent);

}  // namespace resnetd
