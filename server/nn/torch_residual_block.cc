#include "server/nn/torch_residual_block.h"

#include <ATen/core/Tensor.h>

#include <cstddef>

namespace resnetd {

TorchConvUnit::TorchConvUnit(const ConvUnit& unit, BlockVersion version,
                             const Weights& weights, at::Device device)
    : version_(version), conv_(unit.conv, weights, device) {
  if (unit.norm) {
    norm_.emplace(*unit.norm, weights, device);
  }
}

at::Tensor TorchConvUnit::ForwardConvNorm(const at::Tensor& input) const {
  const at::Tensor output = conv_.Forward(input);
  return norm_ ? norm_->Forward(output) : output;
}

at::Tensor TorchConvUnit::Activate(const at::Tensor& input) const {
  return norm_ ? norm_->Forward(input).relu_() : input;
}

at::Tensor TorchConvUnit::ForwardConv(const at::Tensor& activated) const {
  return conv_.Forward(activated);
}

void TorchConvUnit::AppendTo(std::vector<NamedTensor>& state) const {
  const bool norm_first = version_ == BlockVersion::kV2;
  if (norm_ && norm_first) {
    norm_->AppendTo(state);
  }
  conv_.AppendTo(state);
  if (norm_ && !norm_first) {
    norm_->AppendTo(state);
  }
}

TorchResidualBlock::TorchResidualBlock(const ResidualBlock& block,
                                       BlockVersion version,
                                       const Weights& weights,
                                       at::Device device)
    : version_(version) {
  main_path_.reserve(block.main_path.size());
  for (const ConvUnit& unit : block.main_path) {
    main_path_.emplace_back(unit, version, weights, device);
  }
  if (block.shortcut) {
    shortcut_.emplace(*block.shortcut, version, weights, device);
  }
}

at::Tensor TorchResidualBlock::Forward(const at::Tensor& input) const {
  return version_ == BlockVersion::kV1 ? ForwardV1(input) : ForwardV2(input);
}

at::Tensor TorchResidualBlock::ForwardV1(const at::Tensor& input) const {
  at::Tensor by_main_path = main_path_.front().ForwardConvNorm(input);
  for (std::size_t i = 1; i < main_path_.size(); ++i) {
    by_main_path = main_path_[i].ForwardConvNorm(by_main_path.relu_());
  }
  const at::Tensor by_shortcut =
      shortcut_ ? shortcut_->ForwardConvNorm(input) : input;
  return by_main_path.add_(by_shortcut).relu_();
}

at::Tensor TorchResidualBlock::ForwardV2(const at::Tensor& input) const {
  const at::Tensor activated = main_path_.front().Activate(input);
  at::Tensor by_main_path = main_path_.front().ForwardConv(activated);
  for (std::size_t i = 1; i < main_path_.size(); ++i) {
    const TorchConvUnit& unit = main_path_[i];
    by_main_path = unit.ForwardConv(unit.Activate(by_main_path));
  }
  const at::Tensor by_shortcut =
      shortcut_ ? shortcut_->ForwardConv(activated) : input;
  return by_main_path.add_(by_shortcut);
}

void TorchResidualBlock::AppendTo(std::vector<NamedTensor>& state) const {
  for (const TorchConvUnit& unit : main_path_) {
    unit.AppendTo(state);
  }
  if (shortcut_) {
    shortcut_->AppendTo(state);
  }
}

}  // namespace resnetd
