#include "server/app/cpu.h"

#include <gtest/gtest.h>

#include <limits>
#include <optional>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/support/temp_dir.h"

namespace resnetd {
namespace {

TEST(UsableCoresTest, IsAtLeastOneAndAtMostWhatTheMachineHas) {
  EXPECT_GE(UsableCores(), 1);
  EXPECT_LE(UsableCores(),
            static_cast<int>(std::thread::hardware_concurrency()));
}

TEST(QuotaCoresOfTest, IsTheQuotaInCoresRoundedUp) {
  struct Case {
    const char* text;
    std::optional<int> cores;
  };
  constexpr int kMost = std::numeric_limits<int>::max();
  const Case cases[] = {
      {"200000 100000", 2},
      {"200001 100000", 3},
      {"199999 100000", 2},
      {"1 100000", 1},
      {"50000 100000\n", 1},
      {"9223372036854775807 1", kMost},
      {"max 100000", std::nullopt},
      {"-1 100000", std::nullopt},
      {"0 100000", std::nullopt},
      {"200000 0", std::nullopt},
      {"200000 -5", std::nullopt},
      {"200000", std::nullopt},
      {"200000 100000 7", std::nullopt},
      {"9223372036854775808 1", std::nullopt},
      {"2e5 100000", std::nullopt},
      {"", std::nullopt},
      {" ", std::nullopt},
  };
  for (const Case& one : cases) {
    EXPECT_EQ(QuotaCoresOf(one.text), one.cores) << "'" << one.text << "'";
  }
}

// A file system with control groups, as the kernel shows it.
class QuotaCoresTest : public ::testing::Test {
 protected:
  void SetUp() override { root_.MakeFolder("proc/self"); }
  void Mount(const std::string& point, const std::string& options) {
    mounts_ += absl::StrCat("30 23 0:26 / ", point, " rw - ", options, "\n");
    root_.Write("proc/self/mountinfo", mounts_);
  }
  void Group(const std::string& text) const {
    root_.Write("proc/self/cgroup", text);
  }
  void Write(const std::string& folder, const std::string& file,
             const std::string& text) const {
    root_.MakeFolder(folder);
    root_.Write(folder + "/" + file, text);
  }
  void First(const std::string& folder, const std::string& quota) const {
    Write(folder, "cpu.cfs_quota_us", quota + "\n");
    Write(folder, "cpu.cfs_period_us", "100000\n");
  }
  std::optional<int> Cores() const { return QuotaCores(root_.path()); }

  TempDir root_;

 private:
  std::string mounts_;
};

TEST_F(QuotaCoresTest, IsTheSmallestOfTheOwnGroupAndItsParents) {
  Mount("/sys/fs/cgroup", "cgroup2 cgroup2 rw");
  Group("0::/pod/container\n");
  const std::string mount = "sys/fs/cgroup";
  Write(mount + "/pod/container", "cpu.max", "800000 100000\n");
  EXPECT_EQ(Cores(), 8);
  Write(mount + "/pod", "cpu.max", "300000 100000\n");
  EXPECT_EQ(Cores(), 3);
  Write(mount, "cpu.max", "1600000 100000\n");
  EXPECT_EQ(Cores(), 3);
  // Another group's is none of ours.
  Write(mount + "/pod/other", "cpu.max", "100000 100000\n");
  EXPECT_EQ(Cores(), 3);
  Write(mount + "/pod/container", "cpu.max", "50000 50000\n");
  EXPECT_EQ(Cores(), 1);
}

TEST_F(QuotaCoresTest, IsNoneWhereNoGroupHasOne) {
  Mount("/sys/fs/cgroup", "cgroup2 cgroup2 rw");
  Group("0::/pod/container\n");
  EXPECT_EQ(Cores(), std::nullopt);  // No files.
  Write("sys/fs/cgroup/pod/container", "cpu.max", "max 100000\n");
  Write("sys/fs/cgroup/pod", "cpu.max", "max 100000\n");
  EXPECT_EQ(Cores(), std::nullopt);
}

TEST_F(QuotaCoresTest, PassesADamagedFileOver) {
  Mount("/sys/fs/cgroup", "cgroup2 cgroup2 rw");
  Group("0::/pod/container\n");
  Write("sys/fs/cgroup/pod/container", "cpu.max", "lots\n");
  EXPECT_EQ(Cores(), std::nullopt);
  Write("sys/fs/cgroup/pod", "cpu.max", "400000 100000\n");
  EXPECT_EQ(Cores(), 4);
}

TEST_F(QuotaCoresTest, IsThatOfVersion1) {
  Mount("/sys/fs/cgroup/cpu,cpuacct", "cgroup cgroup rw,cpu,cpuacct");
  Group("4:cpu,cpuacct:/docker/1\n3:memory:/elsewhere\n");
  const std::string mount = "sys/fs/cgroup/cpu,cpuacct";
  First(mount, "-1");
  First(mount + "/docker", "-1");
  First(mount + "/docker/1", "-1");
  EXPECT_EQ(Cores(), std::nullopt);
  First(mount + "/docker/1", "250000");
  EXPECT_EQ(Cores(), 3);
  First(mount + "/docker", "200000");
  EXPECT_EQ(Cores(), 2);
  First(mount + "/elsewhere", "100000");
  EXPECT_EQ(Cores(), 2);
}

TEST_F(QuotaCoresTest, OfVersion1NeedsItsPeriod) {
  Mount("/sys/fs/cgroup/cpu", "cgroup cgroup rw,cpu");
  Group("4:cpu:/\n");
  Write("sys/fs/cgroup/cpu", "cpu.cfs_quota_us", "200000\n");
  EXPECT_EQ(Cores(), std::nullopt);
  Write("sys/fs/cgroup/cpu", "cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(Cores(), 2);
}

TEST_F(QuotaCoresTest, IsTheSmallerOfBothVersionsWhereBothAreMounted) {
  Mount("/sys/fs/cgroup/cpu", "cgroup cgroup rw,cpu");
  Mount("/sys/fs/cgroup/unified", "cgroup2 cgroup2 rw");
  Group("4:cpu:/a\n0::/b\n");
  First("sys/fs/cgroup/cpu/a", "400000");
  EXPECT_EQ(Cores(), 4);
  Write("sys/fs/cgroup/unified/b", "cpu.max", "300000 100000\n");
  EXPECT_EQ(Cores(), 3);
}

TEST_F(QuotaCoresTest, IsReadWhereSystemsHaveItWhenNothingTellsWhereItIs) {
  EXPECT_EQ(Cores(), std::nullopt);
  First("sys/fs/cgroup/cpu,cpuacct", "500000");
  EXPECT_EQ(Cores(), 5);
  Write("sys/fs/cgroup", "cpu.max", "200000 100000\n");
  EXPECT_EQ(Cores(), 2);
}

}  // namespace
}  // namespace resnetd
