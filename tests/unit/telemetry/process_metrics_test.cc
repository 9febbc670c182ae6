#include "server/telemetry/process_metrics.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <latch>
#include <map>
#include <string>
#include <vector>

#include "server/base/thread.h"

namespace resnetd {
namespace {

std::map<std::string, double> Collect() {
  std::map<std::string, double> values;
  for (const prometheus::MetricFamily& family : CollectProcessMetrics()) {
    values[family.name] = family.type == prometheus::MetricType::Counter
                              ? family.metric.at(0).counter.value
                              : family.metric.at(0).gauge.value;
  }
  return values;
}

TEST(ProcessMetricsTest, HasTheNamesOfEveryClientLibrary) {
  std::vector<std::string> names;
  for (const auto& [name, value] : Collect()) {
    names.push_back(name);
  }
  EXPECT_THAT(names, testing::ElementsAre(
                         "process_cpu_seconds_total", "process_max_fds",
                         "process_open_fds", "process_resident_memory_bytes",
                         "process_start_time_seconds", "process_threads",
                         "process_virtual_memory_bytes"));
}

TEST(ProcessMetricsTest, CountsOpenFiles) {
  const double before = Collect().at("process_open_fds");
  const int first = open("/dev/null", O_RDONLY | O_CLOEXEC);
  const int second = open("/dev/null", O_RDONLY | O_CLOEXEC);
  EXPECT_EQ(Collect().at("process_open_fds"), before + 2);
  close(first);
  close(second);
  EXPECT_EQ(Collect().at("process_open_fds"), before);
}

TEST(ProcessMetricsTest, CountsThreads) {
  std::latch counted(1);
  // A sanitizer starts a thread of its own with the first.
  const Thread first("first", [&counted] { counted.wait(); });
  const double before = Collect().at("process_threads");
  const Thread second("second", [&counted] { counted.wait(); });
  EXPECT_EQ(Collect().at("process_threads"), before + 1);
  counted.count_down();
}

TEST(ProcessMetricsTest, SeesMemoryThatIsTouched) {
  const double before = Collect().at("process_resident_memory_bytes");
  constexpr std::size_t kBytes = 64U << 20U;
  const std::vector<char> touched(kBytes, 1);
  const auto now = Collect();
  EXPECT_GT(now.at("process_resident_memory_bytes"), before + 0.9 * kBytes);
  EXPECT_GE(now.at("process_virtual_memory_bytes"),
            now.at("process_resident_memory_bytes"));
  EXPECT_EQ(touched.back(), 1);
}

TEST(ProcessMetricsTest, CountsTimeUpwards) {
  const double before = Collect().at("process_cpu_seconds_total");
  const auto start = std::chrono::steady_clock::now();
  std::uint64_t turns = 0;
  while (Collect().at("process_cpu_seconds_total") <= before) {
    ++turns;
    ASSERT_LT(std::chrono::steady_clock::now() - start,
              std::chrono::seconds(20));
  }
}

TEST(ProcessMetricsTest, StartedAsTheKernelSays) {
  // The folder of the process is as old as the process, to the clock tick.
  struct stat facts {};
  ASSERT_EQ(stat("/proc/self", &facts), 0);
  const double now = std::chrono::duration<double>(
                         std::chrono::system_clock::now().time_since_epoch())
                         .count();
  const double started = Collect().at("process_start_time_seconds");
  EXPECT_LE(started, now + 1);
  // No test of ours runs for ten minutes.
  EXPECT_GT(started, now - 600);
}

}  // namespace
}  // namespace resnetd
