#include "server/engine/cpu_engine.h"

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/base/error.h"
#include "server/models/model.h"
#include "tests/support/filled_package.h"

namespace resnetd {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

TEST(CpuEngineTest, DescribesLibraryInstructionSetAndThreads) {
  const auto one = CreateCpuEngine({.threads = 1});
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_THAT((*one)->description(),
              MatchesRegex("oneDNN [0-9.]+, [a-z0-9_]+, up to 1 thread a "
                           "batch, precision fp32"));
  const auto two = CreateCpuEngine({.threads = 2});
  EXPECT_THAT((*two)->description(), HasSubstr("2 threads"));
}

TEST(UsefulThreadsTest, EachThreadHasAtLeastHalfAMillisecondOfWork) {
  EXPECT_EQ(UsefulThreads(0, 8), 1);
  EXPECT_EQ(UsefulThreads(25e6, 8), 1);  // cifar_resnet8
  EXPECT_EQ(UsefulThreads(99.9e6, 8), 1);
  EXPECT_EQ(UsefulThreads(100e6, 8), 2);
  EXPECT_EQ(UsefulThreads(3.6e9, 8), 8);  // resnet18
  EXPECT_EQ(UsefulThreads(3.6e9, 1), 1);
  EXPECT_EQ(UsefulThreads(23e9, 1024), 460);  // resnet152
}

TEST(CpuEngineTest, ThreadsHaveLimits) {
  EXPECT_TRUE(CreateCpuEngine({.threads = kMostEngineThreads}).ok());
  for (const int threads : {-1, 0, kMostEngineThreads + 1}) {
    const absl::Status status = CreateCpuEngine({.threads = threads}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(DetailsOf(status).reason, "REQUEST_INVALID");
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("the CPU engine takes 1 to 1024"));
  }
}

TEST(CpuEngineTest, LargestBatchHasLimits) {
  const auto engine = CreateCpuEngine({.threads = 1});
  const ModelPackage package = FilledPackage("cifar_resnet8", 10, 8);
  EXPECT_TRUE((*engine)->Load(package, 1).ok());
  EXPECT_TRUE((*engine)->Load(package, kLargestEngineBatch).ok());
  for (const std::size_t max_batch :
       {std::size_t{0}, kLargestEngineBatch + 1}) {
    const absl::Status status = (*engine)->Load(package, max_batch).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(DetailsOf(status).reason, "LIMIT_EXCEEDED");
  }
}

}  // namespace
}  // namespace resnetd
