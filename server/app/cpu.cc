#include "server/app/cpu.h"

#include <algorithm>
#include <fstream>
#include <string>

#include "absl/strings/numbers.h"
#include "server/base/thread_affinity.h"

namespace resnetd {
namespace {

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
  const int cores = static_cast<int>(AllowedCores().size());
  return std::max(1, quota > 0 ? std::min(quota, cores) : cores);
}

}  // namespace resnetd
