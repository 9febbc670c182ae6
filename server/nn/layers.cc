#include "server/nn/layers.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/linear.h>

#include <array>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/nn/weight_view.h"

namespace resnetd {
namespace {

at::Tensor CopyTensor(const Weights& weights, absl::string_view layer,
                      absl::string_view part,
                      const at::TensorOptions& options) {
  const Tensor& source = weights.at(absl::StrCat(layer, ".", part));
  const at::Tensor view = ViewOf(source);
  const at::MemoryFormat format = source.shape.size() == 4
                                      ? at::MemoryFormat::ChannelsLast
                                      : at::MemoryFormat::Contiguous;
  return view.to(
      view.options()
          .device(options.device())
          .dtype(options.has_dtype() ? options.dtype() : view.dtype()),
      /*non_blocking=*/false, /*copy=*/true, format);
}

std::array<std::int64_t, 2> Square(int value) { return {value, value}; }

}  // namespace

Convolution::Convolution(const ConvLayer& layer, const Weights& weights,
                         const at::TensorOptions& options)
    : layer_(layer),
      weight_(CopyTensor(weights, layer.name, "weight", options)) {}

at::Tensor Convolution::Forward(const at::Tensor& input) const {
  return at::conv2d(input, weight_.to(input.scalar_type()), /*bias=*/{},
                    Square(layer_.stride), Square(layer_.padding),
                    /*dilation=*/Square(1), layer_.groups);
}

void Convolution::AppendTo(std::vector<NamedTensor>& state) const {
  state.push_back({absl::StrCat(layer_.name, ".weight"), weight_});
}

BatchNorm::BatchNorm(const BatchNormLayer& layer, const Weights& weights,
                     const at::TensorOptions& options)
    : name_(layer.name),
      weight_(CopyTensor(weights, name_, "weight", options)),
      bias_(CopyTensor(weights, name_, "bias", options)),
      running_mean_(CopyTensor(weights, name_, "running_mean", options)),
      running_var_(CopyTensor(weights, name_, "running_var", options)) {}

at::Tensor BatchNorm::Forward(const at::Tensor& input, NormMode mode) const {
  // The momentum is not looked at without statistics of the batch. A momentum
  // of 0 would move the running ones all the same when the batch's are not
  // finite; those that are not there do not move.
  const bool stay = mode.batch_share == 0.0;
  return at::batch_norm(input, weight_, bias_,
                        stay ? at::Tensor() : running_mean_,
                        stay ? at::Tensor() : running_var_,
                        /*training=*/mode.batch_share.has_value(),
                        mode.batch_share.value_or(kNormMomentum),
                        kBatchNormEpsilon, /*cudnn_enabled=*/true);
}

void BatchNorm::AppendTo(std::vector<NamedTensor>& state) const {
  state.push_back({absl::StrCat(name_, ".weight"), weight_});
  state.push_back({absl::StrCat(name_, ".bias"), bias_});
  state.push_back({absl::StrCat(name_, ".running_mean"), running_mean_});
  state.push_back({absl::StrCat(name_, ".running_var"), running_var_});
}

Linear::Linear(const LinearLayer& layer, const Weights& weights,
               const at::TensorOptions& options)
    : name_(layer.name),
      weight_(CopyTensor(weights, name_, "weight", options)),
      bias_(CopyTensor(weights, name_, "bias", options)) {}

at::Tensor Linear::Forward(const at::Tensor& features) const {
  return at::linear(features.to(weight_.scalar_type()), weight_, bias_);
}

void Linear::AppendTo(std::vector<NamedTensor>& state) const {
  state.push_back({absl::StrCat(name_, ".weight"), weight_});
  state.push_back({absl::StrCat(name_, ".bias"), bias_});
}

}  // namespace resnetd
