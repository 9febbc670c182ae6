#include "server/base/system_memory.h"

#include <algorithm>
#include <fstream>
#include <sstream>

namespace resnetd {
namespace {

constexpr std::int64_t kKiB = 1024;

// Of a line "name:   123 kB".
std::optional<std::int64_t> Entry(const std::string& file,
                                  const std::string& name) {
  std::ifstream in(file);
  std::string line;
  while (std::getline(in, line)) {
    if (line.rfind(name + ":", 0) == 0) {
      std::istringstream rest(line.substr(name.size() + 1));
      std::int64_t kib = 0;
      if (rest >> kib) {
        return kib * kKiB;
      }
    }
  }
  return std::nullopt;
}

// Of a file that holds one number; "max" is none.
std::optional<std::int64_t> Number(const std::string& file) {
  std::ifstream in(file);
  std::int64_t number = 0;
  if (in >> number) {
    return number;
  }
  return std::nullopt;
}

std::optional<std::int64_t> Least(std::optional<std::int64_t> a,
                                  std::optional<std::int64_t> b) {
  return a && b ? std::optional(std::min(*a, *b)) : a ? a : b;
}

}  // namespace

SystemMemory ReadSystemMemory(const std::string& root) {
  const std::string info = root + "/proc/meminfo";
  SystemMemory memory{.total = Entry(info, "MemTotal"),
                      .free = Entry(info, "MemAvailable")};
  const std::string group = root + "/sys/fs/cgroup/memory.";
  const std::optional<std::int64_t> limit = Number(group + "max");
  const std::optional<std::int64_t> used = Number(group + "current");
  memory.total = Least(memory.total, limit);
  if (limit && used) {
    memory.free = Least(memory.free, std::max<std::int64_t>(0, *limit - *used));
  }
  return memory;
}

std::optional<std::int64_t> PeakMemory() {
  return Entry("/proc/self/status", "VmHWM");
}

void ForgetPeakMemory() {
  // 5: see proc(5).
  std::ofstream("/proc/self/clear_refs") << 5;
}

}  // namespace resnetd
