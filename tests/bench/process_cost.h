#pragma once

#include <string>

namespace resnetd {

// Resident memory of a process in KiB; 0: there is no such process.
double ResidentKib(const std::string& pid);

// Seconds of processor time since the machine, or the process, started.
struct CpuTimes {
  // Of all processors, whatever they ran.
  double busy = 0;
  // Of this process and the observed one.
  double own = 0;
};

// Now; `pid`: the observed process.
CpuTimes ReadCpuTimes(const std::string& pid);

}  // namespace resnetd
