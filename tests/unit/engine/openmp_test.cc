#include "server/engine/openmp.h"

#include <dlfcn.h>

#include "gtest/gtest.h"
#include "server/base/thread.h"

namespace resnetd {
namespace {

int MaxThreads() {
  const auto get =
      reinterpret_cast<int (*)()>(dlsym(RTLD_DEFAULT, "omp_get_max_threads"));
  return get == nullptr ? 0 : get();
}

TEST(OpenMpTeamTest, TheRuntimeOfTheLibraryIsFound) {
  EXPECT_TRUE(OpenMpIsPresent());
}

TEST(OpenMpTeamTest, SetsTheSizeForItsScope) {
  const int before = MaxThreads();
  {
    const OpenMpTeam outer(5);
    EXPECT_EQ(MaxThreads(), 5);
    {
      const OpenMpTeam inner(3);
      EXPECT_EQ(MaxThreads(), 3);
    }
    EXPECT_EQ(MaxThreads(), 5);
  }
  EXPECT_EQ(MaxThreads(), before);
}

TEST(OpenMpTeamTest, LeavesOtherThreadsAlone) {
  const OpenMpTeam team(7);
  int seen = 0;
  {
    Thread other("other", [&seen] { seen = MaxThreads(); });
    other.Join();
  }
  EXPECT_NE(seen, 7);
}

}  // namespace
}  // namespace resnetd
