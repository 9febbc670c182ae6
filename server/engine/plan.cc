#include "server/engine/plan.h"

#include <algorithm>
#include <cstddef>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "server/engine/arena.h"
#include "server/engine/descs.h"
#include "server/engine/onednn_api.h"
#include "server/engine/parameters.h"
#include "server/engine/program.h"

namespace resnetd {
namespace {

// A copy of attributes would be the same object under another name.
dnnl::primitive_attr NewAttributes() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

class PlanBuilder {
 public:
  PlanBuilder(const dnnl::engine& engine, const Program& program, int batch,
              Parameters& parameters)
      : engine_(engine),
        program_(program),
        batch_(batch),
        parameters_(parameters) {
    plan_.batch = batch;
  }

  Plan Build() {
    for (std::size_t i = 0; i < program_.steps.size(); ++i) {
      AddStep(i);
    }
    PlaceBuffers();
    return std::move(plan_);
  }

 private:
  void AddStep(std::size_t index) {
    const Step& step = program_.steps[index];
    switch (step.kind) {
      case StepKind::kConvolution:
        return AddConvolution(index);
      case StepKind::kMaxPool:
        return AddPooling({.algorithm = dnnl::algorithm::pooling_max,
                           .source = Desc(step.input),
                           .destination = Desc(step.output),
                           .kernel = {3, 3},
                           .stride = {2, 2},
                           .padding = {1, 1}});
      case StepKind::kAveragePool: {
        const BufferShape& shape = program_.buffers[step.input];
        const dnnl::memory::dims window = {shape.height, shape.width};
        return AddPooling(
            {.algorithm = dnnl::algorithm::pooling_avg_exclude_padding,
             .source = Desc(step.input),
             .destination = Desc(step.output),
             .kernel = window,
             .stride = window,
             .padding = {0, 0}});
      }
      case StepKind::kScaleShiftRelu:
        return AddScaleShiftRelu(index);
      case StepKind::kLinear:
        return AddLinear(index);
    }
  }

  dnnl::memory::desc Desc(std::size_t buffer) const {
    return ActivationDesc(program_.buffers[buffer], batch_, FormatTag::nhwc);
  }

  void Add(const dnnl::primitive_desc& desc,
           std::vector<std::pair<int, dnnl::memory>> parameters,
           const std::string& name) {
    PlannedStep planned;
    planned.primitive = dnnl::primitive(desc);
    planned.source = desc.src_desc(0);
    planned.destination = desc.dst_desc(0);
    planned.scratchpad = desc.scratchpad_desc();
    planned.parameters = std::move(parameters);
    planned.implementation = absl::StrCat(name, " ", desc.impl_info_str());
    plan_.steps.push_back(std::move(planned));
  }

  void AddConvolution(std::size_t index) {
    const Step& step = program_.steps[index];
    dnnl::post_ops post_ops;
    if (step.accumulate) {
      post_ops.append_sum();
    }
    if (step.relu) {
      AppendRelu(post_ops);
    }
    dnnl::primitive_attr attributes = NewAttributes();
    attributes.set_post_ops(post_ops);
    ConvolutionDescs descs = {.source = Desc(step.input),
                              .weights = AnyWeights(step.conv),
                              .bias = {},
                              .destination = Desc(step.output),
                              .stride = step.conv.stride,
                              .padding = step.conv.padding};
    if (step.norm) {
      descs.bias = VectorDesc(static_cast<std::size_t>(step.conv.out_channels));
    }
    if (step.input == 0) {
      descs.source = StemSource(descs, attributes);
    }
    const dnnl::primitive_desc desc =
        MakeConvolution(engine_, descs, attributes);
    std::vector<std::pair<int, dnnl::memory>> parameters = {
        {DNNL_ARG_WEIGHTS,
         parameters_.PackedWeights(index, desc.weights_desc(0))}};
    if (step.norm) {
      parameters.emplace_back(DNNL_ARG_BIAS, parameters_.Bias(index));
    }
    Add(desc, std::move(parameters), step.conv.name);
  }

  // The layout in which the first convolution would like its three channels,
  // if the normalisation can write it, else interleaved.
  dnnl::memory::desc StemSource(ConvolutionDescs descs,
                                const dnnl::primitive_attr& attributes) {
    const BufferShape& shape = program_.buffers[0];
    const auto planes = ActivationDesc(shape, batch_, FormatTag::nchw);
    descs.source = ActivationDesc(shape, batch_, FormatTag::any);
    const auto wanted = MakeConvolution(engine_, descs, attributes).src_desc(0);
    if (wanted == planes) {
      plan_.picture_layout = PictureLayout::kPlanes;
      return planes;
    }
    plan_.picture_layout = PictureLayout::kInterleaved;
    return ActivationDesc(shape, batch_, FormatTag::nhwc);
  }

  void AddPooling(const PoolingDescs& descs) {
    Add(MakePooling(engine_, descs, NewAttributes()), {}, "pool");
  }

  void AddScaleShiftRelu(std::size_t index) {
    const Step& step = program_.steps[index];
    const dnnl::primitive_desc desc =
        MakeScaleShiftRelu(engine_, Desc(step.input), NewAttributes());
    const Parameters::ScaleShiftMemory memory =
        parameters_.ScaleAndShift(index);
    Add(desc,
        {{DNNL_ARG_MEAN, memory.mean},
         {DNNL_ARG_VARIANCE, memory.variance},
         {DNNL_ARG_SCALE, memory.scale},
         {DNNL_ARG_SHIFT, memory.shift}},
        step.norm->name);
  }

  void AddLinear(std::size_t index) {
    const Step& step = program_.steps[index];
    const LinearLayer& linear = step.linear;
    // One pixel a picture: every layout of the channels is the plain one.
    const dnnl::primitive_desc desc = MakeInnerProduct(
        engine_,
        {.source = MatrixDesc(batch_, linear.in_features),
         .weights = AnyWeights(linear),
         .bias = VectorDesc(static_cast<std::size_t>(linear.out_features)),
         .destination = MatrixDesc(batch_, linear.out_features)},
        NewAttributes());
    const dnnl::memory weights =
        parameters_.PackedWeights(index, desc.weights_desc(0));
    Add(desc,
        {{DNNL_ARG_WEIGHTS, weights}, {DNNL_ARG_BIAS, parameters_.Bias(index)}},
        linear.name);
  }

  // A buffer lives from the first step that touches it to the last; a
  // scratchpad during its step.
  void PlaceBuffers() {
    const std::size_t buffers = program_.buffers.size();
    const std::size_t steps = program_.steps.size();
    std::vector<BufferLife> lives(buffers + steps,
                                  {.bytes = 0, .first = steps, .last = 0});
    const auto touch = [&](std::size_t buffer, std::size_t step,
                           const dnnl::memory::desc& desc) {
      BufferLife& life = lives[buffer];
      life.bytes = std::max(life.bytes, desc.get_size());
      life.first = std::min(life.first, step);
      life.last = std::max(life.last, step);
    };
    for (std::size_t i = 0; i < steps; ++i) {
      const PlannedStep& planned = plan_.steps[i];
      touch(program_.steps[i].input, i, planned.source);
      touch(program_.steps[i].output, i, planned.destination);
      touch(buffers + i, i, planned.scratchpad);
    }
    const ArenaPlan arena = PlanArena(lives);
    for (std::size_t i = 0; i < steps; ++i) {
      PlannedStep& planned = plan_.steps[i];
      planned.source_offset = arena.offsets[program_.steps[i].input];
      planned.destination_offset = arena.offsets[program_.steps[i].output];
      planned.scratchpad_offset = arena.offsets[buffers + i];
    }
    plan_.arena_bytes = arena.bytes;
    plan_.picture_offset = arena.offsets.front();
    plan_.result_offset = arena.offsets[program_.output];
    plan_.features_offset = arena.offsets[program_.steps.back().input];
  }

  const dnnl::engine& engine_;
  const Program& program_;
  const int batch_;
  Parameters& parameters_;
  Plan plan_;
};

}  // namespace

Plan MakePlan(const dnnl::engine& engine, const Program& program, int batch,
              Parameters& parameters) {
  return PlanBuilder(engine, program, batch, parameters).Build();
}

Execution::Execution(const dnnl::engine& engine, const Plan& plan,
                     std::byte* arena)
    : pictures_(reinterpret_cast<float*>(arena + plan.picture_offset)),
      result_(reinterpret_cast<const float*>(arena + plan.result_offset)),
      features_(reinterpret_cast<const float*>(arena + plan.features_offset)) {
  for (const PlannedStep& step : plan.steps) {
    BoundStep bound;
    bound.primitive = step.primitive;
    std::vector<std::pair<int, dnnl::memory>> arguments = step.parameters;
    arguments.emplace_back(
        DNNL_ARG_SRC,
        dnnl::memory(step.source, engine, arena + step.source_offset));
    arguments.emplace_back(DNNL_ARG_DST,
                           dnnl::memory(step.destination, engine,
                                        arena + step.destination_offset));
    if (step.scratchpad.get_size() > 0) {
      arguments.emplace_back(DNNL_ARG_SCRATCHPAD,
                             dnnl::memory(step.scratchpad, engine,
                                          arena + step.scratchpad_offset));
    }
    for (auto& [number, memory] : arguments) {
      bound.arguments.push_back({number, memory.get()});
      bound.memory.push_back(std::move(memory));
    }
    steps_.push_back(std::move(bound));
  }
}

void Execution::Run(const dnnl::stream& stream) const {
  for (const BoundStep& step : steps_) {
    Execute(step.primitive, stream, step.arguments);
  }
}

}  // namespace resnetd
