#include "server/base/control_group.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/temp_dir.h"

namespace resnetd {
namespace {

constexpr char kUnified[] =
    "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n";
constexpr char kFirst[] =
    "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup "
    "rw,cpu,cpuacct\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";

struct Case {
  std::string name;
  std::string groups;
  std::string mounts;
  std::vector<ControlGroup> found;
};

TEST(ControlGroupTest, FindsTheOwnGroupAndItsParentsUpToTheMount) {
  const std::vector<Case> cases = {
      {"version 2, nested",
       "0::/a.slice/b.service\n",
       kUnified,
       {{"/sys/fs/cgroup/a.slice/b.service", 2},
        {"/sys/fs/cgroup/a.slice", 2},
        {"/sys/fs/cgroup", 2}}},
      {"version 2, a namespace of its own",
       "0::/\n",
       kUnified,
       {{"/sys/fs/cgroup", 2}}},
      {"version 1, controllers that share a mount",
       "5:memory:/m\n4:cpu,cpuacct:/docker/1\n1:name=systemd:/s\n",
       kFirst,
       {{"/sys/fs/cgroup/cpu,cpuacct/docker/1", 1},
        {"/sys/fs/cgroup/cpu,cpuacct/docker", 1},
        {"/sys/fs/cgroup/cpu,cpuacct", 1}}},
      {"both versions",
       "4:cpu,cpuacct:/one\n0::/two\n",
       std::string(kFirst) +
           "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
       {{"/sys/fs/cgroup/cpu,cpuacct/one", 1},
        {"/sys/fs/cgroup/cpu,cpuacct", 1},
        {"/sys/fs/cgroup/unified/two", 2},
        {"/sys/fs/cgroup/unified", 2}}},
      {"a container sees its own group as the mount",
       "4:cpu:/kubepods/pod1/c1\n",
       "9 8 0:29 /kubepods/pod1/c1 /sys/fs/cgroup/cpu ro - cgroup cgroup "
       "ro,cpu\n",
       {{"/sys/fs/cgroup/cpu", 1}}},
      {"a group below the one that is mounted",
       "4:cpu:/kubepods/pod1/c1/inner\n",
       "9 8 0:29 /kubepods/pod1/c1 /sys/fs/cgroup/cpu ro - cgroup cgroup "
       "ro,cpu\n",
       {{"/sys/fs/cgroup/cpu/inner", 1}, {"/sys/fs/cgroup/cpu", 1}}},
      {"a mount that begins with the same letters shows nothing of it",
       "4:cpu:/pod12/c\n",
       "9 8 0:29 /pod1 /cg ro - cgroup cgroup ro,cpu\n",
       {{"/cg", 1}}},
      {"a group outside of the namespace",
       "0::/../other\n",
       kUnified,
       {{"/sys/fs/cgroup", 2}}},
      {"two dots in a name are a name",
       "0::/a/..b\n",
       kUnified,
       {{"/sys/fs/cgroup/a/..b", 2},
        {"/sys/fs/cgroup/a", 2},
        {"/sys/fs/cgroup", 2}}},
      {"colons and blanks in names",
       "0::/run:1\n",
       "30 23 0:26 / /my\\040groups rw - cgroup2 cgroup2 rw\n",
       {{"/my groups/run:1", 2}, {"/my groups", 2}}},
      {"another controller's hierarchy only: the places by custom",
       "5:memory:/m\n",
       "35 31 0:32 / /m rw - cgroup cgroup rw,memory\n",
       {{"/sys/fs/cgroup", 2},
        {"/sys/fs/cgroup/cpu", 1},
        {"/sys/fs/cgroup/cpu,cpuacct", 1}}},
      {"no mounts told of: the places by custom, with the group",
       "4:cpu,cpuacct:/one\n",
       "",
       {{"/sys/fs/cgroup", 2},
        {"/sys/fs/cgroup/cpu/one", 1},
        {"/sys/fs/cgroup/cpu", 1},
        {"/sys/fs/cgroup/cpu,cpuacct/one", 1},
        {"/sys/fs/cgroup/cpu,cpuacct", 1}}},
      {"no group told of", "", kUnified, {{"/sys/fs/cgroup", 2}}},
      {"damaged lines are passed over",
       "0\n:\n0:cpu\n0::/a\n",
       std::string("- cgroup2\n1 2 3 4 5 6 -\n30 23 0:26 / "
                   "/sys/fs/cgroup rw - cgroup2\n") +
           kUnified,
       {{"/sys/fs/cgroup/a", 2}, {"/sys/fs/cgroup", 2}}}};
  for (const Case& one : cases) {
    SCOPED_TRACE(one.name);
    const std::vector<ControlGroup> found =
        ControlGroupsOf("cpu", one.groups, one.mounts);
    ASSERT_EQ(found.size(), one.found.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(found[i].folder, one.found[i].folder);
      EXPECT_EQ(found[i].version, one.found[i].version);
    }
  }
}

TEST(ControlGroupTest, TakesTheHierarchyOfTheController) {
  const std::vector<ControlGroup> found =
      ControlGroupsOf("memory", "5:memory:/m\n4:cpu,cpuacct:/c\n", kFirst);
  const std::vector<ControlGroup> expected = {{"/sys/fs/cgroup/memory/m", 1},
                                              {"/sys/fs/cgroup/memory", 1}};
  EXPECT_EQ(found, expected);
}

TEST(ControlGroupTest, ReadsBelowARoot) {
  const TempDir root;
  root.MakeFolder("proc/self");
  root.Write("proc/self/cgroup", "0::/a\n");
  root.Write("proc/self/mountinfo", kUnified);
  const std::vector<ControlGroup> expected = {{root.File("sys/fs/cgroup/a"), 2},
                                              {root.File("sys/fs/cgroup"), 2}};
  EXPECT_EQ(ReadControlGroups("cpu", root.path()), expected);
  EXPECT_EQ(ReadControlGroups("cpu", root.path() + "/"), expected);
}

TEST(ControlGroupTest, FindsFoldersOfThisMachineWhereItHasControlGroups) {
  const std::vector<ControlGroup> found = ReadControlGroups("cpu");
  ASSERT_FALSE(found.empty());
  if (std::filesystem::exists("/sys/fs/cgroup/cgroup.procs") ||
      std::filesystem::exists("/sys/fs/cgroup/cpu/cgroup.procs")) {
    EXPECT_TRUE(
        std::any_of(found.begin(), found.end(), [](const ControlGroup& group) {
          return std::filesystem::exists(group.folder + "/cgroup.procs");
        }));
  }
}

}  // namespace
}  // namespace resnetd
