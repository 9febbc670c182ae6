#include "server/nn/folded_network.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/adaptive_avg_pool2d.h>
#include <ATen/ops/addcmul.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/max_pool2d.h>

#include <cstddef>

#include "absl/strings/str_cat.h"
#include "server/nn/weight_view.h"

namespace resnetd {
namespace {

at::Tensor CopyOf(const Weights& weights, const std::string& name,
                  const at::TensorOptions& options) {
  return ViewOf(weights.at(name))
      .to(options.dtype(at::kFloat), /*non_blocking=*/false, /*copy=*/true);
}

// The norm that stands right behind convolution `i` of a main path; null: none.
const BatchNormLayer* NormBehind(const ResidualBlock& block, std::size_t i,
                                 BlockVersion version) {
  const std::size_t owner = version == BlockVersion::kV1 ? i : i + 1;
  return owner < block.main_path.size() && block.main_path[owner].norm
             ? &*block.main_path[owner].norm
             : nullptr;
}

// Of a stem or a projection.
const BatchNormLayer* OwnNorm(const ConvUnit& unit, BlockVersion version) {
  return version == BlockVersion::kV1 && unit.norm ? &*unit.norm : nullptr;
}

}  // namespace

FoldedNetwork::FoldedNetwork(const Network& network, const Weights& weights,
                             const at::TensorOptions& options,
                             ConvolutionKernels kernels)
    : options_(options),
      kernels_(kernels),
      version_(network.version),
      max_pool_(network.max_pool),
      stem_(network.stem.conv, OwnNorm(network.stem, network.version), weights,
            options, kernels),
      head_weight_(
          CopyOf(weights, absl::StrCat(network.head.name, ".weight"), options)),
      head_bias_(
          CopyOf(weights, absl::StrCat(network.head.name, ".bias"), options)) {
  blocks_.reserve(network.blocks.size());
  for (const ResidualBlock& block : network.blocks) {
    blocks_.push_back(MakeBlock(block, weights));
  }
  if (network.final_norm) {
    last_ = MakeActivation(*network.final_norm, weights);
  }
}

FoldedNetwork::Activation FoldedNetwork::MakeActivation(
    const BatchNormLayer& norm, const Weights& weights) {
  const ChannelMap map = MapOf(norm, weights);
  return {.factor = map.factor.to(options_).view({1, -1, 1, 1}),
          .shift = map.shift.to(options_).view({1, -1, 1, 1})};
}

FoldedNetwork::Block FoldedNetwork::MakeBlock(const ResidualBlock& block,
                                              const Weights& weights) {
  Block folded;
  const ConvUnit& first = block.main_path.front();
  if (version_ == BlockVersion::kV2 && first.norm) {
    folded.first = MakeActivation(*first.norm, weights);
  }
  for (std::size_t i = 0; i < block.main_path.size(); ++i) {
    folded.main_path.emplace_back(block.main_path[i].conv,
                                  NormBehind(block, i, version_), weights,
                                  options_, kernels_);
  }
  if (block.shortcut) {
    folded.shortcut.emplace(block.shortcut->conv,
                            OwnNorm(*block.shortcut, version_), weights,
                            options_, kernels_);
  }
  return folded;
}

at::Tensor FoldedNetwork::Activation::Forward(const at::Tensor& input) const {
  return at::addcmul(shift, input, factor).relu_();
}

at::Tensor FoldedNetwork::ForwardStem(const at::Tensor& pictures) const {
  const at::Tensor features = version_ == BlockVersion::kV1
                                  ? stem_.ForwardRelu(pictures)
                                  : stem_.Forward(pictures);
  return max_pool_ ? at::max_pool2d(features, /*kernel_size=*/3, /*stride=*/2,
                                    /*padding=*/1)
                   : features;
}

at::Tensor FoldedNetwork::ForwardBlock(const Block& block,
                                       const at::Tensor& input) const {
  const at::Tensor activated =
      block.first ? block.first->Forward(input) : input;
  at::Tensor main = activated;
  for (std::size_t i = 0; i + 1 < block.main_path.size(); ++i) {
    main = block.main_path[i].ForwardRelu(main);
  }
  const at::Tensor shortcut =
      block.shortcut ? block.shortcut->Forward(activated) : input;
  const FusedConvolution& last = block.main_path.back();
  return version_ == BlockVersion::kV1 ? last.ForwardAddRelu(main, shortcut)
                                       : last.ForwardAdd(main, shortcut);
}

at::Tensor FoldedNetwork::Average(const at::Tensor& pictures) const {
  at::Tensor features = ForwardStem(pictures.to(options_));
  for (const Block& block : blocks_) {
    features = ForwardBlock(block, features);
  }
  if (last_) {
    features = last_->Forward(features);
  }
  return at::adaptive_avg_pool2d(features.to(at::kFloat), {1, 1}).flatten(1);
}

at::Tensor FoldedNetwork::Head(const at::Tensor& average) const {
  return at::linear(average, head_weight_, head_bias_);
}

std::int64_t FoldedNetwork::bytes() const {
  auto total =
      static_cast<std::int64_t>(head_weight_.nbytes() + head_bias_.nbytes()) +
      stem_.bytes();
  for (const Block& block : blocks_) {
    for (const FusedConvolution& convolution : block.main_path) {
      total += convolution.bytes();
    }
    total += block.shortcut ? block.shortcut->bytes() : 0;
  }
  return total;
}

}  // namespace resnetd
