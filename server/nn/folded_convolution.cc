#include "server/nn/folded_convolution.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/zeros.h>
#ifdef RESNETD_CUDA
#include <ATen/ops/cudnn_convolution_add_relu.h>
#include <ATen/ops/cudnn_convolution_relu.h>
#endif

#include <array>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/nn/weight_view.h"

namespace resnetd {
namespace {

std::array<std::int64_t, 2> Square(std::int64_t value) {
  return {value, value};
}

// A copy in double precision.
at::Tensor Exact(const Weights& weights, absl::string_view layer,
                 absl::string_view part) {
  return ViewOf(weights.at(absl::StrCat(layer, ".", part))).to(at::kDouble);
}

}  // namespace

ChannelMap MapOf(const BatchNormLayer& norm, const Weights& weights) {
  const at::Tensor factor =
      Exact(weights, norm.name, "weight") /
      (Exact(weights, norm.name, "running_var") + kBatchNormEpsilon).sqrt();
  return {.factor = factor,
          .shift = Exact(weights, norm.name, "bias") -
                   Exact(weights, norm.name, "running_mean") * factor};
}

FusedConvolution::FusedConvolution(const ConvLayer& layer,
                                   const BatchNormLayer* norm,
                                   const Weights& weights,
                                   const at::TensorOptions& options,
                                   ConvolutionKernels kernels)
    : stride_(layer.stride),
      padding_(layer.padding),
      groups_(layer.groups),
      kernels_(kernels) {
  at::Tensor weight = Exact(weights, layer.name, "weight");
  at::Tensor bias = at::zeros({layer.out_channels}, at::kDouble);
  if (norm != nullptr) {
    const ChannelMap map = MapOf(*norm, weights);
    weight = weight * map.factor.view({-1, 1, 1, 1});
    bias = map.shift;
  }
  weight_ = weight.to(options, /*non_blocking=*/false, /*copy=*/false,
                      at::MemoryFormat::ChannelsLast);
  bias_ = bias.to(options);
}

at::Tensor FusedConvolution::Forward(const at::Tensor& input) const {
  return at::conv2d(input, weight_, bias_, Square(stride_), Square(padding_),
                    Square(1), groups_);
}

at::Tensor FusedConvolution::ForwardRelu(const at::Tensor& input) const {
#ifdef RESNETD_CUDA
  if (kernels_ == ConvolutionKernels::kFused) {
    return at::cudnn_convolution_relu(input, weight_, bias_, Square(stride_),
                                      Square(padding_), Square(1), groups_);
  }
#endif
  return Forward(input).relu_();
}

at::Tensor FusedConvolution::ForwardAdd(const at::Tensor& input,
                                        const at::Tensor& z) const {
  return Forward(input).add_(z);
}

at::Tensor FusedConvolution::ForwardAddRelu(const at::Tensor& input,
                                            const at::Tensor& z) const {
#ifdef RESNETD_CUDA
  if (kernels_ == ConvolutionKernels::kFused) {
    return at::cudnn_convolution_add_relu(input, weight_, z, /*alpha=*/1, bias_,
                                          Square(stride_), Square(padding_),
                                          Square(1), groups_);
  }
#endif
  return ForwardAdd(input, z).relu_();
}

std::int64_t FusedConvolution::bytes() const {
  return static_cast<std::int64_t>(weight_.nbytes() + bias_.nbytes());
}

}  // namespace resnetd
