#include "server/telemetry/process_metrics.h"

#include <prometheus/client_metric.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "server/base/text_file.h"
#include "server/telemetry/metric_names.h"

namespace resnetd {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

void Add(const MetricSpec& spec, double value,
         std::vector<MetricFamily>& families) {
  MetricFamily family;
  family.name = std::string(spec.name);
  family.help = std::string(spec.help);
  ClientMetric metric;
  if (spec.kind == MetricKind::kCounter) {
    family.type = MetricType::Counter;
    metric.counter.value = value;
  } else {
    family.type = MetricType::Gauge;
    metric.gauge.value = value;
  }
  family.metric.push_back(metric);
  families.push_back(family);
}

// Fields of /proc/self/stat from the third on: the second is the program's name
// in parentheses and may hold anything.
std::vector<std::string> StatFields() {
  const std::string text = ReadTextFile("/proc/self/stat");
  const std::size_t end = text.rfind(") ");
  if (end == std::string::npos) {
    return {};
  }
  return absl::StrSplit(text.substr(end + 2), ' ');
}

std::optional<double> StatField(const std::vector<std::string>& fields,
                                std::size_t number) {
  double value = 0;
  // proc(5) counts from 1.
  if (number - 3 >= fields.size() ||
      !absl::SimpleAtod(fields[number - 3], &value)) {
    return std::nullopt;
  }
  return value;
}

// When the machine started, in seconds since the epoch.
std::optional<double> BootTime() {
  const std::string text = ReadTextFile("/proc/stat");
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    double seconds = 0;
    if (absl::ConsumePrefix(&line, "btime ") &&
        absl::SimpleAtod(line, &seconds)) {
      return seconds;
    }
  }
  return std::nullopt;
}

std::optional<double> OpenFiles() {
  std::error_code error;
  std::size_t count = 0;
  for (std::filesystem::directory_iterator at("/proc/self/fd", error), end;
       !error && at != end; at.increment(error)) {
    ++count;
  }
  // The iterator's own is among them.
  if (error || count == 0) {
    return std::nullopt;
  }
  return static_cast<double>(count - 1);
}

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) +
         static_cast<double>(time.tv_usec) * 1e-6;
}

}  // namespace

std::vector<MetricFamily> CollectProcessMetrics() {
  std::vector<MetricFamily> families;
  const auto add = [&families](const MetricSpec& spec,
                               std::optional<double> value) {
    if (value) {
      Add(spec, *value, families);
    }
  };
  if (rusage usage{}; getrusage(RUSAGE_SELF, &usage) == 0) {
    add(kProcessCpuSecondsTotal,
        Seconds(usage.ru_utime) + Seconds(usage.ru_stime));
  }
  if (rlimit limit{}; getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    add(kProcessMaxFds, static_cast<double>(limit.rlim_cur));
  }
  add(kProcessOpenFds, OpenFiles());
  const std::vector<std::string> stat = StatFields();
  const auto page = static_cast<double>(sysconf(_SC_PAGESIZE));
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  add(kProcessThreads, StatField(stat, 20));
  add(kProcessVirtualMemoryBytes, StatField(stat, 23));
  if (const std::optional<double> pages = StatField(stat, 24)) {
    add(kProcessResidentMemoryBytes, *pages * page);
  }
  const std::optional<double> started = StatField(stat, 22);
  const std::optional<double> boot = BootTime();
  if (started && boot) {
    add(kProcessStartTimeSeconds, *boot + *started / ticks);
  }
  return families;
}

}  // namespace resnetd
