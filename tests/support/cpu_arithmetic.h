#pragma once

#include <fstream>
#include <sstream>
#include <string>

namespace resnetd {

// What this machine's processor announces: for tests of what depends on it.
inline bool CpuHas(const std::string& flag) {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("flags", 0) != 0) {
      continue;
    }
    std::istringstream words(line);
    for (std::string word; words >> word;) {
      if (word == flag) {
        return true;
      }
    }
    return false;
  }
  return false;
}

// oneDNN computes in bfloat16 from AVX-512 on, by emulation at worst.
inline bool CpuHasBfloat16() { return CpuHas("avx512bw"); }

}  // namespace resnetd
