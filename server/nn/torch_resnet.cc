#include "server/nn/torch_resnet.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/adaptive_avg_pool2d.h>
#include <ATen/ops/max_pool2d.h>

namespace resnetd {

TorchResNet::TorchResNet(const Network& network, const Weights& weights,
                         at::Device device)
    : version_(network.version),
      max_pool_(network.max_pool),
      stem_(network.stem, network.version, weights, device),
      head_(network.head, weights, device) {
  blocks_.reserve(network.blocks.size());
  for (const ResidualBlock& block : network.blocks) {
    blocks_.emplace_back(block, network.version, weights, device);
  }
  if (network.final_norm) {
    final_norm_.emplace(*network.final_norm, weights, device);
  }
}

at::Tensor TorchResNet::Forward(const at::Tensor& pictures) const {
  at::Tensor features = stem_.ForwardConvNorm(pictures);
  if (version_ == BlockVersion::kV1) {
    features.relu_();
  }
  if (max_pool_) {
    features = at::max_pool2d(features, /*kernel_size=*/3, /*stride=*/2,
                              /*padding=*/1);
  }
  for (const TorchResidualBlock& block : blocks_) {
    features = block.Forward(features);
  }
  if (final_norm_) {
    features = final_norm_->Forward(features).relu_();
  }
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
