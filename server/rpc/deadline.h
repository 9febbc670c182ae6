#pragma once

#include <chrono>
#include <optional>

#include "server/base/clock.h"

namespace resnetd {

// When a call has to be answered.
struct CallDeadline {
  SteadyTime at{};
  // True: the client set none.
  bool is_default = false;
};

// The deadline of a call that arrives `now` (`wall_now` by the wall clock) and
// brings `from_client`, a point of the wall clock; time_point::max(): none.
// The only place where wall-clock deadlines become steady ones.
CallDeadline DecideDeadline(std::chrono::system_clock::time_point from_client,
                            std::chrono::system_clock::time_point wall_now,
                            SteadyTime now, Duration default_deadline,
                            Duration max_deadline);

// The deadline of a request of a stream, that arrives `now` and has `timeout`
// to be answered, if it says so.
CallDeadline DecideDeadline(std::optional<Duration> timeout, SteadyTime now,
                            Duration default_deadline, Duration max_deadline);

}  // namespace resnetd
