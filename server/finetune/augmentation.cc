#include "server/finetune/augmentation.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "server/finetune/random.h"

namespace resnetd {
namespace {

RandomStream StreamOf(RandomPurpose purpose, const DrawPlace& place) {
  return {place.seed, purpose, static_cast<std::uint64_t>(place.step),
          place.index};
}

// Python's round(): half to even.
int Rounded(double value) { return static_cast<int>(std::nearbyint(value)); }

CropBox DrawCrop(const AugmentationSettings& settings, int width, int height,
                 RandomStream& stream) {
  const double area = static_cast<double>(width) * height;
  const double most_log = std::log(settings.most_ratio);
  constexpr int kTries = 10;
  for (int i = 0; i < kTries; ++i) {
    const double target = area * stream.Uniform(settings.least_scale, 1);
    const double ratio = std::exp(stream.Uniform(-most_log, most_log));
    CropBox box;
    box.width = Rounded(std::sqrt(target * ratio));
    box.height = Rounded(std::sqrt(target / ratio));
    if (box.width > 0 && box.width <= width && box.height > 0 &&
        box.height <= height) {
      box.top = static_cast<int>(
          stream.Below(static_cast<std::uint64_t>(height - box.height) + 1));
      box.left = static_cast<int>(
          stream.Below(static_cast<std::uint64_t>(width - box.width) + 1));
      return box;
    }
  }
  return MiddleCrop(width, height, settings.most_ratio);
}

double DrawFactor(double range, RandomStream& stream) {
  return range > 0 ? stream.Uniform(std::max(0.0, 1 - range), 1 + range) : 1;
}

}  // namespace

bool VariesNothing(const AugmentationSettings& settings) {
  return settings.least_scale == 1 && settings.flip == 0 &&
         settings.brightness == 0 && settings.contrast == 0 &&
         settings.saturation == 0;
}

AugmentDraw DrawAugmentation(const AugmentationSettings& settings, int width,
                             int height, const DrawPlace& place) {
  RandomStream stream = StreamOf(RandomPurpose::kAugmentation, place);
  AugmentDraw draw;
  if (settings.least_scale < 1) {
    draw.crop = DrawCrop(settings, width, height, stream);
  }
  draw.flip = stream.Uniform() < settings.flip;
  for (std::size_t last = draw.order.size() - 1; last > 0; --last) {
    std::swap(draw.order[last],
              draw.order[static_cast<std::size_t>(stream.Below(last + 1))]);
  }
  draw.brightness = DrawFactor(settings.brightness, stream);
  draw.contrast = DrawFactor(settings.contrast, stream);
  draw.saturation = DrawFactor(settings.saturation, stream);
  return draw;
}

CropBox MiddleCrop(int width, int height, double most_ratio) {
  const double ratio = static_cast<double>(width) / height;
  CropBox box = {.left = 0, .top = 0, .width = width, .height = height};
  if (ratio < 1 / most_ratio) {
    box.height = Rounded(width * most_ratio);
  } else if (ratio > most_ratio) {
    box.width = Rounded(height * most_ratio);
  }
  box.left = (width - box.width) / 2;
  box.top = (height - box.height) / 2;
  return box;
}

MixupDraw DrawMixup(double alpha, std::size_t examples,
                    const DrawPlace& place) {
  RandomStream stream = StreamOf(RandomPurpose::kMixup, place);
  MixupDraw draw;
  draw.mix = stream.Beta(alpha);
  draw.partners.resize(examples);
  std::iota(draw.partners.begin(), draw.partners.end(), 0);
  for (std::size_t last = examples - 1; last > 0; --last) {
    std::swap(draw.partners[last],
              draw.partners[static_cast<std::size_t>(stream.Below(last + 1))]);
  }
  return draw;
}

std::uint64_t BatchSeed(const DrawPlace& place) {
  return StreamOf(RandomPurpose::kStep, place).Bits64();
}

}  // namespace resnetd
