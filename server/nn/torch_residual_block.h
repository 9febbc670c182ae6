#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "server/models/architecture.h"
#include "server/models/weights.h"
#include "server/nn/block_tap.h"
#include "server/nn/layers.h"

namespace resnetd {

// A convolution and the batch norm that belongs to it: behind it in a v1
// network, before it (with a ReLU between) in a v2 network. Thread-safe as
// BatchNorm is.
class TorchConvUnit {
 public:
  TorchConvUnit(const ConvUnit& unit, BlockVersion version,
                const Weights& weights, const at::TensorOptions& options);

  // v1: the norm of the convolution. No ReLU: where it goes differs.
  at::Tensor ForwardConvNorm(const at::Tensor& input, NormMode norms) const;
  // v2, in two halves, since a shortcut reads what is between them.
  at::Tensor Activate(const at::Tensor& input, NormMode norms) const;
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
                     const Weights& weights, const at::TensorOptions& options);

  // Everything that may be is computed in place, also for autograd: no gradient
  // needs the result of a norm, of a convolution or of the sum.
  // `path_factors`: {pictures, 1, 1, 1}, what the main path of each picture is
  // multiplied by; undefined: nothing. `tap`: looks on; null: nobody.
  at::Tensor Forward(const at::Tensor& input, NormMode norms = {},
                     const at::Tensor& path_factors = {},
                     BlockTap* tap = nullptr) const;

  void AppendTo(std::vector<NamedTensor>& state) const;

 private:
  struct Paths {
    at::Tensor main;
    at::Tensor shortcut;  // The input itself when it is the identity.
  };

  Paths ForwardPaths(const at::Tensor& input, NormMode norms,
                     BlockTap* tap) const;
  // v1: the sum of the paths goes through a ReLU.
  Paths ForwardPathsV1(const at::Tensor& input, NormMode norms,
                       BlockTap* tap) const;
  // v2: both paths read ReLU(BN(input)); an identity shortcut passes it by, and
  // the sum is the output.
  Paths ForwardPathsV2(const at::Tensor& input, NormMode norms,
                       BlockTap* tap) const;

  BlockVersion version_;
  std::vector<TorchConvUnit> main_path_;
  std::optional<TorchConvUnit> shortcut_;  // absent: identity
};

}  // namespace resnetd
