#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "server/models/architecture.h"

namespace resnetd {

// The size of one picture's activations.
struct BufferShape {
  int channels = 0;
  int height = 0;
  int width = 0;

  friend bool operator==(const BufferShape&, const BufferShape&) = default;
};

enum class StepKind {
  kConvolution,     // folded with `norm` where there is one
  kMaxPool,         // 3x3, stride 2, padding 1
  kScaleShiftRelu,  // `norm` on its own, then ReLU; may work in place
  kAveragePool,     // over the whole picture
  kLinear,
};

// One operation: reads buffer `input`, writes buffer `output`.
struct Step {
  StepKind kind = StepKind::kConvolution;
  std::size_t input = 0;
  std::size_t output = 0;
  // The result is added to what `output` holds (the shortcut) before `relu`.
  bool accumulate = false;
  bool relu = false;
  ConvLayer conv;                      // kConvolution
  std::optional<BatchNormLayer> norm;  // kConvolution, kScaleShiftRelu
  LinearLayer linear;                  // kLinear
};

// A network as a straight list of steps over numbered buffers, ready for any
// batch size. Buffer 0 holds the normalised pictures, `output` the result.
struct Program {
  std::vector<BufferShape> buffers;
  std::vector<Step> steps;
  std::size_t output = 0;
};

// v1: a normalisation folds into the convolution before it, every ReLU runs
// with the operation before it, and a block's last convolution adds itself onto
// the buffer of the shortcut.
// v2: the normalisation that opens a block reads the unfolded sum and is a step
// of its own; the others fold into the convolution before them.
//
// `crop` is the side of the square pictures, >= 1.
Program BuildProgram(const Network& network, int crop);

// The same up to the end of stage `stages` (0: of the stem), without the steps
// behind it: its result is what ShapeOfFeatures() (feature_extractor.h) says.
// Precondition: 0 <= stages <= StageCount().
Program BuildFeatureProgram(const Network& network, int crop, int stages);

// Multiplications and additions that one picture takes, two a weight use: in
// one step, 0 if it has no weights, and in all.
double FlopsOfStep(const Program& program, std::size_t step);
double FlopsPerPicture(const Program& program);

}  // namespace resnetd
