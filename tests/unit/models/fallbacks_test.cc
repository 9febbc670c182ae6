#include "server/models/fallbacks.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/base/thread.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::Key;

TEST(FallbacksTest, AllAreToldAlsoThoseThatNeverHappened) {
  EXPECT_THAT(CountedFallbacks(),
              ElementsAre(Key("batch_halved"), Key("batch_size_left_out"),
                          Key("int8_clips"), Key("kept_choice_dropped"),
                          Key("kernels_capped"), Key("other_device"),
                          Key("unfused_convolutions")));
}

TEST(FallbacksTest, EachIsCountedByItself) {
  for (const Fallback fallback :
       {Fallback::kKernelsCapped, Fallback::kUnfusedConvolutions,
        Fallback::kBatchSizeLeftOut, Fallback::kBatchHalved,
        Fallback::kOtherDevice, Fallback::kKeptChoiceDropped,
        Fallback::kInt8Clips}) {
    std::map<std::string, std::int64_t> expected = CountedFallbacks();
    ++expected.at(FallbackName(fallback));
    CountFallback(fallback);
    EXPECT_EQ(CountedFallbacks(), expected) << FallbackName(fallback);
  }
}

TEST(FallbacksTest, NoneIsLostAmongThreads) {
  constexpr int kThreads = 4;
  constexpr int kEach = 1000;
  const std::int64_t before = CountedFallbacks().at("batch_halved");
  {
    std::vector<Thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back("count", [] {
        for (int n = 0; n < kEach; ++n) {
          CountFallback(Fallback::kBatchHalved);
        }
      });
    }
  }
  EXPECT_EQ(CountedFallbacks().at("batch_halved"), before + kThreads * kEach);
}

}  // namespace
}  // namespace resnetd
