#pragma once

#include <array>
#include <optional>

#include "server/image/crop.h"
#include "server/image/pixels.h"
#include "server/image/preprocess.h"

namespace resnetd {

enum class ColourStep { kBrightness, kContrast, kSaturation };

// How one picture is varied for training, drawn by the caller. The default
// changes nothing.
struct AugmentDraw {
  // What is resized to the input of the network; nullopt: what ResizeAndCrop()
  // cuts out.
  std::optional<CropBox> crop;
  // Left and right change places.
  bool flip = false;
  // Factors >= 0; 1 changes nothing. 0 is black, grey of the mean brightness,
  // and grey of each pixel's own.
  double brightness = 1;
  double contrast = 1;
  double saturation = 1;
  // In which the three are applied.
  std::array<ColourStep, 3> order = {
      ColourStep::kBrightness, ColourStep::kContrast, ColourStep::kSaturation};
};

// The varied picture, square with a side of spec.crop. Bit for bit what
// torchvision makes of a Pillow image: resized_crop() with the bilinear filter,
// hflip(), then adjust_brightness(), adjust_contrast() and adjust_saturation().
//
// Thread-safe. Preconditions: as ResizeAndCrop(); the crop is not empty and
// lies within the picture.
Pixels Augment(const Pixels& pixels, const AugmentDraw& draw,
               const PreprocessSpec& spec);

}  // namespace resnetd
