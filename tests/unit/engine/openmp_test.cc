#include "server/engine/openmp.h"

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <sched.h>

#include <array>
#include <cstddef>
#include <latch>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "server/base/thread.h"
#include "server/base/thread_affinity.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;

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

TEST(OpenMpTeamTest, ItsSizeIsThatOfTheNextTeam) {
  const OpenMpTeam team(4);
  EXPECT_EQ(OpenMpThreads(), 4);
}

TEST(RunInTeamTest, EachPartIsDoneOnce) {
  for (const int parts : {1, 2, 3, 17}) {
    std::vector<int> done(static_cast<std::size_t>(parts));
    RunInTeam(parts, [&](int part) { ++done[static_cast<std::size_t>(part)]; });
    EXPECT_EQ(done, std::vector<int>(static_cast<std::size_t>(parts), 1));
  }
}

TEST(RunInTeamTest, TwoPartsRunOnTwoThreadsAtOnce) {
  // Neither ends before both have begun.
  std::latch both(2);
  std::array<std::thread::id, 2> threads;
  RunInTeam(2, [&](int part) {
    both.arrive_and_wait();
    threads.at(static_cast<std::size_t>(part)) = std::this_thread::get_id();
  });
  EXPECT_NE(threads[0], threads[1]);
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

// The cores that each member of the calling thread's team may use.
std::vector<std::vector<int>> CoresOfTeam(unsigned threads) {
  static const auto number =
      reinterpret_cast<int (*)()>(dlsym(RTLD_DEFAULT, "omp_get_thread_num"));
  const auto parallel =
      reinterpret_cast<void (*)(void (*)(void*), void*, unsigned, unsigned)>(
          dlsym(RTLD_DEFAULT, "GOMP_parallel"));
  std::vector<std::vector<int>> cores(threads);
  parallel(
      [](void* data) {
        auto& seen = *static_cast<std::vector<std::vector<int>>*>(data);
        seen[static_cast<std::size_t>(number())] = AllowedCores();
      },
      &cores, threads, 0);
  return cores;
}

TEST(PlaceTeamTest, ATeamOfTwoHasACoreForEach) {
  const std::vector<int> cores = AllowedCores();
  const int first = cores.front();
  const int last = cores.back();
  Thread("maker", [first, last] {
    ASSERT_TRUE(PlaceTeam(std::array{first, last}));
    // Twice: the members are the same threads in the next region.
    for (int i = 0; i < 2; ++i) {
      EXPECT_THAT(CoresOfTeam(2),
                  ElementsAre(ElementsAre(first), ElementsAre(last)));
    }
  }).Join();
  EXPECT_EQ(AllowedCores(), cores);
}

TEST(PlaceTeamTest, ATeamOfOneStaysOnItsCore) {
  const int core = AllowedCores().back();
  Thread("maker", [core] {
    ASSERT_TRUE(PlaceTeam(std::array{core}));
    EXPECT_THAT(AllowedCores(), ElementsAre(core));
  }).Join();
}

TEST(PlaceTeamTest, ALargerTeamSharesItsCores) {
  const std::vector<int> cores = AllowedCores();
  const std::array<int, 3> three = {cores.front(), cores.back(), cores.front()};
  Thread("maker", [&three, &cores] {
    ASSERT_TRUE(PlaceTeam(three));
    EXPECT_EQ(AllowedCores().size(), cores.front() == cores.back() ? 1U : 2U);
  }).Join();
}

TEST(PlaceTeamTest, ACoreThatIsNotThereIsRefused) {
  Thread("maker", [] {
    EXPECT_FALSE(PlaceTeam(std::array{-1}));
    EXPECT_FALSE(PlaceTeam(std::array{AllowedCores().front(), CPU_SETSIZE}));
  }).Join();
}

}  // namespace
}  // namespace resnetd
