#include "server/app/cpu.h"

#include <sched.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "absl/strings/numbers.h"

namespace resnetd {
namespace {

int AffinityCores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0) {
    return 1;
  }
  return CPU_COUNT(&set);
}

// Cores of the quota, rounded up; 0: no quota.
int QuotaCores() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  long period = 0;
  long microseconds = 0;
  if (!(file >> quota >> period) || period <= 0 ||
      !absl::SimpleAtoi(quota, &microseconds)) {
    return 0;
  }
  return static_cast<int>((microseconds + period - 1) / period);
}

}  // namespace

int UsableCores() {
  const int quota = QuotaCores();
  const int cores = AffinityCores();
  return std::max(1, quota > 0 ? std::min(quota, cores) : cores);
}

}  // namespace resnetd
