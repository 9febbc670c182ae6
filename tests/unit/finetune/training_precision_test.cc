#include "server/finetune/training_precision.h"

#include <chrono>
#include <limits>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace resnetd {
namespace {

TrainingTrial Trial(int milliseconds, double loss = 2,
                    double gradient_norm = 10) {
  return {.fastest = std::chrono::milliseconds(milliseconds),
          .loss = loss,
          .gradient_norm = gradient_norm};
}

struct Case {
  std::string name;
  TrainingTrial bf16;
  TrainingPrecision chosen = TrainingPrecision::kFp32;
};

TEST(ChoosePrecisionTest, TakesBf16WhereItIsFasterAndTheSame) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  constexpr auto kBf16 = TrainingPrecision::kBf16;
  constexpr auto kFp32 = TrainingPrecision::kFp32;
  // Beside 1200 ms, a loss of 2 and a gradient of 10.
  const std::vector<Case> cases = {
      {"twice as fast", Trial(600), kBf16},
      {"just fast enough", Trial(1000), kBf16},
      {"not quite", Trial(1001), kFp32},
      {"slower", Trial(2400), kFp32},
      {"loss as far above as may be", Trial(600, 2.0599), kBf16},
      {"loss too far above", Trial(600, 2.0601), kFp32},
      {"loss as far below as may be", Trial(600, 1.9401), kBf16},
      {"loss too far below", Trial(600, 1.9399), kFp32},
      {"gradient as large as may be", Trial(600, 2, 10.99), kBf16},
      {"gradient too large", Trial(600, 2, 11.01), kFp32},
      {"gradient as small as may be", Trial(600, 2, 9.01), kBf16},
      {"gradient too small", Trial(600, 2, 8.99), kFp32},
      {"no loss", Trial(600, kNan), kFp32},
      {"endless gradient", Trial(600, 2, kInfinity), kFp32},
  };
  for (const Case& one : cases) {
    EXPECT_EQ(ChoosePrecision(Trial(1200), one.bf16), one.chosen) << one.name;
  }
}

TEST(ChoosePrecisionTest, StaysWhereNothingIsFinite) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(ChoosePrecision(Trial(1200, kInfinity), Trial(600, kInfinity)),
            TrainingPrecision::kFp32);
}

Network Named(const std::string& name) {
  return BuildNetwork(FindArchitecture(name, 10).value());
}

TEST(IsHopelessTest, IsBeyondThreeTimesTheTime) {
  EXPECT_FALSE(IsHopeless(Trial(100), Trial(50)));
  EXPECT_FALSE(IsHopeless(Trial(100), Trial(299)));
  EXPECT_FALSE(IsHopeless(Trial(100), Trial(300)));
  EXPECT_TRUE(IsHopeless(Trial(100), Trial(301)));
}

Recipe Training(std::vector<bool> parts) {
  Recipe recipe;
  recipe.phases = {{.steps = 1, .trained_parts = std::move(parts)}};
  return recipe;
}

TEST(IsPrecisionOpenTest, IsWhereItMayPayAndNobodySaysIt) {
  const Recipe all = Training({true, true, true, true, true, true});
  const Recipe last = Training({false, false, false, false, true, true});
  const Recipe head = Training({false, false, false, false, false, true});
  const Network large = Named("resnet18");
  EXPECT_TRUE(IsPrecisionOpen({}, all, large));
  EXPECT_TRUE(IsPrecisionOpen({}, last, large));
  EXPECT_FALSE(IsPrecisionOpen({}, head, large));
  RecipeRequest said;
  said.precision = TrainingPrecision::kFp32;
  EXPECT_FALSE(IsPrecisionOpen(said, all, large));
}

TEST(IsPrecisionOpenTest, IsFromAMillionParametersOn) {
  const Recipe all = Training({true, true, true, true, true});
  // 0.85 and 1.7 million.
  EXPECT_FALSE(IsPrecisionOpen({}, all, Named("cifar_resnet56")));
  EXPECT_TRUE(IsPrecisionOpen({}, all, Named("cifar_resnet110")));
}

}  // namespace
}  // namespace resnetd
