#pragma once

#include <string>

#include "absl/status/status.h"
#include "server/base/error.h"
#include "server/rpc/call_gate.h"

namespace resnetd {

// A client with one connection.
inline Caller From(const std::string& connection) {
  return {.connection = connection, .identity = connection};
}

// The reason of a refusal.
inline std::string RefusalOf(const absl::Status& status) {
  return DetailsOf(status).reason;
}

// The flag of the limit that a refusal names; empty for none.
inline std::string LimitOf(const absl::Status& status) {
  for (const auto& [key, value] : DetailsOf(status).metadata) {
    if (key == "limit_name") {
      return value;
    }
  }
  return "";
}

}  // namespace resnetd
