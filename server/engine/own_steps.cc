#include "server/engine/own_steps.h"

#include <cstddef>
#include <cstdint>
#include <oneapi/dnnl/dnnl.hpp>

#include "absl/strings/str_cat.h"
#include "server/engine/average.h"
#include "server/engine/descs.h"
#include "server/engine/linear.h"
#include "server/engine/openmp.h"
#include "server/engine/parameters.h"
#include "server/engine/plan.h"
#include "server/engine/precision.h"
#include "server/engine/program.h"
#include "server/engine/step_types.h"
#include "server/engine/winograd.h"
#include "server/engine/winograd_kernels.h"

namespace resnetd {

PlannedStep AverageStep(const Program& program, std::size_t step, int batch,
                        const Parameters& parameters) {
  const BufferShape& shape = program.buffers[program.steps[step].input];
  const AverageShape average = {
      .batch = static_cast<std::size_t>(batch),
      .pixels = static_cast<std::size_t>(shape.height) *
                static_cast<std::size_t>(shape.width),
      .channels = static_cast<std::size_t>(shape.channels)};
  PlannedStep planned;
  planned.source = ActivationDesc(shape, batch, FormatTag::nhwc,
                                  TypesOf(parameters, step).input);
  planned.destination = MatrixDesc(batch, shape.channels);
  planned.implementation = "average own";
  if (parameters.precision() == Precision::kBfloat16) {
    planned.own = [average](const std::byte* from, std::byte* to,
                            std::byte* /*scratchpad*/) {
      AverageBfloat16(average, reinterpret_cast<const std::uint16_t*>(from),
                      reinterpret_cast<float*>(to));
    };
    return planned;
  }
  const float scale = parameters.levels(step).input.scale;
  planned.own = [average, scale](const std::byte* from, std::byte* to,
                                 std::byte* /*scratchpad*/) {
    AverageBytes(average, scale, reinterpret_cast<const std::uint8_t*>(from),
                 reinterpret_cast<float*>(to));
  };
  return planned;
}

PlannedStep QuantiseFeaturesStep(const Program& program, std::size_t step,
                                 int batch, const Parameters& parameters) {
  const int features = program.steps[step].linear.in_features;
  const std::size_t values =
      static_cast<std::size_t>(batch) * static_cast<std::size_t>(features);
  const float scale = parameters.levels(step).input.scale;
  PlannedStep planned;
  planned.source = MatrixDesc(batch, features);
  planned.destination = MatrixDesc(batch, features, DataType::u8);
  planned.implementation = "quantise own";
  planned.own = [values, scale](const std::byte* from, std::byte* to,
                                std::byte* /*scratchpad*/) {
    QuantiseToBytes(reinterpret_cast<const float*>(from), values, scale,
                    reinterpret_cast<std::uint8_t*>(to));
  };
  return planned;
}

PlannedStep LinearStep(const LinearLayer& linear, int batch,
                       const dnnl::memory& weights, const dnnl::memory& bias) {
  const LinearShape shape = {
      .batch = static_cast<std::size_t>(batch),
      .in_features = static_cast<std::size_t>(linear.in_features),
      .out_features = static_cast<std::size_t>(linear.out_features)};
  PlannedStep planned;
  planned.source = MatrixDesc(batch, linear.in_features);
  planned.destination = MatrixDesc(batch, linear.out_features);
  planned.implementation = linear.name + " own";
  planned.parameters = {{DNNL_ARG_WEIGHTS, weights}, {DNNL_ARG_BIAS, bias}};
  planned.own =
      [shape, weights = static_cast<const float*>(weights.get_data_handle()),
       bias = static_cast<const float*>(bias.get_data_handle())](
          const std::byte* from, std::byte* to, std::byte* /*scratchpad*/) {
        ApplyLinear(shape, weights, bias, reinterpret_cast<const float*>(from),
                    reinterpret_cast<float*>(to));
      };
  return planned;
}

PlannedStep WinogradStep(const Program& program, std::size_t step, int batch,
                         const WinogradShape& shape,
                         const dnnl::memory& weights,
                         const dnnl::memory& bias) {
  const Step& what = program.steps[step];
  const auto pictures = static_cast<std::size_t>(batch);
  PlannedStep planned;
  planned.source =
      ActivationDesc(program.buffers[what.input], batch, FormatTag::nChw8c);
  planned.destination =
      ActivationDesc(program.buffers[what.output], batch, FormatTag::nChw8c);
  planned.implementation =
      absl::StrCat(what.conv.name, " own:winograd", shape.tile);
  planned.parameters = {{DNNL_ARG_WEIGHTS, weights}};
  WinogradCall call = {
      .shape = shape,
      .work = WinogradWorkOf(shape, pictures,
                             static_cast<std::size_t>(OpenMpThreads())),
      .batch = pictures,
      .accumulate = what.accumulate,
      .relu = what.relu,
      .weights = static_cast<const float*>(weights.get_data_handle())};
  if (bias) {
    planned.parameters.emplace_back(DNNL_ARG_BIAS, bias);
    call.bias = static_cast<const float*>(bias.get_data_handle());
  }
  planned.scratchpad = VectorDesc(call.work.scratch * call.work.parts());
  planned.own = [call](const std::byte* from, std::byte* to,
                       std::byte* scratchpad) {
    auto* const scratch = reinterpret_cast<float*>(scratchpad);
    RunInTeam(static_cast<int>(call.work.parts()), [&](int part) {
      const auto number = static_cast<std::size_t>(part);
      RunWinogradAvx2(call, number, reinterpret_cast<const float*>(from),
                      reinterpret_cast<float*>(to),
                      scratch + number * call.work.scratch);
    });
  };
  return planned;
}

}  // namespace resnetd
