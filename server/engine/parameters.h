#pragma once

#include <cstddef>
#include <cstdint>
#include <oneapi/dnnl/dnnl.hpp>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "server/engine/program.h"
#include "server/models/weights.h"

namespace resnetd {

// What the steps of a program read beside activations: folded, in the layouts
// that the primitives want. A layout that several batch sizes agree on exists
// once.
//
// The weights of the version are only read until ForgetSource(); a layout that
// is asked for later is reordered from one that exists, which moves values and
// changes none. Not thread-safe. Throws dnnl::error and std::bad_alloc.
class Parameters {
 public:
  // `program` and `source` must outlive the calls up to ForgetSource().
  Parameters(const dnnl::engine& engine, const Program& program,
             const Weights& source);

  // The weights of step `step` (a convolution or the linear layer) as `desc`.
  dnnl::memory PackedWeights(std::size_t step, const dnnl::memory::desc& desc);

  // The bias of step `step`, one value an output channel; zeros when its
  // convolution has neither bias nor normalisation.
  dnnl::memory Bias(std::size_t step);

  // Of a kScaleShiftRelu step: what MakeScaleShiftRelu() reads. The statistics
  // are folded into scale and shift: mean 0, variance 1.
  struct ScaleShiftMemory {
    dnnl::memory scale;
    dnnl::memory shift;
    dnnl::memory mean;
    dnnl::memory variance;
  };
  ScaleShiftMemory ScaleAndShift(std::size_t step);

  // Releases the reference to the version's weights. Every step must have been
  // asked for once.
  void ForgetSource() { source_ = nullptr; }

  std::int64_t bytes() const { return bytes_; }

 private:
  struct StepParameters {
    std::vector<dnnl::memory> layouts;
    dnnl::memory bias;
    ScaleShiftMemory scale_shift;
  };

  void LoadConvolution(std::size_t step, const dnnl::memory::desc& desc);
  void LoadLinear(std::size_t step, const dnnl::memory::desc& desc);
  dnnl::memory NewVector(absl::Span<const float> values);
  dnnl::memory Reordered(dnnl::memory& from, const dnnl::memory::desc& desc);
  // Reorders values in C order.
  dnnl::memory Packed(absl::Span<const float> values,
                      const dnnl::memory::desc& plain,
                      const dnnl::memory::desc& desc);

  dnnl::engine engine_;
  dnnl::stream stream_;
  const Program& program_;
  const Weights* source_;
  std::vector<StepParameters> steps_;
  std::int64_t bytes_ = 0;
};

}  // namespace resnetd
