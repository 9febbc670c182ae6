#pragma once

namespace resnetd {

// Cores that this process may use: its affinity mask, cut to the CPU quota of
// its control group (v2), at least 1. A container with `cpus: 2` on a large
// machine gets 2.
int UsableCores();

}  // namespace resnetd
