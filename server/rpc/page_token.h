#pragma once

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace resnetd {

inline constexpr int kDefaultPageSize = 100;
inline constexpr int kMaxPageSize = 1000;

// Entries on a page: `requested`, or the default for 0.
// INVALID_ARGUMENT below 0 and over the maximum.
absl::StatusOr<std::size_t> PageSize(int requested);

// The token of the page behind the entry called `last` in the list `list`
// ("models", "models/NAME/versions"). Opaque to clients.
std::string MakePageToken(absl::string_view list, absl::string_view last);

// INVALID_ARGUMENT for a token that no list gave out.
absl::Status PageTokenError();

// The entry that a token of `list` names; "" for the empty token: the first
// page. INVALID_ARGUMENT for anything else.
absl::StatusOr<std::string> ReadPageToken(absl::string_view list,
                                          absl::string_view token);

}  // namespace resnetd
