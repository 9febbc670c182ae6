#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "server/models/architecture.h"
#include "server/models/weights.h"
#include "server/nn/block_tap.h"
#include "server/nn/layers.h"
#include "server/nn/torch_residual_block.h"

namespace resnetd {

// How a forward pass differs from one in evaluation mode.
struct TrainingPass {
  // One for each part of PartNames(). Empty: running statistics everywhere.
  std::vector<NormMode> norms;
  // For each block what the main path of each picture is multiplied by, {n, 1,
  // 1, 1}; an undefined tensor: nothing. Empty: nothing anywhere.
  std::vector<at::Tensor> path_factors;
  // For each block what looks on. Empty: nobody.
  std::vector<BlockTap*> taps;
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

  // From normalised pictures {n, 3, rows, columns} to logits {n, classes}; in
  // evaluation mode, unless `pass` says otherwise. Autograd records what comes
  // behind the first parameter that asks for a gradient.
  at::Tensor Forward(const at::Tensor& pictures,
                     const TrainingPass& pass = {}) const;

  // The same from what part `part` of PartNames() reads, {n, channels, rows,
  // columns}: 0 reads the pictures, and the last one, the head, an average of
  // one row and one column.
  at::Tensor ForwardFrom(std::size_t part, const at::Tensor& features,
                         const TrainingPass& pass = {}) const;

  // What the head reads of normalised pictures, {n, channels, 1, 1}, in
  // evaluation mode, and what it makes of that: Forward() in two steps.
  at::Tensor Average(const at::Tensor& pictures) const;
  at::Tensor Head(const at::Tensor& average) const;

  // Every entry of the state dict but the counters, in the order of
  // TensorSpecs(); the tensors are those that Forward() uses.
  std::vector<NamedTensor> State() const;

  // Size of all tensors of State().
  std::int64_t state_bytes() const;

 private:
  // ForwardFrom() without the head.
  at::Tensor AverageFrom(std::size_t part, const at::Tensor& input,
                         const TrainingPass& pass) const;
  at::Tensor ForwardStem(const at::Tensor& pictures, NormMode norms) const;
  // The final norm, if there is one.
  at::Tensor ForwardEnd(const at::Tensor& features, NormMode norms) const;

  BlockVersion version_;
  bool max_pool_;
  TorchConvUnit stem_;
  std::vector<TorchResidualBlock> blocks_;
  std::vector<std::size_t> stages_;  // of each block: its part
  std::optional<BatchNorm> final_norm_;
  Linear head_;
};

}  // namespace resnetd
