#include "tests/bench/process_cost.h"

#include <unistd.h>

#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"

namespace resnetd {
namespace {

double SecondsOf(double ticks) {
  return ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

// User and system time of "/proc/PID/stat".
double ProcessSeconds(const std::string& pid) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/stat"));
  std::string line;
  std::getline(file, line);
  // The name in parentheses may hold blanks. Behind it, the 12th and 13th word.
  std::istringstream words(line.substr(line.rfind(')') + 1));
  std::string skipped;
  for (int i = 0; i < 11; ++i) {
    words >> skipped;
  }
  double user = 0;
  double system = 0;
  words >> user >> system;
  return SecondsOf(user + system);
}

// "cpu user nice system idle iowait irq softirq steal": all but the two that
// wait.
double BusySeconds() {
  std::ifstream file("/proc/stat");
  std::string name;
  double user = 0;
  double nice = 0;
  double system = 0;
  double idle = 0;
  double wait = 0;
  double irq = 0;
  double softirq = 0;
  double steal = 0;
  file >> name >> user >> nice >> system >> idle >> wait >> irq >> softirq >>
      steal;
  return SecondsOf(user + nice + system + irq + softirq + steal);
}

}  // namespace

double ResidentKib(const std::string& pid) {
  std::ifstream status(absl::StrCat("/proc/", pid, "/status"));
  std::string word;
  double kib = 0;
  while (status >> word) {
    if (word == "VmRSS:" && status >> kib) {
      return kib;
    }
  }
  return 0;
}

CpuTimes ReadCpuTimes(const std::string& pid) {
  return {.busy = BusySeconds(),
          .own = ProcessSeconds(pid) + ProcessSeconds("self")};
}

}  // namespace resnetd
