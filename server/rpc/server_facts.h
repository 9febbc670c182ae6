#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace resnetd {

// What GetServerInfo tells about the process; fixed from start to end.
struct ServerFacts {
  struct Limit {
    std::string name;  // of the flag
    std::int64_t value = 0;
  };
  struct Backend {
    std::string name;  // "engine" or "torch"
    bool usable = false;
    // Library and instruction set or device; or why not, and what to do.
    std::string detail;
  };

  std::string version;
  // Of the process.
  std::chrono::system_clock::time_point start_time;
  std::vector<Limit> limits;
  std::vector<Backend> backends;
  // Cores the process may use.
  int cpu_cores = 0;
};

}  // namespace resnetd
