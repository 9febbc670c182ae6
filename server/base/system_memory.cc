#include "server/base/system_memory.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "absl/strings/numbers.h"
#include "server/base/control_group.h"
#include "server/base/text_file.h"

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
  std::int64_t number = 0;
  if (absl::SimpleAtoi(ReadTextFile(file), &number) && number >= 0) {
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
  for (const ControlGroup& group : ReadControlGroups("memory", root)) {
    const std::string prefix = group.folder + "/memory.";
    const bool second = group.version == 2;
    const std::optional<std::int64_t> limit =
        Number(prefix + (second ? "max" : "limit_in_bytes"));
    const std::optional<std::int64_t> used =
        Number(prefix + (second ? "current" : "usage_in_bytes"));
    memory.total = Least(memory.total, limit);
    if (limit && used) {
      memory.free =
          Least(memory.free, std::max<std::int64_t>(0, *limit - *used));
    }
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
