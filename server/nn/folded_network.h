#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "server/models/architecture.h"
#include "server/models/weights.h"
#include "server/nn/folded_convolution.h"

namespace resnetd {

// A residual network for inference alone: batch norms are part of the
// convolutions wherever one stands right behind a convolution, and what follows
// a convolution is computed with it. TorchResNet is what it is compared with.
//
// Immutable; its own memory is allocated by the constructor, activations by the
// library in each call. Computes in the type of `options`, but for the head,
// which reads and gives float32. May throw c10::Error: call it through
// TorchToStatus().
class FoldedNetwork {
 public:
  // Precondition: `weights` has every tensor of `network`.
  FoldedNetwork(const Network& network, const Weights& weights,
                const at::TensorOptions& options, ConvolutionKernels kernels);

  // Of normalised pictures {n, 3, rows, columns} in float32, channels_last:
  // what the head reads, {n, channels} in float32.
  at::Tensor Average(const at::Tensor& pictures) const;
  // Logits {n, classes} in float32.
  at::Tensor Head(const at::Tensor& average) const;

  std::int64_t features() const { return head_weight_.size(1); }
  std::int64_t classes() const { return head_weight_.size(0); }
  std::int64_t bytes() const;

 private:
  // relu(x * factor + shift), in the type of the network.
  struct Activation {
    at::Tensor factor;  // {1, channels, 1, 1}
    at::Tensor shift;
    at::Tensor Forward(const at::Tensor& input) const;
  };
  struct Block {
    // v2: what both paths or the main path alone read first.
    std::optional<Activation> first;
    std::vector<FusedConvolution> main_path;
    std::optional<FusedConvolution> shortcut;
  };

  Activation MakeActivation(const BatchNormLayer& norm, const Weights& weights);
  Block MakeBlock(const ResidualBlock& block, const Weights& weights);
  at::Tensor ForwardStem(const at::Tensor& pictures) const;
  at::Tensor ForwardBlock(const Block& block, const at::Tensor& input) const;

  const at::TensorOptions options_;
  const ConvolutionKernels kernels_;
  const BlockVersion version_;
  const bool max_pool_;
  FusedConvolution stem_;
  std::vector<Block> blocks_;
  std::optional<Activation> last_;
  at::Tensor head_weight_;
  at::Tensor head_bias_;
};

}  // namespace resnetd
