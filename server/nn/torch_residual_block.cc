#include "server/nn/torch_residual_block.h"

#include <ATen/core/Tensor.h>

#include <cstddef>

namespace resnetd {
namespace {

Fork Part(const at::Tensor& input, BlockTap* tap) {
  return tap == nullptr ? Fork{input, input} : tap->Split(input);
}

}  // namespace

TorchConvUnit::TorchConvUnit(const ConvUnit& unit, BlockVersion version,
                             const Weights& weights,
                             const at::TensorOptions& options)
    : version_(version), conv_(unit.conv, weights, options) {
  if (unit.norm) {
    norm_.emplace(*unit.norm, weights, options);
  }
}

at::Tensor TorchConvUnit::ForwardConvNorm(const at::Tensor& input,
                                          NormMode norms) const {
  const at::Tensor output = conv_.Forward(input);
  return norm_ ? norm_->Forward(output, norms) : output;
}

at::Tensor TorchConvUnit::Activate(const at::Tensor& input,
                                   NormMode norms) const {
  return norm_ ? norm_->Forward(input, norms).relu_() : input;
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
                                       const at::TensorOptions& options)
    : version_(version) {
  main_path_.reserve(block.main_path.size());
  for (const ConvUnit& unit : block.main_path) {
    main_path_.emplace_back(unit, version, weights, options);
  }
  if (block.shortcut) {
    shortcut_.emplace(*block.shortcut, version, weights, options);
  }
}

at::Tensor TorchResidualBlock::Forward(const at::Tensor& input, NormMode norms,
                                       const at::Tensor& path_factors,
                                       BlockTap* tap) const {
  const Paths by = ForwardPaths(input, norms, tap);
  if (tap != nullptr) {
    tap->TakeOutputs(by.main, by.shortcut);
  }
  const at::Tensor main =
      path_factors.defined()
          ? by.main.mul(path_factors).to(by.main.scalar_type())
          : by.main;
  const at::Tensor sum = main.add_(by.shortcut);
  if (tap != nullptr) {
    tap->TakeSum(sum);
  }
  return version_ == BlockVersion::kV1 ? sum.relu_() : sum;
}

TorchResidualBlock::Paths TorchResidualBlock::ForwardPaths(
    const at::Tensor& input, NormMode norms, BlockTap* tap) const {
  return version_ == BlockVersion::kV1 ? ForwardPathsV1(input, norms, tap)
                                       : ForwardPathsV2(input, norms, tap);
}

TorchResidualBlock::Paths TorchResidualBlock::ForwardPathsV1(
    const at::Tensor& input, NormMode norms, BlockTap* tap) const {
  const Fork by = Part(input, tap);
  at::Tensor main = main_path_.front().ForwardConvNorm(by.main, norms);
  for (std::size_t i = 1; i < main_path_.size(); ++i) {
    main = main_path_[i].ForwardConvNorm(main.relu_(), norms);
  }
  return {main, shortcut_ ? shortcut_->ForwardConvNorm(by.shortcut, norms)
                          : by.shortcut};
}

TorchResidualBlock::Paths TorchResidualBlock::ForwardPathsV2(
    const at::Tensor& input, NormMode norms, BlockTap* tap) const {
  const TorchConvUnit& first = main_path_.front();
  // An identity shortcut parts from the main path before the first norm, a
  // projection behind it.
  const Fork by =
      shortcut_ ? Part(first.Activate(input, norms), tap) : Part(input, tap);
  at::Tensor main =
      first.ForwardConv(shortcut_ ? by.main : first.Activate(by.main, norms));
  for (std::size_t i = 1; i < main_path_.size(); ++i) {
    const TorchConvUnit& unit = main_path_[i];
    main = unit.ForwardConv(unit.Activate(main, norms));
  }
  return {main, shortcut_ ? shortcut_->ForwardConv(by.shortcut) : by.shortcut};
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
