#include "server/engine/plan.h"

#include <cstddef>
#include <oneapi/dnnl/dnnl.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/engine/descs.h"
#include "server/engine/layouts.h"
#include "server/engine/onednn_api.h"
#include "server/engine/own_steps.h"
#include "server/engine/parameters.h"
#include "server/engine/place_buffers.h"
#include "server/engine/precision.h"
#include "server/engine/program.h"
#include "server/engine/quantisation.h"
#include "server/engine/step_types.h"
#include "server/engine/winograd.h"

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
        parameters_(parameters),
        precision_(parameters.precision()),
        layouts_(LayoutsOf(program, precision_, HasWideVectors())),
        buffers_(program.buffers.size()) {
    plan_.batch = batch;
    plan_.picture.precision = precision_;
  }

  Plan Build() {
    for (step_ = 0; step_ < program_.steps.size(); ++step_) {
      types_ = TypesOf(parameters_, step_);
      AddStep(program_.steps[step_]);
    }
    PlaceBuffers(buffers_, program_.output, program_.steps.back().input, plan_);
    return std::move(plan_);
  }

 private:
  void AddStep(const Step& step) {
    switch (step.kind) {
      case StepKind::kConvolution:
        return AddConvolution(step);
      case StepKind::kMaxPool:
        return AddPooling(step, {.algorithm = dnnl::algorithm::pooling_max,
                                 .source = Input(step),
                                 .destination = Output(step),
                                 .kernel = {3, 3},
                                 .stride = {2, 2},
                                 .padding = {1, 1}});
      case StepKind::kAveragePool:
        return AddAverage(step);
      case StepKind::kScaleShiftRelu:
        return AddScaleShiftRelu(step);
      case StepKind::kLinear:
        return precision_ == Precision::kInt8 ? AddInt8Linear(step)
                                              : AddLinear(step);
    }
  }

  dnnl::memory::desc Input(const Step& step) const {
    return ActivationDesc(program_.buffers[step.input], batch_,
                          layouts_[step.input], types_.input);
  }

  dnnl::memory::desc Output(const Step& step) const {
    return ActivationDesc(program_.buffers[step.output], batch_,
                          layouts_[step.output], types_.output);
  }

  PlannedStep& Add(const Step& step, const dnnl::primitive_desc& desc,
                   std::vector<std::pair<int, dnnl::memory>> parameters,
                   const std::string& name) {
    PlannedStep planned;
    planned.primitive = dnnl::primitive(desc);
    planned.source = desc.src_desc(0);
    planned.destination = desc.dst_desc(0);
    planned.scratchpad = desc.scratchpad_desc();
    planned.parameters = std::move(parameters);
    planned.implementation = absl::StrCat(name, " ", desc.impl_info_str());
    return Append(std::move(planned), step.input, step.output);
  }

  PlannedStep& Append(PlannedStep planned, std::size_t input,
                      std::size_t output) {
    planned.of_program = step_;
    // Places in the list of buffers; PlaceBuffers() makes offsets of them.
    planned.source_offset = input;
    planned.destination_offset = output;
    plan_.steps.push_back(std::move(planned));
    return plan_.steps.back();
  }

  // A kernel of our own where there is one; the processor does not matter to
  // the decision but for its vectors, nor does the batch.
  std::optional<WinogradShape> OwnShape(const Step& step) const {
    const bool is_blocked = layouts_[step.input] == FormatTag::nChw8c &&
                            layouts_[step.output] == FormatTag::nChw8c;
    return precision_ == Precision::kFloat32 && is_blocked && HasAvx2()
               ? WinogradShapeOf(step, program_.buffers[step.input])
               : std::nullopt;
  }

  void AddConvolution(const Step& step) {
    if (const std::optional<WinogradShape> shape = OwnShape(step)) {
      const dnnl::memory weights =
          parameters_.TransformedWeights(step_, *shape);
      Append(WinogradStep(program_, step_, batch_, *shape, weights,
                          parameters_.Bias(step_)),
             step.input, step.output);
      return;
    }
    dnnl::primitive_attr attributes = NewAttributes();
    attributes.set_post_ops(PostOps(step));
    ConvolutionDescs descs = {.source = Input(step),
                              .weights = AnyWeights(step.conv, types_.weights),
                              .bias = {},
                              .destination = Output(step),
                              .stride = step.conv.stride,
                              .padding = step.conv.padding};
    std::vector<std::pair<int, dnnl::memory>> parameters;
    const bool is_int8 = precision_ == Precision::kInt8;
    if (is_int8) {
      const Rescaling rescaling(parameters_.Rescale(step_),
                                step.conv.groups > 1);
      rescaling.AddTo(attributes);
      parameters = rescaling.Arguments(engine_);
    }
    const bool has_bias = step.norm.has_value() || is_int8;
    if (has_bias) {
      descs.bias = VectorDesc(static_cast<std::size_t>(step.conv.out_channels));
    }
    if (step.input == 0) {
      is_int8 ? PadPicture(descs) : ChoosePictureLayout(descs, attributes);
    }
    const dnnl::primitive_desc desc =
        MakeConvolution(engine_, descs, attributes);
    parameters.emplace_back(DNNL_ARG_WEIGHTS, parameters_.PackedWeights(
                                                  step_, desc.weights_desc(0)));
    if (has_bias) {
      parameters.emplace_back(DNNL_ARG_BIAS, parameters_.Bias(step_));
    }
    Add(step, desc, std::move(parameters), step.conv.name);
  }

  dnnl::post_ops PostOps(const Step& step) const {
    dnnl::post_ops post_ops;
    if (step.accumulate && precision_ == Precision::kInt8) {
      const StepLevels& levels = parameters_.levels(step_);
      AppendSum(post_ops, levels.shortcut.scale / levels.output.scale,
                TypeOf(levels.shortcut));
    } else if (step.accumulate) {
      AppendSum(post_ops, 1.0F, types_.output);
    }
    if (step.relu) {
      AppendRelu(post_ops);
    }
    return post_ops;
  }

  // Bytes do not say "normalised zero": the picture brings its own edge.
  void PadPicture(ConvolutionDescs& descs) {
    BufferShape shape = program_.buffers[0];
    const auto padding = static_cast<int>(descs.padding);
    shape.height += 2 * padding;
    shape.width += 2 * padding;
    descs.source = ActivationDesc(shape, batch_, FormatTag::nhwc, DataType::u8);
    descs.padding = 0;
    plan_.picture.padding = padding;
    plan_.picture.layout = PictureLayout::kInterleaved;
  }

  // The layout in which the first convolution would like its three channels,
  // if the normalisation can write it, else interleaved.
  void ChoosePictureLayout(ConvolutionDescs& descs,
                           const dnnl::primitive_attr& attributes) {
    const BufferShape& shape = program_.buffers[0];
    const auto planes =
        ActivationDesc(shape, batch_, FormatTag::nchw, types_.input);
    const dnnl::memory::desc interleaved = descs.source;
    descs.source = ActivationDesc(shape, batch_, FormatTag::any, types_.input);
    const auto wanted = MakeConvolution(engine_, descs, attributes).src_desc(0);
    plan_.picture.layout =
        wanted == planes ? PictureLayout::kPlanes : PictureLayout::kInterleaved;
    descs.source = wanted == planes ? planes : interleaved;
  }

  void AddPooling(const Step& step, const PoolingDescs& descs) {
    Add(step, MakePooling(engine_, descs, NewAttributes()), {}, "pool");
  }

  void AddAverage(const Step& step) {
    const BufferShape& shape = program_.buffers[step.input];
    if (precision_ == Precision::kFloat32) {
      const dnnl::memory::dims window = {shape.height, shape.width};
      return AddPooling(
          step, {.algorithm = dnnl::algorithm::pooling_avg_exclude_padding,
                 .source = Input(step),
                 .destination = Output(step),
                 .kernel = window,
                 .stride = window,
                 .padding = {0, 0}});
    }
    Append(AverageStep(program_, step_, batch_, parameters_), step.input,
           step.output);
  }

  void AddScaleShiftRelu(const Step& step) {
    const dnnl::primitive_desc desc =
        MakeScaleShiftRelu(engine_, Input(step), NewAttributes());
    const Parameters::ScaleShiftMemory memory =
        parameters_.ScaleAndShift(step_);
    Add(step, desc,
        {{DNNL_ARG_MEAN, memory.mean},
         {DNNL_ARG_VARIANCE, memory.variance},
         {DNNL_ARG_SCALE, memory.scale},
         {DNNL_ARG_SHIFT, memory.shift}},
        step.norm->name);
  }

  InnerProductDescs LinearDescs(const LinearLayer& linear, DataType source,
                                DataType weights) const {
    // One pixel a picture: every layout of the channels is the plain one.
    return {.source = MatrixDesc(batch_, linear.in_features, source),
            .weights = AnyWeights(linear, weights),
            .bias = VectorDesc(static_cast<std::size_t>(linear.out_features)),
            .destination = MatrixDesc(batch_, linear.out_features)};
  }

  // Not the library's: see ApplyLinear().
  void AddLinear(const Step& step) {
    const dnnl::memory weights =
        parameters_.PackedWeights(step_, PlainWeights(step.linear));
    Append(LinearStep(step.linear, batch_, weights, parameters_.Bias(step_)),
           step.input, step.output);
  }

  // The averages as bytes, then the products.
  void AddInt8Linear(const Step& step) {
    const std::size_t bytes = buffers_++;
    Append(QuantiseFeaturesStep(program_, step_, batch_, parameters_),
           step.input, bytes);
    dnnl::primitive_attr attributes = NewAttributes();
    const Rescaling rescaling(parameters_.Rescale(step_), false);
    rescaling.AddTo(attributes);
    std::vector<std::pair<int, dnnl::memory>> arguments =
        rescaling.Arguments(engine_);
    const dnnl::primitive_desc desc = MakeInnerProduct(
        engine_, LinearDescs(step.linear, DataType::u8, DataType::s8),
        attributes);
    arguments.emplace_back(DNNL_ARG_WEIGHTS, parameters_.PackedWeights(
                                                 step_, desc.weights_desc(0)));
    arguments.emplace_back(DNNL_ARG_BIAS, parameters_.Bias(step_));
    Add(step, desc, std::move(arguments), step.linear.name).source_offset =
        bytes;
  }

  const dnnl::engine& engine_;
  const Program& program_;
  const int batch_;
  Parameters& parameters_;
  const Precision precision_;
  const std::vector<FormatTag> layouts_;
  // Of the program, and those that a step needs inside.
  std::size_t buffers_;
  // The step that is being planned.
  std::size_t step_ = 0;
  StepTypes types_;
  Plan plan_;
};

}  // namespace

Plan MakePlan(const dnnl::engine& engine, const Program& program, int batch,
              Parameters& parameters) {
  return PlanBuilder(engine, program, batch, parameters).Build();
}

}  // namespace resnetd
