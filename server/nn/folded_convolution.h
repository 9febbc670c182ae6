#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "server/models/architecture.h"
#include "server/models/weights.h"

namespace resnetd {

// Who computes a convolution together with what follows it.
enum class ConvolutionKernels {
  // LibTorch's operations one after the other: everywhere.
  kSeparate,
  // cuDNN in one: relu(conv(x) + z + bias). GPUs only, where cuDNN has a kernel
  // for the shape and the type.
  kFused,
};

// x * factor + shift for each channel: what a batch norm with running
// statistics is. In double precision; factor = weight / sqrt(variance + eps),
// shift = bias - mean * factor.
struct ChannelMap {
  at::Tensor factor;  // {channels}
  at::Tensor shift;   // {channels}
};
ChannelMap MapOf(const BatchNormLayer& norm, const Weights& weights);

// A convolution whose weights include the batch norm behind it, for inference.
// Immutable. Activations are {pictures, channels, rows, columns} in
// channels_last order, of the type of `options`. May throw c10::Error.
class FusedConvolution {
 public:
  // `norm`: the one behind the convolution; null: none.
  FusedConvolution(const ConvLayer& layer, const BatchNormLayer* norm,
                   const Weights& weights, const at::TensorOptions& options,
                   ConvolutionKernels kernels);

  // conv(x) + bias.
  at::Tensor Forward(const at::Tensor& input) const;
  // relu(conv(x) + bias).
  at::Tensor ForwardRelu(const at::Tensor& input) const;
  // conv(x) + bias + z.
  at::Tensor ForwardAdd(const at::Tensor& input, const at::Tensor& z) const;
  // relu(conv(x) + bias + z).
  at::Tensor ForwardAddRelu(const at::Tensor& input, const at::Tensor& z) const;

  std::int64_t bytes() const;

 private:
  at::Tensor weight_;
  at::Tensor bias_;
  std::int64_t stride_;
  std::int64_t padding_;
  std::int64_t groups_;
  ConvolutionKernels kernels_;
};

}  // namespace resnetd
