#include "server/rpc/call_lanes.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/clock.h"
#include "server/base/error.h"

namespace resnetd {
namespace {

// About the time of one change.
constexpr Duration kRetryWhenFull = std::chrono::seconds(1);

}  // namespace

absl::Status CallLane::Submit(std::function<void()> task) {
  if (pool_.TrySubmit(std::move(task))) {
    return absl::OkStatus();
  }
  return Error(absl::StatusCode::kResourceExhausted, Reason::kOverloaded,
               absl::StrCat("too many calls wait for their turn (limit ",
                            limit_, "); try again in 1 s"))
      .Metadata("limit_name", "waiting-calls")
      .Metadata("limit", absl::StrCat(limit_))
      .RetryAfter(kRetryWhenFull);
}

}  // namespace resnetd
