#include "server/engine/parameters.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <oneapi/dnnl/dnnl.hpp>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "server/engine/descs.h"
#include "server/engine/folding.h"
#include "server/engine/onednn_api.h"
#include "server/engine/precision.h"
#include "server/engine/program.h"
#include "server/engine/quantisation.h"
#include "server/engine/winograd.h"
#include "server/models/weights.h"

namespace resnetd {
namespace {

std::vector<float> FloatsOf(const dnnl::memory& memory) {
  const auto* values = static_cast<const float*>(memory.get_data_handle());
  return {values, values + memory.get_desc().get_size() / sizeof(float)};
}

}  // namespace

Parameters::Parameters(const dnnl::engine& engine, const Program& program,
                       StepSource source, Precision precision)
    : engine_(engine),
      stream_(engine),
      program_(program),
      source_(std::move(source)),
      precision_(precision),
      steps_(program.steps.size()) {}

Parameters::Parameters(const dnnl::engine& engine, const Program& program,
                       StepSource source, Int8Numbers numbers)
    : Parameters(engine, program, std::move(source), Precision::kInt8) {
  int8_ = std::move(numbers);
}

Parameters::Parameters(const dnnl::engine& engine, const Program& program,
                       const Weights& source)
    : Parameters(
          engine, program,
          [&program, &source](std::size_t step) {
            return FoldStep(program.steps[step], source);
          },
          Precision::kFloat32) {}

dnnl::memory Parameters::PackedWeights(std::size_t step,
                                       const dnnl::memory::desc& desc) {
  StepParameters& parameters = steps_[step];
  for (const dnnl::memory& layout : parameters.layouts) {
    if (layout.get_desc() == desc) {
      return layout;
    }
  }
  if (parameters.layouts.empty()) {
    LoadFirst(step, desc);
  } else {
    parameters.layouts.push_back(Reordered(parameters.layouts.front(), desc));
  }
  return parameters.layouts.back();
}

dnnl::memory Parameters::TransformedWeights(std::size_t step,
                                            const WinogradShape& shape) {
  dnnl::memory& transformed = steps_[step].transformed;
  if (!transformed) {
    const dnnl::memory plain =
        PackedWeights(step, PlainDesc(step, DataType::f32));
    dnnl::memory memory(VectorDesc(WinogradWeights(shape)), engine_);
    TransformWeights(shape, static_cast<const float*>(plain.get_data_handle()),
                     static_cast<float*>(memory.get_data_handle()));
    bytes_ += static_cast<std::int64_t>(memory.get_desc().get_size());
    transformed = std::move(memory);
  }
  return transformed;
}

dnnl::memory Parameters::Bias(std::size_t step) { return steps_[step].bias; }

absl::Span<const float> Parameters::Rescale(std::size_t step) {
  return Quantised(step).rescale;
}

Parameters::ScaleShiftMemory Parameters::ScaleAndShift(std::size_t step) {
  ScaleShiftMemory& memory = steps_[step].scale_shift;
  if (!memory.scale) {
    const FoldedStep line = source_(step);
    memory.scale = NewVector(line.scale);
    memory.shift = NewVector(line.shift);
    memory.mean = NewVector(std::vector<float>(line.scale.size(), 0.0F));
    memory.variance = NewVector(std::vector<float>(line.scale.size(), 1.0F));
  }
  return memory;
}

FoldedStep Parameters::Unpacked(std::size_t step) {
  StepParameters& parameters = steps_[step];
  FoldedStep folded;
  if (parameters.scale_shift.scale) {
    folded.scale = FloatsOf(parameters.scale_shift.scale);
    folded.shift = FloatsOf(parameters.scale_shift.shift);
  }
  if (parameters.bias) {
    folded.bias = FloatsOf(parameters.bias);
  }
  if (!parameters.layouts.empty()) {
    dnnl::memory plain(PlainDesc(step, DataType::f32), engine_);
    dnnl::reorder(parameters.layouts.front(), plain)
        .execute(stream_, parameters.layouts.front(), plain);
    stream_.wait();
    folded.weights = FloatsOf(plain);
  }
  return folded;
}

bool Parameters::IsQuantised(std::size_t step) const {
  const StepKind kind = program_.steps[step].kind;
  return int8_.has_value() &&
         (kind == StepKind::kConvolution || kind == StepKind::kLinear);
}

QuantisedStep& Parameters::Quantised(std::size_t step) {
  std::optional<QuantisedStep>& quantised = steps_[step].quantised;
  if (!quantised) {
    quantised =
        QuantiseStep(program_.steps[step], source_(step), int8_->levels[step],
                     int8_->preprocess, int8_->sums);
  }
  return *quantised;
}

dnnl::memory::desc Parameters::PlainDesc(std::size_t step,
                                         dnnl::memory::data_type type) {
  const Step& what = program_.steps[step];
  return what.kind == StepKind::kLinear ? PlainWeights(what.linear, type)
                                        : PlainWeights(what.conv, type);
}

void Parameters::LoadFirst(std::size_t step, const dnnl::memory::desc& desc) {
  StepParameters& parameters = steps_[step];
  if (IsQuantised(step)) {
    QuantisedStep& quantised = Quantised(step);
    parameters.layouts.push_back(
        Packed(quantised.weights.data(), PlainDesc(step, DataType::s8), desc));
    // An empty list would leave it its memory.
    quantised.weights = std::vector<std::int8_t>();
    parameters.bias =
        NewVector(Rescaling(quantised.rescale, false).BiasOf(quantised.bias));
    return;
  }
  const FoldedStep folded = source_(step);
  parameters.layouts.push_back(
      Packed(folded.weights.data(), PlainDesc(step, DataType::f32), desc));
  if (!folded.bias.empty()) {
    parameters.bias = NewVector(folded.bias);
  }
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

dnnl::memory Parameters::Packed(const void* values,
                                const dnnl::memory::desc& plain,
                                const dnnl::memory::desc& desc) {
  // The library reads through a pointer to non-const; it does not write here.
  dnnl::memory from(plain, engine_, const_cast<void*>(values));
  return Reordered(from, desc);
}

}  // namespace resnetd
