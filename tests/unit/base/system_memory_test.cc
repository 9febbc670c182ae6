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
