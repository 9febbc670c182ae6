#include "server/finetune/probe_cost.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "server/base/error.h"

namespace resnetd {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Pair;

Network NetworkOf(absl::string_view name, int classes = 1000) {
  return BuildNetwork(FindArchitecture(name, classes).value());
}

TEST(ProbeCostTest, WaysAreThoseOfPascalsTriangle) {
  const std::vector<double> row = {1, 9, 36, 84, 126, 126, 84, 36, 9, 1};
  for (int k = 0; k <= 9; ++k) {
    EXPECT_EQ(WaysBack(9, k), row[static_cast<std::size_t>(k)]);
  }
  EXPECT_EQ(WaysBack(50, 25), 126410606437752);
}

TEST(ProbeCostTest, AllWaysAreGoneFromTheirNumberOn) {
  EXPECT_FALSE(GoesAllWays(6, 63));
  EXPECT_TRUE(GoesAllWays(6, 64));
  EXPECT_TRUE(GoesAllWays(6, 65));
  EXPECT_FALSE(GoesAllWays(50, 4096));
}

TEST(ProbeCostTest, CountsThePassesThatAProbeMakes) {
  EXPECT_EQ(ProbeWork(9, {}), 3);
  EXPECT_EQ(ProbeWork(9, {.check_differences = true}), 3 + 4 * 9);
  EXPECT_EQ(ProbeWork(9, {.split_parameters = true}), 3 + 3 * (1 + 2 * 9));
  // All 2^3 ways, and the whole gradient.
  EXPECT_EQ(ProbeWork(3, {.path_passes = 8}), 3 + 3 * 9);
  // One of each length: 7 are not enough for all, and two each are too many.
  EXPECT_EQ(ProbeWork(3, {.path_passes = 7}), 3 + 3 * (1 + 4));
  // Two of each length, but there is one with 0 and one with 9 main paths.
  EXPECT_EQ(ProbeWork(9, {.path_passes = 20}), 3 + 3 * (1 + 18));
  EXPECT_EQ(ProbeWork(9, {.path_passes = 1}), 3 + 3 * (1 + 10));
}

// As torchvision's documentation gives them, in 10^9.
TEST(ProbeCostTest, KnowsTheWorkOfAPicture) {
  EXPECT_NEAR(MultiplyAdds(NetworkOf("resnet18"), 224) / 1e9, 1.81, 0.01);
  EXPECT_NEAR(MultiplyAdds(NetworkOf("resnet50"), 224) / 1e9, 4.09, 0.01);
  EXPECT_NEAR(MultiplyAdds(NetworkOf("resnet152"), 224) / 1e9, 11.51, 0.01);
  EXPECT_NEAR(MultiplyAdds(NetworkOf("resnext50_32x4d"), 224) / 1e9, 4.23,
              0.01);
}

TEST(ProbeCostTest, OnePassHasALimit) {
  const Network network = NetworkOf("resnet50");
  const int most =
      static_cast<int>(kMostPassOperations / MultiplyAdds(network, 224));
  EXPECT_EQ(most, 12);
  EXPECT_TRUE(CheckProbeCost(network, 224, most - 1, {}).ok());
  EXPECT_TRUE(CheckProbeCost(network, 224, most, {}).ok());
  const absl::Status status = CheckProbeCost(network, 224, most + 1, {});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  const ErrorDetails details = DetailsOf(status);
  EXPECT_EQ(details.reason, "LIMIT_EXCEEDED");
  EXPECT_THAT(details.metadata,
              Contains(Pair("limit_name", "probe-pass-operations")));
  EXPECT_THAT(details.metadata, Contains(Pair("limit", "50000000000")));
  EXPECT_THAT(details.violations, Contains(Pair("examples", testing::_)));
  EXPECT_THAT(std::string(status.message()), HasSubstr("send at most 12"));
}

TEST(ProbeCostTest, AWholeProbeHasALimit) {
  const Network network = NetworkOf("resnet152");
  const ProbeSettings settings{.check_differences = true};
  // 3 + 4 * 50 passes of 1.15e10: one picture takes 2.3e12.
  EXPECT_TRUE(CheckProbeCost(network, 224, 1, settings).ok());
  const absl::Status status = CheckProbeCost(network, 224, 2, settings);
  const ErrorDetails details = DetailsOf(status);
  EXPECT_EQ(details.reason, "LIMIT_EXCEEDED");
  EXPECT_THAT(details.metadata,
              Contains(Pair("limit_name", "probe-operations")));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("send at most 1 pictures, leave fd_check"));
  // Where one picture is too many, fewer of them do not help.
  const absl::Status paths =
      CheckProbeCost(network, 224, 1, {.path_passes = 4096});
  EXPECT_EQ(DetailsOf(paths).reason, "LIMIT_EXCEEDED");
  EXPECT_THAT(std::string(paths.message()), Not(HasSubstr("send at most")));
}

TEST(ProbeCostTest, TheLimitOfAProbeIsExact) {
  // 27 blocks: never all ways, the same number of each of the 28 lengths.
  const Network network = NetworkOf("cifar_resnet56", 10);
  const double picture = MultiplyAdds(network, 32);
  const auto settings = [](int each) {
    return ProbeSettings{.path_passes = 28 * each};
  };
  int each = 1;
  while (each < 1000 &&
         picture * 16 * static_cast<double>(ProbeWork(27, settings(each))) <=
             kMostProbeOperations) {
    ++each;
  }
  ASSERT_GT(each, 2);
  EXPECT_TRUE(CheckProbeCost(network, 32, 16, settings(each - 1)).ok());
  EXPECT_FALSE(CheckProbeCost(network, 32, 16, settings(each)).ok());
}

TEST(ProbeCostTest, MemoryGrowsWithThePicturesAndIsRefusedWithFigures) {
  const Network network = NetworkOf("resnet18");
  const ProbeMemory one = EstimateProbeMemory(network, 224, 1, {});
  const ProbeMemory four = EstimateProbeMemory(network, 224, 4, {});
  EXPECT_EQ(four.activations, 4 * one.activations);
  EXPECT_EQ(four.network, one.network);
  // 11.7 million parameters in float, with their file, and twice in double.
  EXPECT_NEAR(static_cast<double>(one.network), 11.7e6 * 4 * 5, 1e6);
  EXPECT_GT(
      EstimateProbeMemory(network, 224, 1, {.split_parameters = true}).network,
      one.network);

  const std::int64_t needed = four.total();
  EXPECT_TRUE(CheckProbeMemory(four, std::nullopt).ok());
  EXPECT_TRUE(CheckProbeMemory(four, needed + 1).ok());
  EXPECT_TRUE(CheckProbeMemory(four, needed).ok());
  const absl::Status status = CheckProbeMemory(four, needed - 1);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  const ErrorDetails details = DetailsOf(status);
  EXPECT_EQ(details.reason, "OUT_OF_MEMORY");
  EXPECT_THAT(details.metadata,
              Contains(Pair("needed", std::to_string(needed))));
  EXPECT_THAT(details.metadata,
              Contains(Pair("free", std::to_string(needed - 1))));
}

}  // namespace
}  // namespace resnetd
