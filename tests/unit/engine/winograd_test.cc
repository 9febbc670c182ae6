#include "server/engine/winograd.h"

#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "server/engine/program.h"
#include "server/models/architecture.h"

namespace resnetd {
namespace {

Step Convolution(int in_channels, int out_channels) {
  Step step;
  step.conv.in_channels = in_channels;
  step.conv.out_channels = out_channels;
  step.conv.kernel = 3;
  step.conv.stride = 1;
  step.conv.padding = 1;
  return step;
}

struct ShapeCase {
  std::string name;
  int in_channels;
  int out_channels;
  int side;
  // Of the tile; 0: left to the library.
  std::size_t tile;
};

class WinogradShapeTest : public testing::TestWithParam<ShapeCase> {};

// The stages of ResNet-50 and of CIFAR's networks, then each limit.
INSTANTIATE_TEST_SUITE_P(
    All, WinogradShapeTest,
    testing::Values(ShapeCase{"Layer1", 64, 64, 56, 4},
                    ShapeCase{"Layer2", 128, 128, 28, 4},
                    ShapeCase{"Layer3", 256, 256, 14, 2},
                    ShapeCase{"Layer4", 512, 512, 7, 0},
                    ShapeCase{"CifarLayer1", 16, 16, 32, 4},
                    ShapeCase{"CifarLayer2", 32, 32, 16, 4},
                    ShapeCase{"CifarLayer3", 64, 64, 8, 2},
                    ShapeCase{"SixteenTilesOfFour", 64, 64, 13, 4},
                    ShapeCase{"NineTilesOfFour", 64, 64, 12, 2},
                    ShapeCase{"SixteenTilesOfTwo", 64, 64, 7, 2},
                    ShapeCase{"NineTilesOfTwo", 64, 64, 6, 0},
                    ShapeCase{"OneBlock", 8, 16, 56, 4},
                    ShapeCase{"PartOfABlock", 12, 16, 56, 0},
                    ShapeCase{"PartOfAPanel", 16, 24, 56, 0},
                    ShapeCase{"MoreInThanFourTakes", 136, 128, 56, 2},
                    ShapeCase{"MoreOutThanFourTakes", 128, 144, 56, 2},
                    ShapeCase{"MoreInThanTwoTakes", 264, 256, 56, 0},
                    ShapeCase{"MoreOutThanTwoTakes", 256, 272, 56, 0},
                    ShapeCase{"OnePixel", 64, 64, 1, 0}),
    [](const auto& row) { return row.param.name; });

TEST_P(WinogradShapeTest, TakesTheTileThatIsFaster) {
  const ShapeCase& row = GetParam();
  const std::optional<WinogradShape> shape =
      WinogradShapeOf(Convolution(row.in_channels, row.out_channels),
                      {row.in_channels, row.side, row.side});
  ASSERT_EQ(shape.has_value(), row.tile != 0);
  if (shape) {
    EXPECT_EQ(shape->tile, row.tile);
    EXPECT_EQ(shape->in_channels, static_cast<std::size_t>(row.in_channels));
    EXPECT_EQ(shape->out_channels, static_cast<std::size_t>(row.out_channels));
    EXPECT_EQ(shape->height, static_cast<std::size_t>(row.side));
    EXPECT_EQ(shape->width, static_cast<std::size_t>(row.side));
  }
}

TEST(WinogradShapeOfTest, OtherConvolutionsAreLeftToTheLibrary) {
  const BufferShape input = {64, 56, 56};
  EXPECT_TRUE(WinogradShapeOf(Convolution(64, 64), input).has_value());
  Step step = Convolution(64, 64);
  step.conv.kernel = 1;
  EXPECT_FALSE(WinogradShapeOf(step, input).has_value());
  step = Convolution(64, 64);
  step.conv.stride = 2;
  EXPECT_FALSE(WinogradShapeOf(step, input).has_value());
  step = Convolution(64, 64);
  step.conv.padding = 0;
  EXPECT_FALSE(WinogradShapeOf(step, input).has_value());
  step = Convolution(64, 64);
  step.conv.groups = 2;
  EXPECT_FALSE(WinogradShapeOf(step, input).has_value());
  step = Convolution(64, 64);
  step.kind = StepKind::kLinear;
  EXPECT_FALSE(WinogradShapeOf(step, input).has_value());
}

TEST(WinogradShapeOfTest, TilesAndPointsAreCountedWithTheEdge) {
  const WinogradShape four = {.in_channels = 8,
                              .out_channels = 16,
                              .height = 9,
                              .width = 12,
                              .tile = 4};
  EXPECT_EQ(PointsOf(four), 36U);
  EXPECT_EQ(TilesOf(four), 3U * 3U);
  EXPECT_EQ(WinogradWeights(four), 36U * 8 * 16);
  WinogradShape two = four;
  two.tile = 2;
  EXPECT_EQ(PointsOf(two), 16U);
  EXPECT_EQ(TilesOf(two), 5U * 6U);
}

// At the corners only one weight counts; in the middle all of them.
TEST(TransformWeightsTest, PanelsHoldPointsOfChannels) {
  const WinogradShape shape = {
      .in_channels = 8, .out_channels = 32, .height = 8, .width = 8, .tile = 2};
  std::vector<float> weights(std::size_t{32} * 8 * 9);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    weights[i] = static_cast<float>(i % 251);
  }
  std::vector<float> points(WinogradWeights(shape), -1);
  TransformWeights(shape, weights.data(), points.data());
  for (std::size_t out = 0; out < 32; ++out) {
    for (std::size_t in = 0; in < 8; ++in) {
      const float* const kernel = weights.data() + (out * 8 + in) * 9;
      const auto point = [&](std::size_t p) {
        return points[((out / 16 * 16 + p) * 8 + in) * 16 + out % 16];
      };
      EXPECT_EQ(point(0), kernel[0]);
      EXPECT_EQ(point(3), kernel[2]);
      EXPECT_EQ(point(12), kernel[6]);
      EXPECT_EQ(point(15), kernel[8]);
      float sum = 0;
      for (std::size_t i = 0; i < 9; ++i) {
        sum += kernel[i];
      }
      EXPECT_FLOAT_EQ(point(5), sum / 4);
    }
  }
}

TEST(WinogradWorkTest, EveryTileAndPanelIsInOnePart) {
  const WinogradShape shapes[] = {{64, 64, 56, 56, 4},
                                  {128, 128, 28, 28, 4},
                                  {256, 256, 14, 14, 2},
                                  {8, 16, 13, 13, 4},
                                  {64, 64, 7, 7, 2}};
  for (const WinogradShape& shape : shapes) {
    for (const std::size_t batch : {1U, 4U, 33U}) {
      for (const std::size_t threads : {1U, 2U, 3U, 64U}) {
        const WinogradWork work = WinogradWorkOf(shape, batch, threads);
        EXPECT_LE(work.parts(), threads);
        EXPECT_GE(work.parts(), 1U);
        EXPECT_TRUE(work.tile_parts == 1 || work.panel_parts == 1);
        EXPECT_LE(work.tile_parts, batch * TilesOf(shape));
        EXPECT_LE(work.panel_parts, shape.out_channels / kWinogradPanel);
        EXPECT_GE(work.tiles_at_once, 1U);
        EXPECT_LE(work.tiles_at_once, batch * TilesOf(shape));
        EXPECT_GE(work.scratch, PointsOf(shape) * work.tiles_at_once *
                                    (shape.in_channels + kWinogradPanel));
        // What is worked in stays in a near cache.
        EXPECT_LE(work.scratch * sizeof(float), std::size_t{3} << 20U);
      }
    }
  }
}

TEST(WinogradWorkTest, FewTilesAreCutByPanelsSoThatWeightsAreReadOnce) {
  const WinogradShape large = {64, 64, 56, 56, 4};
  EXPECT_EQ(WinogradWorkOf(large, 1, 2).tile_parts, 2U);
  const WinogradShape small = {256, 256, 14, 14, 2};
  EXPECT_EQ(WinogradWorkOf(small, 1, 2).panel_parts, 2U);
  EXPECT_EQ(WinogradWorkOf(small, 4, 2).tile_parts, 2U);
}

}  // namespace
}  // namespace resnetd
