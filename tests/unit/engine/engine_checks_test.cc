#include "server/engine/engine_checks.h"

#include <gtest/gtest.h>

#include <cstddef>

#include "server/base/error.h"
#include "server/engine/cpu_engine.h"

namespace resnetd {
namespace {

TEST(EngineChecksTest, TakeABatchUpToTheLimit) {
  for (const std::size_t good :
       {std::size_t{1}, kLargestEngineBatch - 1, kLargestEngineBatch}) {
    EXPECT_TRUE(CheckMaxBatch(good).ok()) << good;
  }
  for (const std::size_t bad : {std::size_t{0}, kLargestEngineBatch + 1}) {
    EXPECT_EQ(DetailsOf(CheckMaxBatch(bad)).reason, "LIMIT_EXCEEDED") << bad;
  }
}

TEST(EngineChecksTest, TakeThreadsUpToTheLimit) {
  for (const int good : {1, kMostEngineThreads - 1, kMostEngineThreads}) {
    EXPECT_TRUE(CheckThreads(good).ok()) << good;
  }
  for (const int bad : {-1, 0, kMostEngineThreads + 1}) {
    EXPECT_EQ(DetailsOf(CheckThreads(bad)).reason, "REQUEST_INVALID") << bad;
  }
}

}  // namespace
}  // namespace resnetd
