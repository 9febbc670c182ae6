#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "server/models/architecture.h"
#include "server/models/weights.h"
#include "server/nn/layers.h"
#include "server/nn/torch_residual_block.h"

namespace resnetd {

// A residual network in LibTorch operations, layer by layer as its spec says:
// nothing folded, nothing fused, so that it is what the CPU engine is compared
// with.
//
// Threads and exceptions: as layers.h.
class TorchResNet {
 public:
  // Copies `weights` to `device`.
  // Precondition: `weights` has every tensor of `network`.
  TorchResNet(const Network& network, const Weights& weights,
              at::Device device);

  // From normalised pictures {n, 3, rows, columns}, float32, to logits
  // {n, classes}.
  at::Tensor Forward(const at::Tensor& pictures) const;

  // Every entry of the state dict but the counters, in the order of
  // TensorSpecs(); the tensors are those that Forward() uses.
  std::vector<NamedTensor> State() const;

  // Size of all tensors of State().
  std::int64_t state_bytes() const;

 private:
  BlockVersion version_;
  bool max_pool_;
  TorchConvUnit stem_;
  std::vector<TorchResidualBlock> blocks_;
  std::optional<BatchNorm> final_norm_;
  Linear head_;
};

}  // namespace resnetd
