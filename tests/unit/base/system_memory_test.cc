#include "server/base/system_memory.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "tests/support/temp_dir.h"

namespace resnetd {
namespace {

class SystemMemoryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_.MakeFolder("proc");
    folder_.MakeFolder("sys/fs/cgroup");
  }
  void Write(const std::string& file, const std::string& text) const {
    std::ofstream(folder_.File(file)) << text;
  }
  TempDir folder_;
};

constexpr char kInfo[] =
    "MemTotal:        8000000 kB\n"
    "MemFree:         1000000 kB\n"
    "MemAvailable:    5000000 kB\n";

TEST_F(SystemMemoryTest, IsThatOfTheMachine) {
  Write("proc/meminfo", kInfo);
  const SystemMemory memory = ReadSystemMemory(folder_.path());
  EXPECT_EQ(memory.total, 8'000'000 * 1024LL);
  EXPECT_EQ(memory.free, 5'000'000 * 1024LL);
}

TEST_F(SystemMemoryTest, IsWhatTheControlGroupLeavesWhereThatIsLess) {
  Write("proc/meminfo", kInfo);
  Write("sys/fs/cgroup/memory.max", "1000000\n");
  Write("sys/fs/cgroup/memory.current", "400000\n");
  SystemMemory memory = ReadSystemMemory(folder_.path());
  EXPECT_EQ(memory.total, 1'000'000);
  EXPECT_EQ(memory.free, 600'000);
  // Over its limit: the system is about to reclaim.
  Write("sys/fs/cgroup/memory.current", "1000001\n");
  EXPECT_EQ(ReadSystemMemory(folder_.path()).free, 0);
  Write("sys/fs/cgroup/memory.max", "max\n");
  memory = ReadSystemMemory(folder_.path());
  EXPECT_EQ(memory.total, 8'000'000 * 1024LL);
  EXPECT_EQ(memory.free, 5'000'000 * 1024LL);
}

TEST_F(SystemMemoryTest, IsWhatTheTightestParentLeaves) {
  Write("proc/meminfo", kInfo);
  folder_.MakeFolder("proc/self");
  folder_.MakeFolder("sys/fs/cgroup/pod/container");
  Write("proc/self/cgroup", "0::/pod/container\n");
  Write("proc/self/mountinfo",
        "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
  Write("sys/fs/cgroup/pod/container/memory.max", "3000000\n");
  Write("sys/fs/cgroup/pod/container/memory.current", "1000000\n");
  Write("sys/fs/cgroup/pod/memory.max", "4000000\n");
  Write("sys/fs/cgroup/pod/memory.current", "3500000\n");
  const SystemMemory memory = ReadSystemMemory(folder_.path());
  EXPECT_EQ(memory.total, 3'000'000);
  EXPECT_EQ(memory.free, 500'000);
}

TEST_F(SystemMemoryTest, KnowsTheLimitsOfVersion1) {
  Write("proc/meminfo", kInfo);
  folder_.MakeFolder("proc/self");
  folder_.MakeFolder("sys/fs/cgroup/memory/docker");
  Write("proc/self/cgroup", "4:memory:/docker\n");
  Write("proc/self/mountinfo",
        "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
  // No limit is the largest number of whole pages.
  Write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  Write("sys/fs/cgroup/memory/memory.usage_in_bytes", "7000000\n");
  SystemMemory memory = ReadSystemMemory(folder_.path());
  EXPECT_EQ(memory.total, 8'000'000 * 1024LL);
  EXPECT_EQ(memory.free, 5'000'000 * 1024LL);
  Write("sys/fs/cgroup/memory/docker/memory.limit_in_bytes", "2000000\n");
  Write("sys/fs/cgroup/memory/docker/memory.usage_in_bytes", "500000\n");
  memory = ReadSystemMemory(folder_.path());
  EXPECT_EQ(memory.total, 2'000'000);
  EXPECT_EQ(memory.free, 1'500'000);
}

TEST_F(SystemMemoryTest, PassesADamagedLimitOver) {
  Write("proc/meminfo", kInfo);
  for (const char* text : {"", "much", "-1", "1000 kB", "1e6"}) {
    Write("sys/fs/cgroup/memory.max", text);
    EXPECT_EQ(ReadSystemMemory(folder_.path()).total, 8'000'000 * 1024LL)
        << text;
  }
}

TEST_F(SystemMemoryTest, IsUnknownWhereNothingTellsIt) {
  const SystemMemory memory = ReadSystemMemory(folder_.path());
  EXPECT_FALSE(memory.total.has_value());
  EXPECT_FALSE(memory.free.has_value());
}

TEST_F(SystemMemoryTest, KnowsThisMachine) {
  const SystemMemory memory = ReadSystemMemory();
  ASSERT_TRUE(memory.total.has_value());
  ASSERT_TRUE(memory.free.has_value());
  EXPECT_LE(*memory.free, *memory.total);
  ForgetPeakMemory();
  const auto before = PeakMemory();
  ASSERT_TRUE(before.has_value());
  constexpr std::size_t kBytes = std::size_t{64} << 20U;
  std::vector<char> taken(kBytes);
  std::memset(taken.data(), 1, taken.size());
  EXPECT_GE(*PeakMemory(), *before);
  EXPECT_GE(*PeakMemory(), static_cast<std::int64_t>(kBytes));
}

}  // namespace
}  // namespace resnetd
