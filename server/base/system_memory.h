#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace resnetd {

// Memory of the machine, or of the tightest control group that the process is
// confined to (its own or a parent, of either version) where that is less. In
// bytes; nullopt: not known.
struct SystemMemory {
  std::optional<std::int64_t> total;
  // What may still be taken without swapping, the page cache included.
  std::optional<std::int64_t> free;
};

// As it is now. `root`: of the file system, for tests.
SystemMemory ReadSystemMemory(const std::string& root = "/");

// The most memory that the process held at a time since ForgetPeakMemory(), or
// since its start where the system does not let it forget. nullopt: not known.
std::optional<std::int64_t> PeakMemory();
void ForgetPeakMemory();

}  // namespace resnetd
