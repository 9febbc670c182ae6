#include "server/engine/folding.h"

#include <cmath>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/models/architecture.h"
#include "server/models/weights.h"

namespace resnetd {
namespace {

using ::testing::DoubleEq;
using ::testing::ElementsAre;

Weights OneConvolution() {
  absl::flat_hash_map<std::string, Tensor> tensors;
  tensors["c.weight"] = {{2, 1, 1, 2}, {1, 2, 3, -4}};
  tensors["n.weight"] = {{2}, {2, 0.5F}};
  tensors["n.bias"] = {{2}, {1, -1}};
  tensors["n.running_mean"] = {{2}, {3, 4}};
  tensors["n.running_var"] = {{2}, {4, 0}};
  return Weights::FromTensors(std::move(tensors));
}

const BatchNormLayer kNorm = {"n", 2};

TEST(FoldingTest, ScaleAndShiftFollowTheDefinition) {
  const ScaleShift line = ScaleShiftOf(kNorm, OneConvolution());
  // A variance of zero leaves epsilon.
  const double scale0 = 2 / std::sqrt(4 + 1e-5);
  const double scale1 = 0.5 / std::sqrt(1e-5);
  EXPECT_THAT(line.scale, ElementsAre(DoubleEq(scale0), DoubleEq(scale1)));
  EXPECT_THAT(line.shift,
              ElementsAre(DoubleEq(1 - 3 * scale0), DoubleEq(-1 - 4 * scale1)));
}

TEST(FoldingTest, FoldedValuesAreRoundedOnce) {
  ConvLayer conv;
  conv.name = "c";
  conv.in_channels = 1;
  conv.out_channels = 2;
  const Weights weights = OneConvolution();
  const FoldedConvolution folded = Fold(conv, kNorm, weights);
  const ScaleShift line = ScaleShiftOf(kNorm, weights);
  EXPECT_THAT(folded.weights,
              ElementsAre(static_cast<float>(line.scale[0]),
                          static_cast<float>(2 * line.scale[0]),
                          static_cast<float>(3 * line.scale[1]),
                          static_cast<float>(-4 * line.scale[1])));
  EXPECT_THAT(folded.bias, ElementsAre(static_cast<float>(line.shift[0]),
                                       static_cast<float>(line.shift[1])));
}

}  // namespace
}  // namespace resnetd
