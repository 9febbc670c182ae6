#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <oneapi/dnnl/dnnl.hpp>
#include <optional>
#include <vector>

#include "absl/types/span.h"
#include "server/engine/folding.h"
#include "server/engine/precision.h"
#include "server/engine/program.h"
#include "server/engine/quantisation.h"
#include "server/engine/winograd.h"
#include "server/image/preprocess.h"
#include "server/models/weights.h"

namespace resnetd {

// Where the folded float32 parameters of a step come from.
using StepSource = std::function<FoldedStep(std::size_t step)>;

// What an int8 plan needs beside its weights.
struct Int8Numbers {
  std::vector<StepLevels> levels;
  PreprocessSpec preprocess;
  ProductSums sums = ProductSums::kExact;
};

// What the steps of a program read beside activations: folded, in the
// arithmetic of the plan and in the layouts that its primitives want. A layout
// that several batch sizes agree on exists once.
//
// The source is only asked until ForgetSource(); a layout that is wanted later
// is reordered from one that exists, which moves values and changes none. Not
// thread-safe. Throws dnnl::error and std::bad_alloc.
class Parameters {
 public:
  // Float32 or bfloat16. `program` must outlive this, `source` the calls up to
  // ForgetSource().
  Parameters(const dnnl::engine& engine, const Program& program,
             StepSource source, Precision precision);
  // Int8.
  Parameters(const dnnl::engine& engine, const Program& program,
             StepSource source, Int8Numbers numbers);
  // Float32, of a version's weights.
  Parameters(const dnnl::engine& engine, const Program& program,
             const Weights& source);

  Precision precision() const { return int8_ ? Precision::kInt8 : precision_; }
  // Precondition: the precision is int8.
  const StepLevels& levels(std::size_t step) const {
    return int8_->levels[step];
  }
  const PreprocessSpec& preprocess() const { return int8_->preprocess; }

  // The weights of step `step` (a convolution or the linear layer) as `desc`.
  dnnl::memory PackedWeights(std::size_t step, const dnnl::memory::desc& desc);

  // Float32: the weights of step `step`, a convolution, as TransformWeights()
  // leaves them for `shape`. What they were made of stays: other layouts and
  // Unpacked() come from it.
  dnnl::memory TransformedWeights(std::size_t step, const WinogradShape& shape);

  // The bias of step `step`, one value an output channel, in the unit that the
  // primitive takes; zeros when its convolution has neither bias nor
  // normalisation and the plan is int8, else null.
  dnnl::memory Bias(std::size_t step);

  // Int8: what the step multiplies its sums with, one number an output channel.
  absl::Span<const float> Rescale(std::size_t step);

  // Of a kScaleShiftRelu step: what MakeScaleShiftRelu() reads. The statistics
  // are folded into scale and shift: mean 0, variance 1.
  struct ScaleShiftMemory {
    dnnl::memory scale;
    dnnl::memory shift;
    dnnl::memory mean;
    dnnl::memory variance;
  };
  ScaleShiftMemory ScaleAndShift(std::size_t step);

  // Float32: what the source said of the step, read back, bit for bit.
  FoldedStep Unpacked(std::size_t step);

  // Releases the source. Every step must have been asked for once.
  void ForgetSource() { source_ = nullptr; }

  std::int64_t bytes() const { return bytes_; }

 private:
  struct StepParameters {
    std::vector<dnnl::memory> layouts;
    dnnl::memory transformed;
    dnnl::memory bias;
    ScaleShiftMemory scale_shift;
    // Int8. Its weights are gone once they are packed.
    std::optional<QuantisedStep> quantised;
  };

  void LoadFirst(std::size_t step, const dnnl::memory::desc& desc);
  QuantisedStep& Quantised(std::size_t step);
  bool IsQuantised(std::size_t step) const;
  dnnl::memory::desc PlainDesc(std::size_t step, dnnl::memory::data_type type);
  dnnl::memory NewVector(absl::Span<const float> values);
  dnnl::memory Reordered(dnnl::memory& from, const dnnl::memory::desc& desc);
  // Reorders values in C order.
  dnnl::memory Packed(const void* values, const dnnl::memory::desc& plain,
                      const dnnl::memory::desc& desc);

  dnnl::engine engine_;
  dnnl::stream stream_;
  const Program& program_;
  StepSource source_;
  Precision precision_;
  std::optional<Int8Numbers> int8_;
  std::vector<StepParameters> steps_;
  std::int64_t bytes_ = 0;
};

}  // namespace resnetd
