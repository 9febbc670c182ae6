#include "server/engine/winograd_kernels.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "server/engine/winograd.h"

namespace resnetd {
namespace {

// Numbers in -1 to 1 that repeat late.
std::vector<float> Numbers(std::size_t count, std::size_t seed) {
  std::vector<float> numbers(count);
  std::size_t state = seed * 2654435761U + 12345;
  for (float& number : numbers) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    number = static_cast<float>(state >> 40U) / 8388608.0F - 1;
  }
  return numbers;
}

// A batch with everything that a call reads.
struct Made {
  Made(const WinogradShape& shape, std::size_t batch)
      : source(
            Numbers(batch * shape.in_channels * shape.height * shape.width, 1)),
        shortcut(Numbers(
            batch * shape.out_channels * shape.height * shape.width, 2)),
        weights(Numbers(shape.in_channels * shape.out_channels * 9, 3)),
        transformed(WinogradWeights(shape)),
        bias(Numbers(shape.out_channels, 4)) {
    TransformWeights(shape, weights.data(), transformed.data());
    call.shape = shape;
    call.batch = batch;
    call.accumulate = true;
    call.relu = true;
    call.weights = transformed.data();
    call.bias = bias.data();
  }

  // All parts of the work for so many threads, one after the other.
  std::vector<float> Run(std::size_t threads = 1) {
    call.work = WinogradWorkOf(call.shape, call.batch, threads);
    std::vector<float> result = shortcut;
    // Whatever lay there must not matter.
    std::vector<float> scratch(call.work.scratch,
                               std::numeric_limits<float>::quiet_NaN());
    for (std::size_t part = 0; part < call.work.parts(); ++part) {
      RunWinogradAvx2(call, part, source.data(), result.data(), scratch.data());
    }
    return result;
  }

  std::vector<float> source;
  std::vector<float> shortcut;
  std::vector<float> weights;
  std::vector<float> transformed;
  std::vector<float> bias;
  WinogradCall call;
};

// Where a value lies in blocks of eight channels.
std::size_t At(const WinogradShape& shape, std::size_t channels,
               std::size_t picture, std::size_t channel, std::size_t y,
               std::size_t x) {
  return (((picture * channels + channel) / 8 * shape.height + y) *
              shape.width +
          x) *
             8 +
         channel % 8;
}

double Sum(const Made& made, std::size_t picture, std::size_t out,
           std::size_t y, std::size_t x) {
  const WinogradShape& shape = made.call.shape;
  double sum = 0;
  for (std::size_t in = 0; in < shape.in_channels; ++in) {
    for (std::size_t k = 0; k < 9; ++k) {
      const std::size_t row = y + k / 3;
      const std::size_t column = x + k % 3;
      if (row >= 1 && column >= 1 && row <= shape.height &&
          column <= shape.width) {
        sum += double{made.source[At(shape, shape.in_channels, picture, in,
                                     row - 1, column - 1)]} *
               made.weights[(out * shape.in_channels + in) * 9 + k];
      }
    }
  }
  return sum;
}

// The largest difference to a plain evaluation, in units of the largest result.
double Difference(const Made& made, const std::vector<float>& result) {
  const WinogradShape& shape = made.call.shape;
  double difference = 0;
  double scale = 0;
  for (std::size_t i = 0; i < result.size(); ++i) {
    const std::size_t x = i / 8 % shape.width;
    const std::size_t y = i / 8 / shape.width % shape.height;
    const std::size_t block = i / 8 / shape.width / shape.height;
    const std::size_t out = block * 8 % shape.out_channels + i % 8;
    double expected =
        Sum(made, block * 8 / shape.out_channels, out, y, x) +
        (made.call.bias == nullptr ? 0 : double{made.call.bias[out]}) +
        (made.call.accumulate ? double{made.shortcut[i]} : 0);
    expected = made.call.relu ? std::max(0.0, expected) : expected;
    difference = std::max(difference, std::abs(expected - result[i]));
    scale = std::max(scale, std::abs(expected));
  }
  return difference / scale;
}

class WinogradKernelsTest : public testing::TestWithParam<WinogradShape> {
 protected:
  void SetUp() override {
    if (__builtin_cpu_supports("avx2") == 0 ||
        __builtin_cpu_supports("fma") == 0) {
      GTEST_SKIP() << "this processor has no AVX2";
    }
  }
};

// One block and several, pictures smaller than a tile, sides that no tile
// divides, sides that one does.
INSTANTIATE_TEST_SUITE_P(
    All, WinogradKernelsTest,
    testing::Values(
        WinogradShape{8, 16, 1, 1, 4}, WinogradShape{8, 16, 1, 1, 2},
        WinogradShape{24, 48, 2, 5, 4}, WinogradShape{24, 48, 2, 5, 2},
        WinogradShape{16, 32, 7, 7, 4}, WinogradShape{16, 32, 7, 7, 2},
        WinogradShape{8, 16, 13, 9, 4}, WinogradShape{8, 16, 13, 9, 2},
        WinogradShape{32, 16, 12, 12, 4}, WinogradShape{32, 16, 12, 12, 2},
        WinogradShape{64, 64, 14, 14, 4}, WinogradShape{64, 64, 14, 14, 2}),
    [](const auto& row) {
      const WinogradShape& shape = row.param;
      return absl::StrCat(shape.in_channels, "_", shape.out_channels, "_",
                          shape.height, "x", shape.width, "_by_", shape.tile);
    });

TEST_P(WinogradKernelsTest, EqualsAPlainEvaluation) {
  Made made(GetParam(), 2);
  for (const bool accumulate : {false, true}) {
    for (const bool relu : {false, true}) {
      for (const float* bias : {static_cast<const float*>(nullptr),
                                static_cast<const float*>(made.bias.data())}) {
        made.call.accumulate = accumulate;
        made.call.relu = relu;
        made.call.bias = bias;
        // Rounding of tiles of four is that of some ten numbers more.
        EXPECT_LE(Difference(made, made.Run()),
                  GetParam().tile == 4 ? 4e-6 : 1e-6)
            << accumulate << relu << (bias != nullptr);
      }
    }
  }
}

TEST_P(WinogradKernelsTest, APictureHasTheSameBitsAloneAndBesideOthers) {
  constexpr std::size_t kBatch = 5;
  Made together(GetParam(), kBatch);
  const std::vector<float> all = together.Run();
  const std::size_t of_source = together.source.size() / kBatch;
  const std::size_t of_result = all.size() / kBatch;
  for (std::size_t i = 0; i < kBatch; ++i) {
    Made alone(GetParam(), 1);
    std::copy_n(together.source.data() + i * of_source, of_source,
                alone.source.data());
    std::copy_n(together.shortcut.data() + i * of_result, of_result,
                alone.shortcut.data());
    const float* const row = all.data() + i * of_result;
    EXPECT_EQ(alone.Run(), std::vector<float>(row, row + of_result)) << i;
  }
}

TEST_P(WinogradKernelsTest, AnyNumberOfThreadsGivesTheSameBits) {
  Made made(GetParam(), 3);
  const std::vector<float> one = made.Run();
  for (const std::size_t threads : {2U, 3U, 7U}) {
    EXPECT_EQ(made.Run(threads), one) << threads;
  }
}

TEST_P(WinogradKernelsTest, ANaNIsNotHiddenAndStaysInItsPicture) {
  Made made(GetParam(), 3);
  const WinogradShape& shape = GetParam();
  const std::vector<float> clean = made.Run();
  made.source[At(shape, shape.in_channels, 1, 3, 0, 0)] =
      std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> result = made.Run();
  for (std::size_t out = 0; out < shape.out_channels; ++out) {
    EXPECT_TRUE(std::isnan(result[At(shape, shape.out_channels, 1, out, 0, 0)]))
        << out;
  }
  const auto size = static_cast<std::ptrdiff_t>(result.size() / 3);
  EXPECT_TRUE(std::equal(clean.begin(), clean.begin() + size, result.begin()));
  EXPECT_TRUE(std::equal(clean.begin() + 2 * size, clean.end(),
                         result.begin() + 2 * size));
}

}  // namespace
}  // namespace resnetd
