#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "server/image/pixels.h"
#include "server/image/preprocess.h"

namespace resnetd {

// How the three channels of the network's input lie in memory.
enum class PictureLayout {
  kPlanes,       // all R, all G, all B
  kInterleaved,  // R G B of one pixel side by side
};

// Writes `planes`, three of equal size one after the other, in `layout`.
void WritePlanes(absl::Span<const float> planes, PictureLayout layout,
                 float* destination);

// torchvision's ToTensor and Normalize by table: one float per channel and
// value, ((v / 255) - mean) / std with each step rounded to float32. The zeros
// that a convolution pads with are then zeros after normalisation, exactly as
// there; folding the normalisation into the weights would get the border wrong.
// Immutable.
class Normalisation {
 public:
  explicit Normalisation(const PreprocessSpec& spec);

  // `channel`: 0 to 2.
  float ValueOf(std::size_t channel, std::uint8_t byte) const {
    return table_[channel][byte];
  }

  // Writes picture.width * picture.height * 3 floats.
  void Write(const Pixels& picture, PictureLayout layout,
             float* destination) const;

 private:
  std::array<std::array<float, 256>, 3> table_;
};

}  // namespace resnetd
