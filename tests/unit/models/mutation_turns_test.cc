#include "server/models/mutation_turns.h"

#include <gtest/gtest.h>

#include <latch>
#include <vector>

#include "server/base/thread.h"

namespace resnetd {
namespace {

TEST(MutationTurnsTest, OneOfAModelAtATime) {
  constexpr int kThreads = 4;
  constexpr int kEach = 200;
  const ModelName model = ModelName::Parse("digits").value();
  MutationTurns turns;
  // Not an atomic: ThreadSanitizer sees a turn that is not alone.
  int count = 0;
  std::latch start(kThreads);
  {
    std::vector<Thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back("turn", [&] {
        start.arrive_and_wait();
        for (int n = 0; n < kEach; ++n) {
          const MutationTurns::Turn turn = turns.Take(model);
          ++count;
        }
      });
    }
  }
  EXPECT_EQ(count, kThreads * kEach);
}

TEST(MutationTurnsTest, ModelsDoNotWaitForEachOther) {
  MutationTurns turns;
  const MutationTurns::Turn one = turns.Take(ModelName::Parse("one").value());
  const MutationTurns::Turn other =
      turns.Take(ModelName::Parse("other").value());
}

}  // namespace
}  // namespace resnetd
