#include "server/base/thread_affinity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <vector>

#include "server/base/thread.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;

TEST(ThreadAffinityTest, AllowedCoresAreAscendingAndNotEmpty) {
  const std::vector<int> cores = AllowedCores();
  ASSERT_FALSE(cores.empty());
  EXPECT_TRUE(std::is_sorted(cores.begin(), cores.end()));
}

TEST(ThreadAffinityTest, AThreadStaysOnTheCoreItIsGivenAndSoDoItsChildren) {
  const int core = AllowedCores().back();
  Thread("stays", [core] {
    ASSERT_TRUE(StayOn({core}));
    EXPECT_THAT(AllowedCores(), ElementsAre(core));
    EXPECT_EQ(sched_getcpu(), core);
    Thread("child", [core] {
      EXPECT_THAT(AllowedCores(), ElementsAre(core));
    }).Join();
  }).Join();
}

TEST(ThreadAffinityTest, OtherThreadsKeepTheirCores) {
  const std::vector<int> before = AllowedCores();
  Thread("stays", [&before] { ASSERT_TRUE(StayOn({before.front()})); }).Join();
  EXPECT_EQ(AllowedCores(), before);
}

TEST(ThreadAffinityTest, ACoreThatIsNotThereIsRefusedAndNothingChanges) {
  const std::vector<int> before = AllowedCores();
  EXPECT_FALSE(StayOn({-1}));
  EXPECT_FALSE(StayOn({CPU_SETSIZE}));
  EXPECT_FALSE(StayOn({}));
  EXPECT_EQ(AllowedCores(), before);
}

}  // namespace
}  // namespace resnetd
