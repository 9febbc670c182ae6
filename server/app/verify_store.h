#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/app/config.h"
#include "server/base/clock.h"
#include "server/store/store.h"

namespace resnetd {

// Reads everything in the store of --data-dir, which no server may have open;
// what a crash left is finished or undone first, as at a start.
// FAILED_PRECONDITION (STORE_UNUSABLE): there is no store; and the errors of
// Store::Open() and Store::Verify().
absl::StatusOr<std::vector<Finding>> VerifyStore(const Config& config,
                                                 const Clock& clock);

// One line each, or that the store is sound.
std::string FormatFindings(absl::Span<const Finding> findings);

}  // namespace resnetd
