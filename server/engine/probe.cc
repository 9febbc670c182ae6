#include "server/engine/probe.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/engine/onednn_api.h"
#include "server/engine/winograd.h"
#include "server/engine/winograd_kernels.h"

namespace resnetd {
namespace {

using DataType = dnnl::memory::data_type;
using FormatTag = dnnl::memory::format_tag;

// Large enough for every kind of kernel, small enough to cost nothing: the
// time goes into generating code.
constexpr dnnl::memory::dim kChannels = 64;
constexpr dnnl::memory::dim kSide = 8;

struct Arithmetic {
  absl::string_view name;
  DataType source;
  DataType weights;
  DataType destination;
  // The bytes of a one.
  std::vector<std::uint8_t> source_one;
  std::vector<std::uint8_t> weights_one;
};

std::vector<Arithmetic> Arithmetics() {
  const std::vector<std::uint8_t> float_one = {0x00, 0x00, 0x80, 0x3F};
  const std::vector<std::uint8_t> bfloat_one = {0x80, 0x3F};
  return {
      {"float32", DataType::f32, DataType::f32, DataType::f32, float_one,
       float_one},
      {"bfloat16", DataType::bf16, DataType::bf16, DataType::f32, bfloat_one,
       bfloat_one},
      {"int8", DataType::u8, DataType::s8, DataType::f32, {1}, {1}},
  };
}

dnnl::memory Filled(const dnnl::memory::desc& desc, const dnnl::engine& engine,
                    const std::vector<std::uint8_t>& one) {
  dnnl::memory memory(desc, engine);
  auto* bytes = static_cast<std::uint8_t*>(memory.get_data_handle());
  for (std::size_t i = 0; i < desc.get_size(); ++i) {
    bytes[i] = one[i % one.size()];
  }
  return memory;
}

// The middle of a convolution of ones with ones: the number of weights.
float MiddleOfOnes(const dnnl::engine& engine, const Arithmetic& arithmetic,
                   dnnl::memory::dim kernel) {
  const dnnl::memory::dims activations = {1, kChannels, kSide, kSide};
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  const dnnl::primitive_desc desc = MakeConvolution(
      engine,
      {.source = {activations, arithmetic.source, FormatTag::nhwc},
       .weights = {{kChannels, kChannels, kernel, kernel},
                   arithmetic.weights,
                   FormatTag::any},
       .bias = {},
       .destination = {activations, arithmetic.destination, FormatTag::nhwc},
       .stride = 1,
       .padding = kernel / 2},
      attributes);
  dnnl::memory source = Filled(desc.src_desc(0), engine, arithmetic.source_one);
  dnnl::memory weights =
      Filled(desc.weights_desc(0), engine, arithmetic.weights_one);
  dnnl::memory destination(desc.dst_desc(0), engine);
  dnnl::memory scratchpad(desc.scratchpad_desc(), engine);
  dnnl::stream stream(engine);
  dnnl::primitive(desc).execute(stream, {{DNNL_ARG_SRC, source},
                                         {DNNL_ARG_WEIGHTS, weights},
                                         {DNNL_ARG_DST, destination},
                                         {DNNL_ARG_SCRATCHPAD, scratchpad}});
  stream.wait();
  constexpr std::size_t kMiddle =
      ((kSide / 2) * kSide + kSide / 2) * kChannels + kChannels / 2;
  float value = 0;
  std::memcpy(
      &value,
      static_cast<const float*>(destination.get_data_handle()) + kMiddle,
      sizeof(value));
  return value;
}

// The same of a kernel of ours, a tile of two or four results.
float MiddleOfOnes(std::size_t tile) {
  constexpr auto kWide = static_cast<std::size_t>(kChannels);
  constexpr auto kSize = static_cast<std::size_t>(kSide);
  WinogradCall call = {.shape = {.in_channels = kWide,
                                 .out_channels = kWide,
                                 .height = kSize,
                                 .width = kSize,
                                 .tile = tile},
                       .work = {}};
  call.work = WinogradWorkOf(call.shape, 1, 1);
  const std::vector<float> ones(kWide * kWide * 9, 1.0F);
  std::vector<float> weights(WinogradWeights(call.shape));
  TransformWeights(call.shape, ones.data(), weights.data());
  call.weights = weights.data();
  std::vector<float> scratch(call.work.scratch);
  std::vector<float> result(kWide * kSize * kSize);
  RunWinogradAvx2(call, 0, ones.data(), result.data(), scratch.data());
  return result[result.size() / 2 + (kSize / 2 * kSize + kSize / 2) * 8];
}

std::string ProbeWinograd() {
  // Sums of products of rounded numbers.
  constexpr float kTolerance = 1e-4F;
  constexpr auto kExpected = static_cast<float>(kChannels * 9);
  for (const std::size_t tile : {std::size_t{2}, std::size_t{4}}) {
    const float actual = MiddleOfOnes(tile);
    if (!(std::abs(actual - kExpected) <= kTolerance * kExpected)) {
      return absl::StrCat("float32 3x3 by tiles of ", tile, " gives ", actual,
                          " for ", kExpected);
    }
  }
  return "";
}

std::string Probe(const dnnl::engine& engine, const Arithmetic& arithmetic,
                  dnnl::memory::dim kernel) {
  const std::string what =
      absl::StrCat(arithmetic.name, " ", kernel, "x", kernel);
  try {
    const float expected = static_cast<float>(kChannels * kernel * kernel);
    const float actual = MiddleOfOnes(engine, arithmetic, kernel);
    if (actual != expected) {
      return absl::StrCat(what, " gives ", actual, " for ", expected);
    }
  } catch (const dnnl::error& error) {
    // Arithmetic that the CPU lacks is no fault, but everything has float32.
    if (error.status != dnnl_unimplemented ||
        arithmetic.source == DataType::f32) {
      return absl::StrCat(what, " fails with status ",
                          static_cast<int>(error.status));
    }
  }
  return "";
}

}  // namespace

std::string ProbeKernels() {
  try {
    const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    for (const Arithmetic& arithmetic : Arithmetics()) {
      for (const dnnl::memory::dim kernel : {3, 1}) {
        std::string wrong = Probe(engine, arithmetic, kernel);
        if (!wrong.empty()) {
          return wrong;
        }
      }
    }
    return HasAvx2() ? ProbeWinograd() : "";
  } catch (const std::exception&) {
    return "the library does not start";
  }
}

}  // namespace resnetd
