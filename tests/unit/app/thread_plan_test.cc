#include "server/app/thread_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <vector>

#include "server/app/cpu.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<int> Cores(int count, int first = 0) {
  std::vector<int> cores(static_cast<std::size_t>(count));
  std::iota(cores.begin(), cores.end(), first);
  return cores;
}

struct Case {
  std::string roles;
  int usable = 1;
  int threads = 0;
  int workers = 0;
  int planned_workers = 1;
  int planned_threads = 1;
};

TEST(ThreadPlanTest, WorkersAndThreadsFollowFromTheCoresAndTheRoles) {
  const std::vector<Case> cases = {
      // A server that trains: one thread a batch.
      {.roles = "all", .usable = 1, .planned_workers = 1},
      {.roles = "all", .usable = 2, .planned_workers = 2},
      {.roles = "all", .usable = 7, .planned_workers = 7},
      // One that only answers: teams of two.
      {.roles = "serve", .usable = 1, .planned_workers = 1},
      {.roles = "serve", .usable = 2, .planned_threads = 2},
      {.roles = "serve", .usable = 3, .planned_workers = 3},
      {.roles = "serve",
       .usable = 8,
       .planned_workers = 4,
       .planned_threads = 2},
      // Wishes, one of them or both; together also too many.
      {.roles = "all", .usable = 4, .threads = 4, .planned_threads = 4},
      {.roles = "all", .usable = 4, .threads = 3, .planned_threads = 3},
      {.roles = "all", .usable = 4, .threads = 9, .planned_threads = 9},
      {.roles = "all", .usable = 4, .workers = 1, .planned_threads = 4},
      {.roles = "serve", .usable = 4, .workers = 3, .planned_workers = 3},
      {.roles = "all", .usable = 4, .workers = 9, .planned_workers = 9},
      {.roles = "all",
       .usable = 4,
       .threads = 5,
       .workers = 6,
       .planned_workers = 6,
       .planned_threads = 5},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(testing::Message() << test.roles << " " << test.usable << " "
                                    << test.threads << " " << test.workers);
    Config config;
    config.roles = test.roles;
    config.threads = test.threads;
    config.workers = test.workers;
    const ThreadPlan plan =
        PlanThreads(config, test.usable, Cores(test.usable));
    EXPECT_EQ(plan.workers, test.planned_workers);
    EXPECT_EQ(plan.threads, test.planned_threads);
  }
}

TEST(ThreadPlanTest, AGpuHasTwoWorkersThatWait) {
  Config config;
  config.backend = "torch";
  config.device = "cuda";
  ThreadPlan plan = PlanThreads(config, 8, Cores(8));
  EXPECT_EQ(plan.workers, 2);
  EXPECT_EQ(plan.threads, 1);
  EXPECT_THAT(plan.cores, IsEmpty());
  config.device = "cuda:0,cuda:1,cuda:3";
  EXPECT_EQ(PlanThreads(config, 8, Cores(8)).workers, 6);
  config.workers = 1;
  config.threads = 3;
  plan = PlanThreads(config, 8, Cores(8));
  EXPECT_EQ(plan.workers, 1);
  EXPECT_EQ(plan.threads, 3);
}

TEST(ThreadPlanTest, LibTorchHasOneWorkerWithAllThreads) {
  Config config;
  config.backend = "torch";
  ThreadPlan plan = PlanThreads(config, 4, Cores(4));
  EXPECT_EQ(plan.workers, 1);
  EXPECT_EQ(plan.threads, 4);
  EXPECT_THAT(plan.cores, IsEmpty());
  config.workers = 2;
  config.threads = 3;
  plan = PlanThreads(config, 4, Cores(4));
  EXPECT_EQ(plan.workers, 2);
  EXPECT_EQ(plan.threads, 3);
}

TEST(ThreadPlanTest, AWorkerHasCoresOfItsOwnWhereThePlanTakesAll) {
  Config config;
  EXPECT_THAT(PlanThreads(config, 2, Cores(2, 5)).cores,
              ElementsAre(ElementsAre(5), ElementsAre(6)));
  config.roles = "serve";
  EXPECT_THAT(PlanThreads(config, 4, Cores(4)).cores,
              ElementsAre(ElementsAre(0, 1), ElementsAre(2, 3)));
}

TEST(ThreadPlanTest, NobodyIsTiedToCoresOfAShareOfTheMachine) {
  // A quota: two processor seconds a second, of any of 64 cores.
  EXPECT_THAT(PlanThreads({}, 2, Cores(64)).cores, IsEmpty());
  // More threads than cores, and fewer.
  Config config;
  config.workers = 3;
  config.threads = 1;
  EXPECT_THAT(PlanThreads(config, 2, Cores(2)).cores, IsEmpty());
  config.workers = 1;
  EXPECT_THAT(PlanThreads(config, 2, Cores(2)).cores, IsEmpty());
}

TEST(ThreadPlanTest, DecodingTakesAllCoresButOneUnlessToldOtherwise) {
  Config config;
  EXPECT_EQ(PlanThreads(config, 1, Cores(1)).decode_threads, 1);
  EXPECT_EQ(PlanThreads(config, 8, Cores(8)).decode_threads, 7);
  config.decode_threads = 17;
  EXPECT_EQ(PlanThreads(config, 8, Cores(8)).decode_threads, 17);
}

TEST(ThreadPlanTest, TrainingTakesHalfOfTheCoresBesideServing) {
  Config config;
  EXPECT_EQ(PlanThreads(config, 1, Cores(1)).train_threads, 1);
  EXPECT_EQ(PlanThreads(config, 9, Cores(9)).train_threads, 4);
  config.roles = "control,train";
  EXPECT_EQ(PlanThreads(config, 9, Cores(9)).train_threads, 9);
  config.train_threads = 7;
  EXPECT_EQ(PlanThreads(config, 9, Cores(9)).train_threads, 7);
  config.roles = "all";
  EXPECT_EQ(PlanThreads(config, 9, Cores(9)).train_threads, 7);
}

TEST(ThreadPlanTest, ThePlanOfThisProcessUsesItsCores) {
  const ThreadPlan plan = PlanThreads(Config());
  EXPECT_EQ(plan.workers * plan.threads, UsableCores());
}

TEST(ThreadPlanTest, ThePlanIsToldInWords) {
  EXPECT_EQ(Describe({.workers = 1, .threads = 1}), "1 worker of 1 thread");
  EXPECT_EQ(Describe({.workers = 4, .threads = 2, .cores = {{0, 1}, {2, 3}}}),
            "4 workers of 2 threads, each on cores of its own");
}

}  // namespace
}  // namespace resnetd
