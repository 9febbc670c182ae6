#include "server/image/augment.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "server/image/crop.h"
#include "server/image/resample.h"
#include "server/image/resample_kernels.h"
#include "server/image/resample_taps.h"

namespace resnetd {
namespace {

constexpr int kLevels = 256;

Pixels ResizedCrop(const Pixels& pixels, const CropBox& box, int side) {
  Pixels cut = CutOut(pixels, box);
  if (box.width == side && box.height == side) {
    return cut;
  }
  return Resample(cut, ComputeTaps(box.width, side, 0, side),
                  ComputeTaps(box.height, side, 0, side), BestKernels());
}

void Flip(Pixels& pixels) {
  const auto width = static_cast<std::size_t>(pixels.width);
  for (std::size_t y = 0; y < static_cast<std::size_t>(pixels.height); ++y) {
    std::uint8_t* const row = &pixels.rgb[y * width * 3];
    for (std::size_t left = 0, right = width - 1; left < right;
         ++left, --right) {
      std::swap_ranges(&row[left * 3], &row[left * 3 + 3], &row[right * 3]);
    }
  }
}

// Pillow's blend of two levels: in single precision, cut off.
std::uint8_t Blend(int from, int to, float share) {
  const float mixed =
      static_cast<float>(from) + share * static_cast<float>(to - from);
  return static_cast<std::uint8_t>(std::clamp(mixed, 0.0F, 255.0F));
}

// Pillow's grey of a pixel, with the weights of ITU-R BT.601 in 16 bits.
int GreyOf(const std::uint8_t* rgb) {
  constexpr int kRed = 19595;
  constexpr int kGreen = 38470;
  constexpr int kBlue = 7471;
  constexpr int kHalf = 0x8000;
  constexpr int kBits = 16;
  return (rgb[0] * kRed + rgb[1] * kGreen + rgb[2] * kBlue + kHalf) >> kBits;
}

int MeanGrey(const Pixels& pixels) {
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < pixels.rgb.size(); i += 3) {
    sum += GreyOf(&pixels.rgb[i]);
  }
  const std::size_t count = pixels.rgb.size() / 3;
  const double mean = static_cast<double>(sum) / static_cast<double>(count);
  // As Pillow: a half added, then cut off.
  return static_cast<int>(std::floor(mean + 0.5));
}

// Every level moves away from `level`, or towards it.
void BlendWithLevel(int level, float share, Pixels& pixels) {
  std::array<std::uint8_t, kLevels> table{};
  for (int from = 0; from < kLevels; ++from) {
    table[static_cast<std::size_t>(from)] = Blend(level, from, share);
  }
  for (std::uint8_t& value : pixels.rgb) {
    value = table[value];
  }
}

void Saturate(float share, Pixels& pixels) {
  for (std::size_t i = 0; i < pixels.rgb.size(); i += 3) {
    std::uint8_t* const rgb = &pixels.rgb[i];
    const int grey = GreyOf(rgb);
    for (int channel = 0; channel < 3; ++channel) {
      rgb[channel] = Blend(grey, rgb[channel], share);
    }
  }
}

void Apply(ColourStep step, const AugmentDraw& draw, Pixels& pixels) {
  switch (step) {
    case ColourStep::kBrightness:
      if (draw.brightness != 1) {
        BlendWithLevel(0, static_cast<float>(draw.brightness), pixels);
      }
      return;
    case ColourStep::kContrast:
      if (draw.contrast != 1) {
        BlendWithLevel(MeanGrey(pixels), static_cast<float>(draw.contrast),
                       pixels);
      }
      return;
    case ColourStep::kSaturation:
      if (draw.saturation != 1) {
        Saturate(static_cast<float>(draw.saturation), pixels);
      }
      return;
  }
}

}  // namespace

Pixels Augment(const Pixels& pixels, const AugmentDraw& draw,
               const PreprocessSpec& spec) {
  Pixels varied = draw.crop ? ResizedCrop(pixels, *draw.crop, spec.crop)
                            : ResizeAndCrop(pixels, spec);
  if (draw.flip) {
    Flip(varied);
  }
  for (const ColourStep step : draw.order) {
    Apply(step, draw, varied);
  }
  return varied;
}

}  // namespace resnetd
