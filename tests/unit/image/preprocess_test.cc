#include "server/image/preprocess.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "server/base/error.h"
#include "server/image/resize_geometry.h"
#include "tests/unit/image/picture_factory.h"

namespace resnetd {
namespace {

using testing::MakePhoto;

std::string ViolatedField(const PreprocessSpec& spec) {
  const absl::Status status = Validate(spec);
  if (status.ok()) {
    return "ok";
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  const ErrorDetails details = DetailsOf(status);
  EXPECT_EQ(details.reason, "REQUEST_INVALID");
  return details.violations.empty() ? "" : details.violations[0].first;
}

TEST(PreprocessTest, AcceptsTheDefaults) { EXPECT_EQ(ViolatedField({}), "ok"); }

TEST(PreprocessTest, BoundsCropAndResize) {
  EXPECT_EQ(ViolatedField({.resize = 8, .crop = 7}), "crop");
  EXPECT_EQ(ViolatedField({.resize = 8, .crop = 8}), "ok");
  EXPECT_EQ(ViolatedField({.resize = 9, .crop = 9}), "ok");
  EXPECT_EQ(ViolatedField({.resize = 223, .crop = 224}), "resize");
  EXPECT_EQ(ViolatedField({.resize = 224, .crop = 224}), "ok");
  EXPECT_EQ(ViolatedField({.resize = 4095, .crop = 4095}), "ok");
  EXPECT_EQ(ViolatedField({.resize = 4096, .crop = 4096}), "ok");
  EXPECT_EQ(ViolatedField({.resize = 4097, .crop = 224}), "resize");
  EXPECT_EQ(ViolatedField({.resize = 4097, .crop = 4097}), "crop");
}

TEST(PreprocessTest, RefusesMeansAndDeviationsThatAreNoNumbers) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(ViolatedField({.mean = {0, NAN, 0}}), "mean[1]");
  EXPECT_EQ(ViolatedField({.mean = {0, 0, kInfinity}}), "mean[2]");
  EXPECT_EQ(ViolatedField({.std = {0, 1, 1}}), "std[0]");
  EXPECT_EQ(ViolatedField({.std = {1, -1, 1}}), "std[1]");
  EXPECT_EQ(ViolatedField({.std = {1, 1, NAN}}), "std[2]");
  EXPECT_EQ(ViolatedField({.std = {kInfinity, 1, 1}}), "std[0]");
}

// Pillow's resize written down once more in the plainest way: the whole
// picture, both passes, every tap, in double-precision weights rounded to 22
// bits. Then the cut.
std::vector<std::uint8_t> PlainPass(const std::vector<std::uint8_t>& in,
                                    int lines, int in_size, int out_size) {
  std::vector<std::uint8_t> out;
  const double scale = static_cast<double>(in_size) / out_size;
  const double support = std::max(scale, 1.0);
  for (int line = 0; line < lines; ++line) {
    for (int i = 0; i < out_size; ++i) {
      const double center = (i + 0.5) * scale;
      // Cut off, not rounded: so does Pillow, also below zero.
      const double first = center - support + 0.5;
      const double last = center + support + 0.5;
      const int begin = std::max(0, static_cast<int>(first));
      const int end = std::min(in_size, static_cast<int>(last));
      std::vector<double> weights;
      double sum = 0;
      for (int x = begin; x < end; ++x) {
        const double far = std::abs((x - center + 0.5) * (1.0 / support));
        weights.push_back(far < 1 ? 1 - far : 0);
        sum += weights.back();
      }
      for (int c = 0; c < 3; ++c) {
        long total = 1L << 21;
        for (int x = begin; x < end; ++x) {
          const double weight = weights[static_cast<std::size_t>(x - begin)];
          const double fixed = 0.5 + weight / sum * (1 << 22);
          total += static_cast<long>(fixed) *
                   in[static_cast<std::size_t>((line * in_size + x) * 3 + c)];
        }
        out.push_back(
            static_cast<std::uint8_t>(std::clamp(total >> 22, 0L, 255L)));
      }
    }
  }
  return out;
}

std::vector<std::uint8_t> Transposed(const std::vector<std::uint8_t>& in,
                                     int width, int height) {
  std::vector<std::uint8_t> out;
  for (int x = 0; x < width; ++x) {
    for (int y = 0; y < height; ++y) {
      const auto at = static_cast<std::ptrdiff_t>((y * width + x) * 3);
      out.insert(out.end(), in.begin() + at, in.begin() + at + 3);
    }
  }
  return out;
}

TEST(PreprocessTest, EqualsThePlainTwoPassResize) {
  for (const auto& [width, height] :
       {std::pair{61, 40}, {40, 61}, {9, 9}, {1, 50}, {33, 1}, {64, 65}}) {
    for (const auto& [resize, crop] : {std::pair{32, 24}, {40, 40}, {9, 8}}) {
      const Pixels photo = MakePhoto(width, height);
      const ResizeGeometry g = ComputeGeometry(width, height, resize, crop);
      const int new_width = static_cast<int>(g.width);
      const int new_height = static_cast<int>(g.height);
      const auto across = PlainPass(photo.rgb, height, width, new_width);
      const auto whole =
          Transposed(PlainPass(Transposed(across, new_width, height), new_width,
                               height, new_height),
                     new_height, new_width);
      for (const ResampleKernels* kernels :
           {&ScalarKernels(), &BestKernels()}) {
        const Pixels cut =
            ResizeAndCrop(photo, {.resize = resize, .crop = crop}, *kernels);
        ASSERT_EQ(cut.width, crop);
        ASSERT_EQ(cut.height, crop);
        for (int i = 0; i < crop * crop * 3; ++i) {
          const int y = i / 3 / crop + static_cast<int>(g.top);
          const int x = i / 3 % crop + static_cast<int>(g.left);
          ASSERT_EQ(
              cut.rgb[static_cast<std::size_t>(i)],
              whole[static_cast<std::size_t>((y * new_width + x) * 3 + i % 3)])
              << width << "x" << height << " to " << resize << "/" << crop;
        }
      }
    }
  }
}

TEST(PreprocessTest, OnlyCutsWhenTheShortSideFitsAlready) {
  const Pixels photo = MakePhoto(50, 40);
  const Pixels cut = ResizeAndCrop(photo, {.resize = 40, .crop = 30});
  for (int y = 0; y < 30; ++y) {
    for (int i = 0; i < 90; ++i) {
      ASSERT_EQ(
          cut.rgb[static_cast<std::size_t>(y * 90 + i)],
          photo.rgb[static_cast<std::size_t>(((y + 5) * 50 + 10) * 3 + i)]);
    }
  }
}

TEST(PreprocessTest, CutsTheMiddleOfTheMostExtremeShapes) {
  // The resized picture would have 4.2 million rows or columns.
  for (const bool is_tall : {false, true}) {
    Pixels line = {.width = is_tall ? 1 : 16'384,
                   .height = is_tall ? 16'384 : 1,
                   .rgb = {}};
    for (int i = 0; i < 16'384; ++i) {
      for (const int value : {i / 64, 255 - i / 64, 7}) {
        line.rgb.push_back(static_cast<std::uint8_t>(value));
      }
    }
    const Pixels cut = ResizeAndCrop(line, {});
    ASSERT_EQ(cut.rgb.size(), 224U * 224U * 3U);
    EXPECT_TRUE(std::all_of(cut.rgb.begin(), cut.rgb.end(), [](int value) {
      return value == 127 || value == 128 || value == 7;
    }));
  }
}

}  // namespace
}  // namespace resnetd
