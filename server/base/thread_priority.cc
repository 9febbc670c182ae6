#include "server/base/thread_priority.h"

#include <sched.h>

namespace resnetd {

bool RunOnlyWhenIdle() {
  const sched_param none{};
  return sched_setscheduler(0, SCHED_IDLE, &none) == 0;
}

}  // namespace resnetd
