#include "server/engine/parameters.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <oneapi/dnnl/dnnl.hpp>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "server/engine/descs.h"
#include "server/engine/folding.h"
#include "server/engine/program.h"
#include "server/models/weights.h"

namespace resnetd {

Parameters::Parameters(const dnnl::engine& engine, const Program& program,
                       const Weights& source)
    : engine_(engine),
      stream_(engine),
      program_(program),
      source_(&source),
      steps_(program.steps.size()) {}

dnnl::memory Parameters::PackedWeights(std::size_t step,
                                       const dnnl::memory::desc& desc) {
  StepParameters& parameters = steps_[step];
  for (const dnnl::memory& layout : parameters.layouts) {
    if (layout.get_desc() == desc) {
      return layout;
    }
  }
  if (!parameters.layouts.empty()) {
    parameters.layouts.push_back(Reordered(parameters.layouts.front(), desc));
  } else if (program_.steps[step].kind == StepKind::kLinear) {
    LoadLinear(step, desc);
  } else {
    LoadConvolution(step, desc);
  }
  return parameters.layouts.back();
}

dnnl::memory Parameters::Bias(std::size_t step) { return steps_[step].bias; }

Parameters::ScaleShiftMemory Parameters::ScaleAndShift(std::size_t step) {
  ScaleShiftMemory& memory = steps_[step].scale_shift;
  if (!memory.scale) {
    const ScaleShift line = ScaleShiftOf(*program_.steps[step].norm, *source_);
    const std::vector<float> scale(line.scale.begin(), line.scale.end());
    const std::vector<float> shift(line.shift.begin(), line.shift.end());
    memory.scale = NewVector(scale);
    memory.shift = NewVector(shift);
    memory.mean = NewVector(std::vector<float>(scale.size(), 0.0F));
    memory.variance = NewVector(std::vector<float>(scale.size(), 1.0F));
  }
  return memory;
}

void Parameters::LoadConvolution(std::size_t step,
                                 const dnnl::memory::desc& desc) {
  const Step& what = program_.steps[step];
  const dnnl::memory::desc plain = PlainWeights(what.conv);
  StepParameters& parameters = steps_[step];
  if (what.norm) {
    const FoldedConvolution folded = Fold(what.conv, *what.norm, *source_);
    parameters.layouts.push_back(Packed(folded.weights, plain, desc));
    parameters.bias = NewVector(folded.bias);
    return;
  }
  const Tensor& weights = source_->at(absl::StrCat(what.conv.name, ".weight"));
  parameters.layouts.push_back(Packed(weights.values, plain, desc));
}

void Parameters::LoadLinear(std::size_t step, const dnnl::memory::desc& desc) {
  const LinearLayer& linear = program_.steps[step].linear;
  const Tensor& weights = source_->at(absl::StrCat(linear.name, ".weight"));
  const Tensor& bias = source_->at(absl::StrCat(linear.name, ".bias"));
  steps_[step].layouts.push_back(
      Packed(weights.values, PlainWeights(linear), desc));
  steps_[step].bias = NewVector(bias.values);
}

dnnl::memory Parameters::NewVector(absl::Span<const float> values) {
  dnnl::memory memory(VectorDesc(values.size()), engine_);
  std::copy(values.begin(), values.end(),
            static_cast<float*>(memory.get_data_handle()));
  bytes_ += static_cast<std::int64_t>(memory.get_desc().get_size());
  return memory;
}

dnnl::memory Parameters::Reordered(dnnl::memory& from,
                                   const dnnl::memory::desc& desc) {
  dnnl::memory to(desc, engine_);
  dnnl::reorder(from, to).execute(stream_, from, to);
  stream_.wait();
  bytes_ += static_cast<std::int64_t>(desc.get_size());
  return to;
}

dnnl::memory Parameters::Packed(absl::Span<const float> values,
                                const dnnl::memory::desc& plain,
                                const dnnl::memory::desc& desc) {
  // The library reads through a pointer to non-const; it does not write here.
  dnnl::memory from(plain, engine_, const_cast<float*>(values.data()));
  return Reordered(from, desc);
}

}  // namespace resnetd
