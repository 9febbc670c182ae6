#pragma once

#include <chrono>
#include <cstdint>
#include <limits>

#include "server/base/clock.h"

namespace resnetd {

// When the connections are looked at one by one, which takes its time: every
// now and then, some hundred at once; and at once, all of them, when the calls
// that no handler has seen grow by as many as a connection may have.
//
// Without threads and without a clock. Not thread-safe.
class LookSchedule {
 public:
  struct Options {
    // From one look to the next where nothing grows.
    Duration interval = std::chrono::milliseconds(250);
    // Calls by which the number grows.
    std::int64_t growth = 256;
  };

  LookSchedule();
  explicit LookSchedule(const Options& options);

  // Whether to look now. `unseen`: calls that were begun and that no handler
  // has; only its growth counts, from the least that it was since it last grew
  // so much.
  bool IsDue(std::int64_t unseen, SteadyTime now);

  // They were looked at; `is_last`: none is left, the next look begins with the
  // first one.
  void Looked(bool is_last);

 private:
  const Options options_;
  std::int64_t least_ = std::numeric_limits<std::int64_t>::max();
  SteadyTime next_{};
  // The last look was not at the last connections.
  bool is_between_ = false;
  // Looks at the last connections until all were seen since the number grew.
  int rounds_ = 0;
};

}  // namespace resnetd
