#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/rpc/access.h"

namespace resnetd {

inline constexpr std::size_t kMaxAccessFileBytes = 1U << 20U;
// Each call is compared with all of them.
inline constexpr std::size_t kMaxGrants = 1000;

// Reads the file of --tokens:
//   [[token]]
//   name = "ci"            # for limits, audit and log
//   role = "trainer"       # viewer, classifier, trainer, operator, replica
//   sha256 = "..."         # of the token, 64 hex digits
//   not_after = 2027-01-01T00:00:00Z   # optional
//   [[certificate]]        # with --tls-client-ca
//   name = "edge"
//   role = "classifier"
//   san = "edge.example.org"   # a DNS name, a URI or the common name
// `title` is what the errors call the file.
// INVALID_ARGUMENT (REQUEST_INVALID) with the line: an unknown key, a missing
// or wrong value, two grants for one token, one name with two roles.
absl::StatusOr<std::vector<Grant>> ParseAccessFile(absl::string_view text,
                                                   const std::string& title);

}  // namespace resnetd
