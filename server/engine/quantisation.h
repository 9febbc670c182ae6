#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "server/engine/calibration.h"
#include "server/engine/folding.h"
#include "server/engine/program.h"
#include "server/image/preprocess.h"

namespace resnetd {

// What numbers of 8 bits stand for: value = scale * level. Symmetric, so that
// the zeros that a convolution pads with are zero.
struct Levels {
  float scale = 1;
  // -127 to 127, else 0 to 255: values after a ReLU.
  bool is_signed = false;

  friend bool operator==(const Levels&, const Levels&) = default;
};

// The numbers of one step of an int8 plan.
struct StepLevels {
  Levels input;
  // Absent meaning for steps that write float32: the average, the logits.
  Levels output;
  // Of a step that accumulates: what lies in `output` before.
  Levels shortcut;
};

// The levels of every step. The picture goes in as it is, bytes of scale 1:
// the weights of the first convolution hold the normalisation, and what it pads
// with is PaddingBytes().
// Preconditions: CheckCalibration() is OK; CanQuantise(program).
std::vector<StepLevels> LevelsOf(const Program& program,
                                 const Calibration& calibration);

// Whether there is an int8 plan: not where a normalisation stands alone
// (pre-activation networks), because the sum that such a network carries from
// block to block grows with depth and does not fit 8 bits well.
bool CanQuantise(const Program& program);

// How kernels add up products of a weight and a level.
enum class ProductSums {
  kExact,
  // CPUs without dot products of bytes (VNNI) add the products of two
  // neighbouring input channels in 16 bits, saturating. Two weights of 127 at
  // levels of 255 are over that: such weights have to be smaller.
  kPairsIn16Bits,
};

// A step in 8 bits:
//   output level = round(rescale[c] * sum of weight * input level
//                        + bias[c] + shortcut factor * shortcut level)
// saturating, ties to even, after a ReLU if it has one.
struct QuantisedStep {
  // -127 to 127, with a scale for each output channel. With kPairsIn16Bits no
  // two neighbours have a sum beyond -128 to 128.
  std::vector<std::int8_t> weights;
  std::vector<float> rescale;
  // In output levels.
  std::vector<float> bias;
};

// The value of normalised zero in bytes of the picture, by channel.
std::array<double, 3> CentreOf(const PreprocessSpec& preprocess);
// The same rounded: what surrounds the picture where the first convolution
// looks over its edge.
std::array<std::uint8_t, 3> PaddingBytes(const PreprocessSpec& preprocess);

// Of a convolution or the linear layer, which writes float32: its output has
// the scale 1. `preprocess`: of the version; for the step that reads the
// picture.
QuantisedStep QuantiseStep(const Step& step, const FoldedStep& folded,
                           const StepLevels& levels,
                           const PreprocessSpec& preprocess,
                           ProductSums sums = ProductSums::kExact);

}  // namespace resnetd
