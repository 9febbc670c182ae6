#include "server/engine/onednn_api.h"

#include <oneapi/dnnl/dnnl.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace resnetd {
namespace {

constexpr auto kInference = dnnl::prop_kind::forward_inference;
constexpr auto kDirect = dnnl::algorithm::convolution_direct;

struct NamedIsa {
  dnnl::cpu_isa value;
  absl::string_view name;
};

// Strongest first.
constexpr NamedIsa kIsas[] = {
#if DNNL_VERSION_MAJOR >= 3
    {dnnl::cpu_isa::avx512_core_amx_fp16, "avx512_core_amx_fp16"},
    {dnnl::cpu_isa::avx512_core_amx, "avx512_core_amx"},
    {dnnl::cpu_isa::avx512_core_fp16, "avx512_core_fp16"},
#else
    {dnnl::cpu_isa::avx512_core_amx, "avx512_core_amx"},
#endif
    {dnnl::cpu_isa::avx512_core_bf16, "avx512_core_bf16"},
    {dnnl::cpu_isa::avx512_core_vnni, "avx512_core_vnni"},
    {dnnl::cpu_isa::avx512_core, "avx512_core"},
#if DNNL_VERSION_MAJOR >= 3
    {dnnl::cpu_isa::avx2_vnni_2, "avx2_vnni_2"},
#endif
    {dnnl::cpu_isa::avx2_vnni, "avx2_vnni"},
    {dnnl::cpu_isa::avx2, "avx2"},
    {dnnl::cpu_isa::avx, "avx"},
    {dnnl::cpu_isa::sse41, "sse41"},
};

// Whether the instruction set in use has all of `isa`.
bool Includes(dnnl::cpu_isa isa) {
  const dnnl::cpu_isa effective = dnnl::get_effective_cpu_isa();
  return effective == isa || IsWeaker(isa, effective);
}

}  // namespace

dnnl::primitive_desc MakeConvolution(const dnnl::engine& engine,
                                     const ConvolutionDescs& descs,
                                     const dnnl::primitive_attr& attr) {
  using Convolution = dnnl::convolution_forward;
  const dnnl::memory::dims stride = {descs.stride, descs.stride};
  const dnnl::memory::dims padding = {descs.padding, descs.padding};
#if DNNL_VERSION_MAJOR >= 3
  return Convolution::primitive_desc(
      engine, kInference, kDirect, descs.source, descs.weights, descs.bias,
      descs.destination, stride, padding, padding, attr);
#else
  return Convolution::primitive_desc(
      Convolution::desc(kInference, kDirect, descs.source, descs.weights,
                        descs.bias, descs.destination, stride, padding,
                        padding),
      attr, engine);
#endif
}

dnnl::primitive_desc MakePooling(const dnnl::engine& engine,
                                 const PoolingDescs& descs,
                                 const dnnl::primitive_attr& attr) {
  using Pooling = dnnl::pooling_forward;
#if DNNL_VERSION_MAJOR >= 3
  const dnnl::memory::dims dilation(descs.kernel.size(), 0);
  return Pooling::primitive_desc(
      engine, kInference, descs.algorithm, descs.source, descs.destination,
      descs.stride, descs.kernel, dilation, descs.padding, descs.padding, attr);
#else
  return Pooling::primitive_desc(
      Pooling::desc(kInference, descs.algorithm, descs.source,
                    descs.destination, descs.stride, descs.kernel,
                    descs.padding, descs.padding),
      attr, engine);
#endif
}

dnnl::primitive_desc MakeScaleShiftRelu(const dnnl::engine& engine,
                                        const dnnl::memory::desc& data,
                                        const dnnl::primitive_attr& attr) {
  using Normalization = dnnl::batch_normalization_forward;
  using Flags = dnnl::normalization_flags;
  const Flags flags = Flags::use_global_stats | Flags::use_scale |
                      Flags::use_shift | Flags::fuse_norm_relu;
  constexpr float kEpsilon = 0.0F;
#if DNNL_VERSION_MAJOR >= 3
  return Normalization::primitive_desc(engine, kInference, data, data, kEpsilon,
                                       flags, attr);
#else
  return Normalization::primitive_desc(
      Normalization::desc(kInference, data, kEpsilon, flags), attr, engine);
#endif
}

dnnl::primitive_desc MakeInnerProduct(const dnnl::engine& engine,
                                      const InnerProductDescs& descs,
                                      const dnnl::primitive_attr& attr) {
  using InnerProduct = dnnl::inner_product_forward;
#if DNNL_VERSION_MAJOR >= 3
  return InnerProduct::primitive_desc(engine, kInference, descs.source,
                                      descs.weights, descs.bias,
                                      descs.destination, attr);
#else
  return InnerProduct::primitive_desc(
      InnerProduct::desc(kInference, descs.source, descs.weights, descs.bias,
                         descs.destination),
      attr, engine);
#endif
}

void AppendRelu(dnnl::post_ops& post_ops) {
#if DNNL_VERSION_MAJOR >= 3
  post_ops.append_eltwise(dnnl::algorithm::eltwise_relu, 0.0F, 0.0F);
#else
  post_ops.append_eltwise(1.0F, dnnl::algorithm::eltwise_relu, 0.0F, 0.0F);
#endif
}

void AppendSum(dnnl::post_ops& post_ops, float scale,
               dnnl::memory::data_type type) {
#if DNNL_VERSION_MAJOR >= 3
  post_ops.append_sum(scale, /*zero_point=*/0, type);
#else
  post_ops.append_sum(scale, type);
#endif
}

Rescaling::Rescaling(absl::Span<const float> rescale, bool grouped)
    : rescale_(rescale.begin(), rescale.end()), grouped_(grouped) {}

#if DNNL_VERSION_MAJOR >= 3
// A scale of the weights, given with the memory; the bias comes after it.
void Rescaling::AddTo(dnnl::primitive_attr& attributes) const {
  constexpr int kOutputs = 1 << 0;
  constexpr int kGroupsAndOutputs = (1 << 0) | (1 << 1);
  attributes.set_scales_mask(DNNL_ARG_WEIGHTS,
                             grouped_ ? kGroupsAndOutputs : kOutputs);
}

std::vector<float> Rescaling::BiasOf(absl::Span<const float> bias) const {
  return {bias.begin(), bias.end()};
}

std::vector<std::pair<int, dnnl::memory>> Rescaling::Arguments(
    const dnnl::engine& engine) const {
  dnnl::memory scales(
      dnnl::memory::desc({static_cast<dnnl::memory::dim>(rescale_.size())},
                         dnnl::memory::data_type::f32,
                         dnnl::memory::format_tag::x),
      engine);
  std::copy(rescale_.begin(), rescale_.end(),
            static_cast<float*>(scales.get_data_handle()));
  return {{DNNL_ARG_ATTR_SCALES | DNNL_ARG_WEIGHTS, std::move(scales)}};
}
#else
// A scale of the sum with its bias, part of the primitive.
void Rescaling::AddTo(dnnl::primitive_attr& attributes) const {
  constexpr int kChannels = 1 << 1;
  attributes.set_output_scales(kChannels, rescale_);
}

std::vector<float> Rescaling::BiasOf(absl::Span<const float> bias) const {
  std::vector<float> of_sums;
  for (std::size_t c = 0; c < bias.size(); ++c) {
    of_sums.push_back(bias[c] / rescale_[c]);
  }
  return of_sums;
}

std::vector<std::pair<int, dnnl::memory>> Rescaling::Arguments(
    const dnnl::engine& /*engine*/) const {
  return {};
}
#endif

void Execute(const dnnl::primitive& primitive, const dnnl::stream& stream,
             absl::Span<const dnnl_exec_arg_t> arguments) {
  dnnl::error::wrap_c_api(
      dnnl_primitive_execute(primitive.get(), stream.get(),
                             static_cast<int>(arguments.size()),
                             arguments.data()),
      "could not execute a primitive");
}

bool IsWeaker(dnnl::cpu_isa a, dnnl::cpu_isa b) {
  const auto a_bits = static_cast<unsigned>(a);
  const auto b_bits = static_cast<unsigned>(b);
  return a_bits != b_bits && (a_bits & b_bits) == a_bits;
}

std::vector<Isa> FallbackIsas() {
  std::vector<Isa> isas;
  for (const NamedIsa& isa : kIsas) {
    isas.push_back({isa.value, std::string(isa.name)});
  }
  return isas;
}

Isa EffectiveIsa() {
  const dnnl::cpu_isa effective = dnnl::get_effective_cpu_isa();
  for (const NamedIsa& isa : kIsas) {
    if (isa.value == effective) {
      return {effective, std::string(isa.name)};
    }
  }
  return {effective, absl::StrCat("isa ", static_cast<unsigned>(effective))};
}

bool HasWideVectors() { return Includes(dnnl::cpu_isa::avx512_core); }

// Every processor with the one has the other, but a virtual machine may hide
// it.
bool HasAvx2() {
  return Includes(dnnl::cpu_isa::avx2) && __builtin_cpu_supports("fma") != 0;
}

bool HasByteDotProducts() {
  return Includes(dnnl::cpu_isa::avx512_core_vnni) ||
         Includes(dnnl::cpu_isa::avx2_vnni);
}

bool SetMaxIsa(dnnl::cpu_isa isa) {
  return dnnl::set_max_cpu_isa(isa) == dnnl::status::success;
}

std::string LibraryVersion() {
  const dnnl::version_t* version = dnnl::version();
  return absl::StrCat("oneDNN ", version->major, ".", version->minor, ".",
                      version->patch);
}

}  // namespace resnetd
