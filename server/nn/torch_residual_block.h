#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "server/models/architecture.h"
#include "server/models/weights.h"
#include "server/nn/layers.h"

namespace resnetd {

// A convolution and the batch norm that belongs to it: behind it in a v1
// network, before it (with a ReLU between) in a v2 network. Immutable.
class TorchConvUnit {
 public:
  TorchConvUnit(const ConvUnit& unit, BlockVersion version,
                const Weights& weights, at::Device device);

  // v1: the norm of the convolution. No ReLU: where it goes differs.
  at::Tensor ForwardConvNorm(const at::Tensor& input) const;
  // v2, in two halves, since a shortcut reads what is between them.
  at::Tensor Activate(const at::Tensor& input) const;
  at::Tensor ForwardConv(const at::Tensor& activated) const;

  void AppendTo(std::vector<NamedTensor>& state) const;

 private:
  BlockVersion version_;
  Convolution conv_;
  std::optional<BatchNorm> norm_;
};

// One residual block: the sum of a main path and a shortcut.
//
// Threads and exceptions: as layers.h.
class TorchResidualBlock {
 public:
  TorchResidualBlock(const ResidualBlock& block, BlockVersion version,
                     const Weights& weights, at::Device device);

  at::Tensor Forward(const at::Tensor& input) const;
  void AppendTo(std::vector<NamedTensor>& state) const;

 private:
  // v1: input -> paths -> sum -> ReLU.
  at::Tensor ForwardV1(const at::Tensor& input) const;
  // v2: input -> ReLU(BN) -> paths -> sum; an identity shortcut passes the
  // activation by.
  at::Tensor ForwardV2(const at::Tensor& input) const;

  BlockVersion version_;
  std::vector<TorchConvUnit> main_path_;
  std::optional<TorchConvUnit> shortcut_;  // absent: identity
};

}  // namespace resnetd
