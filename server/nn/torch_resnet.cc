#include "server/nn/torch_resnet.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/adaptive_avg_pool2d.h>
#include <ATen/ops/max_pool2d.h>

#include <cstddef>

namespace resnetd {

TorchResNet::TorchResNet(const Network& network, const Weights& weights,
                         const at::TensorOptions& options)
    : version_(network.version),
      max_pool_(network.max_pool),
      stem_(network.stem, network.version, weights, options),
      head_(network.head, weights, options) {
  blocks_.reserve(network.blocks.size());
  stages_.reserve(network.blocks.size());
  for (const ResidualBlock& block : network.blocks) {
    blocks_.emplace_back(block, network.version, weights, options);
    stages_.push_back(static_cast<std::size_t>(block.stage));
  }
  if (network.final_norm) {
    final_norm_.emplace(*network.final_norm, weights, options);
  }
}

at::Tensor TorchResNet::Forward(const at::Tensor& pictures) const {
  at::Tensor features = ForwardStem(pictures, {});
  for (const TorchResidualBlock& block : blocks_) {
    features = block.Forward(features);
  }
  return ForwardHead(ForwardEnd(features, {}));
}

at::Tensor TorchResNet::ForwardTraining(const at::Tensor& pictures,
                                        const TrainingPass& pass) const {
  at::Tensor features = ForwardStem(pictures, pass.norms.front());
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    features = ForwardBlock(i, features, pass);
  }
  return ForwardHead(ForwardEnd(features, pass.norms[stages_.back()]));
}

at::Tensor TorchResNet::ForwardStem(const at::Tensor& pictures,
                                    NormMode norms) const {
  at::Tensor features = stem_.ForwardConvNorm(pictures, norms);
  if (version_ == BlockVersion::kV1) {
    features.relu_();
  }
  return max_pool_ ? at::max_pool2d(features, /*kernel_size=*/3, /*stride=*/2,
                                    /*padding=*/1)
                   : features;
}

at::Tensor TorchResNet::ForwardBlock(std::size_t block,
                                     const at::Tensor& features,
                                     const TrainingPass& pass) const {
  const std::size_t part = stages_[block];
  if (part < pass.first_trained_part) {
    return blocks_[block].Forward(features);
  }
  return blocks_[block].ForwardTraining(
      features, pass.norms[part],
      pass.path_factors.empty() ? at::Tensor() : pass.path_factors[block]);
}

at::Tensor TorchResNet::ForwardEnd(const at::Tensor& features,
                                   NormMode norms) const {
  return final_norm_ ? final_norm_->Forward(features, norms).relu_() : features;
}

at::Tensor TorchResNet::ForwardHead(const at::Tensor& features) const {
  return head_.Forward(at::adaptive_avg_pool2d(features, {1, 1}).flatten(1));
}

std::vector<NamedTensor> TorchResNet::State() const {
  std::vector<NamedTensor> state;
  stem_.AppendTo(state);
  for (const TorchResidualBlock& block : blocks_) {
    block.AppendTo(state);
  }
  if (final_norm_) {
    final_norm_->AppendTo(state);
  }
  head_.AppendTo(state);
  return state;
}

std::int64_t TorchResNet::state_bytes() const {
  std::int64_t bytes = 0;
  for (const NamedTensor& entry : State()) {
    bytes += static_cast<std::int64_t>(entry.tensor.nbytes());
  }
  return bytes;
}

}  // namespace resnetd
