#pragma once

#include "absl/status/status.h"
#include "client/load/load_run.h"

namespace resnetd::client {

// How a call ended whose status is `error`, which is not OK.
CallOutcome OutcomeOf(const absl::Status& error);

}  // namespace resnetd::client
