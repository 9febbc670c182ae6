#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "server/models/architecture.h"
#include "server/models/weights.h"
#include "server/nn/layers.h"
#include "server/nn/torch_residual_block.h"

namespace resnetd {

// How a forward pass of training computes. Parts are those of PartNames().
struct TrainingPass {
  // What lies before this part is computed in evaluation mode. Autograd records
  // none of it as long as none of its parameters asks for a gradient.
  std::size_t first_trained_part = 0;
  // One for each part.
  std::vector<NormMode> norms;
  // For each block what the main path of each picture is multiplied by, {n, 1,
  // 1, 1}; undefined tensors, or none at all: nothing.
  std::vector<at::Tensor> path_factors;
};

// A residual network in LibTorch operations, layer by layer as its spec says:
// nothing folded, nothing fused, so that it is what the CPU engine is compared
// with.
//
// Threads and exceptions: as layers.h.
class TorchResNet {
 public:
  // Copies `weights`; see layers.h for `options`.
  // Precondition: `weights` has every tensor of `network`.
  TorchResNet(const Network& network, const Weights& weights,
              const at::TensorOptions& options);

  // In evaluation mode, from normalised pictures {n, 3, rows, columns} to
  // logits {n, classes}.
  at::Tensor Forward(const at::Tensor& pictures) const;

  // The same for autograd, as `pass` says.
  at::Tensor ForwardTraining(const at::Tensor& pictures,
                             const TrainingPass& pass) const;

  // Every entry of the state dict but the counters, in the order of
  // TensorSpecs(); the tensors are those that Forward() uses.
  std::vector<NamedTensor> State() const;

  // Size of all tensors of State().
  std::int64_t state_bytes() const;

 private:
  at::Tensor ForwardStem(const at::Tensor& pictures, NormMode norms) const;
  at::Tensor ForwardBlock(std::size_t block, const at::Tensor& features,
                          const TrainingPass& pass) const;
  // The final norm, if there is one.
  at::Tensor ForwardEnd(const at::Tensor& features, NormMode norms) const;
  at::Tensor ForwardHead(const at::Tensor& features) const;

  BlockVersion version_;
  bool max_pool_;
  TorchConvUnit stem_;
  std::vector<TorchResidualBlock> blocks_;
  std::vector<std::size_t> stages_;  // of each block: its part
  std::optional<BatchNorm> final_norm_;
  Linear head_;
};

}  // namespace resnetd
