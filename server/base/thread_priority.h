#pragma once

namespace resnetd {

// From now on the calling thread, and every thread that it starts, runs only
// where no ordinary thread wants to: Linux's SCHED_IDLE. A thread of ordinary
// priority that wakes up takes the core at once. There is no way back without
// privileges. False: the system refused, e.g. a seccomp profile.
bool RunOnlyWhenIdle();

}  // namespace resnetd
