#include "server/rpc/deadline.h"

#include <algorithm>

namespace resnetd {

CallDeadline DecideDeadline(std::chrono::system_clock::time_point from_client,
                            std::chrono::system_clock::time_point wall_now,
                            SteadyTime now, Duration default_deadline,
                            Duration max_deadline) {
  if (from_client == std::chrono::system_clock::time_point::max()) {
    return {.at = now + default_deadline, .is_default = true};
  }
  // Compared as points, so that a deadline in the year 292277 cannot overflow
  // a difference.
  if (from_client >= wall_now + max_deadline) {
    return {.at = now + max_deadline, .is_default = false};
  }
  if (from_client <= wall_now) {
    return {.at = now, .is_default = false};
  }
  return {.at = now + (from_client - wall_now), .is_default = false};
}

CallDeadline DecideDeadline(std::optional<Duration> timeout, SteadyTime now,
                            Duration default_deadline, Duration max_deadline) {
  if (!timeout) {
    return {.at = now + default_deadline, .is_default = true};
  }
  return {.at = now + std::min(*timeout, max_deadline), .is_default = false};
}

}  // namespace resnetd
