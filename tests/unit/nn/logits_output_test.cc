#include "server/nn/logits_output.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/full.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "absl/status/status.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;

TEST(LogitsOutputTest, GivesTheValuesRowByRow) {
  const at::Tensor columns = at::full({3, 2}, 1.0);
  columns[1][0] = 5;
  // Another order in memory.
  EXPECT_THAT(*FiniteLogits(columns.t()), ElementsAre(1, 5, 1, 1, 1, 1));
}

TEST(LogitsOutputTest, RefusesWhatIsNotFinite) {
  const at::Tensor logits = at::full({1, 4}, 0.5);
  for (const double value : {std::numeric_limits<double>::infinity(),
                             std::numeric_limits<double>::quiet_NaN()}) {
    logits[0][3] = value;
    EXPECT_EQ(FiniteLogits(logits).status().code(),
              absl::StatusCode::kInternal);
  }
}

}  // namespace
}  // namespace resnetd
