#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "server/models/architecture.h"
#include "server/models/weights.h"

namespace resnetd {

// One entry of the state dict, under torchvision's name.
struct NamedTensor {
  std::string name;
  at::Tensor tensor;
};

// The layers of a network with their tensors, on one device. Weights are
// float32, those of convolutions in channels_last order; they are copied and
// made outside inference mode, so that a trainer may ask for their gradients.
//
// Forward() takes and gives activations {pictures, channels, rows, columns} in
// channels_last order and is thread-safe. Everything here may throw c10::Error:
// call it through TorchToStatus().
class Convolution {
 public:
  Convolution(const ConvLayer& layer, const Weights& weights,
              at::Device device);
  at::Tensor Forward(const at::Tensor& input) const;
  void AppendTo(std::vector<NamedTensor>& state) const;

 private:
  ConvLayer layer_;
  at::Tensor weight_;
};

// Normalises with the running statistics. Counters (num_batches_tracked) are
// not kept: with torchvision's fixed momentum nothing reads them. Immutable.
class BatchNorm {
 public:
  BatchNorm(const BatchNormLayer& layer, const Weights& weights,
            at::Device device);
  at::Tensor Forward(const at::Tensor& input) const;
  void AppendTo(std::vector<NamedTensor>& state) const;

 private:
  std::string name_;
  at::Tensor weight_;
  at::Tensor bias_;
  at::Tensor running_mean_;
  at::Tensor running_var_;
};

// Features {pictures, in} to logits {pictures, out}. Immutable.
class Linear {
 public:
  Linear(const LinearLayer& layer, const Weights& weights, at::Device device);
  at::Tensor Forward(const at::Tensor& features) const;
  void AppendTo(std::vector<NamedTensor>& state) const;

 private:
  std::string name_;
  at::Tensor weight_;
  at::Tensor bias_;
};

}  // namespace resnetd
