#include "server/engine/kept_logits.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/base/error.h"

namespace resnetd {
namespace {

using ::testing::HasSubstr;

TEST(KeptLogitsTest, TheFirstOfManyAreKept) {
  for (const std::size_t count :
       {kMostKeptLogits - 1, kMostKeptLogits, kMostKeptLogits + 1}) {
    const std::vector<float> golden(count, 1.0F);
    const std::vector<float> kept = KeptLogits(golden);
    EXPECT_EQ(kept.size(), std::min(count, kMostKeptLogits));
    EXPECT_TRUE(CheckKeptLogits(kept, golden).ok());
  }
}

TEST(KeptLogitsTest, WhatRoundingDoesIsAccepted) {
  EXPECT_TRUE(CheckKeptLogits({100, 1}, {100.09F, 1}).ok());
  const absl::Status status = CheckKeptLogits({100, 1}, {100, 1.11F});
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(DetailsOf(status).reason, "GOLDEN_MISMATCH");
  EXPECT_THAT(std::string(status.message()), HasSubstr("off by 0.0011"));
}

TEST(KeptLogitsTest, AnotherNumberOfLogitsIsRefused) {
  for (const std::vector<float>& kept :
       {std::vector<float>{}, {1}, {1, 2, 3}}) {
    EXPECT_EQ(CheckKeptLogits(kept, {1, 2}).code(),
              absl::StatusCode::kDataLoss);
  }
}

TEST(KeptLogitsTest, WhatIsNotFiniteIsRefused) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_FALSE(CheckKeptLogits({1, 2}, {1, kNan}).ok());
  EXPECT_FALSE(CheckKeptLogits({1, kNan}, {1, kNan}).ok());
}

TEST(KeptLogitsTest, ZerosAreEqual) {
  EXPECT_TRUE(CheckKeptLogits({0, 0}, {0, 0}).ok());
  EXPECT_FALSE(CheckKeptLogits({0, 0}, {0, 1e-6F}).ok());
}

}  // namespace
}  // namespace resnetd
