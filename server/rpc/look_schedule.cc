#include "server/rpc/look_schedule.h"

#include <algorithm>

namespace resnetd {

LookSchedule::LookSchedule() : LookSchedule(Options{}) {}

LookSchedule::LookSchedule(const Options& options) : options_(options) {}

bool LookSchedule::IsDue(std::int64_t unseen, SteadyTime now) {
  least_ = std::min(least_, unseen);
  if (unseen - least_ >= options_.growth) {
    least_ = unseen;
    // Those that were looked at before may be the ones that grow.
    rounds_ = is_between_ ? 2 : 1;
  }
  if (rounds_ == 0 && now < next_) {
    return false;
  }
  next_ = now + options_.interval;
  return true;
}

void LookSchedule::Looked(bool is_last) {
  is_between_ = !is_last;
  if (is_last) {
    rounds_ = std::max(rounds_ - 1, 0);
  }
}

}  // namespace resnetd
