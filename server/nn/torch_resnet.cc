#include "server/nn/torch_resnet.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/adaptive_avg_pool2d.h>
#include <ATen/ops/max_pool2d.h>

#include <cstddef>

namespace resnetd {
namespace {

NormMode ModeOf(const TrainingPass& pass, std::size_t part) {
  return pass.norms.empty() ? NormMode{} : pass.norms[part];
}

}  // namespace

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

at::Tensor TorchResNet::Forward(const at::Tensor& pictures,
                                const TrainingPass& pass) const {
  return ForwardFrom(0, pictures, pass);
}

at::Tensor TorchResNet::ForwardFrom(std::size_t part, const at::Tensor& input,
                                    const TrainingPass& pass) const {
  return Head(AverageFrom(part, input, pass));
}

at::Tensor TorchResNet::Average(const at::Tensor& pictures) const {
  return AverageFrom(0, pictures, {});
}

at::Tensor TorchResNet::Head(const at::Tensor& average) const {
  return head_.Forward(average.flatten(1));
}

at::Tensor TorchResNet::AverageFrom(std::size_t part, const at::Tensor& input,
                                    const TrainingPass& pass) const {
  at::Tensor features = part == 0 ? ForwardStem(input, ModeOf(pass, 0)) : input;
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    if (stages_[i] < part) {
      continue;
    }
    features = blocks_[i].Forward(
        features, ModeOf(pass, stages_[i]),
        pass.path_factors.empty() ? at::Tensor() : pass.path_factors[i],
        pass.taps.empty() ? nullptr : pass.taps[i]);
  }
  if (part <= stages_.back()) {
    features = at::adaptive_avg_pool2d(
        ForwardEnd(features, ModeOf(pass, stages_.back())), {1, 1});
  }
  return features;
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

at::Tensor TorchResNet::ForwardEnd(const at::Tensor& features,
                                   NormMode norms) const {
  return final_norm_ ? final_norm_->Forward(features, norms).relu_() : features;
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
