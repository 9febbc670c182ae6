#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
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

// What a batch norm normalises with.
struct NormMode {
  // Absent: the running statistics, which stay. Else the statistics of the
  // batch, and the running ones become (1 - batch_share) * running +
  // batch_share * batch, the variance unbiased: as torch.nn.BatchNorm2d with
  // this momentum. With a share of 0 they stay, whatever the batch is.
  std::optional<double> batch_share;
};

// torchvision's momentum of batch norms.
inline constexpr double kNormMomentum = 0.1;

// The layers of a network with their tensors, on one device and of one type of
// numbers (a device alone: float32). Weights of convolutions are in
// channels_last order; all are copied and made outside inference mode, so that
// a trainer may ask for their gradients.
//
// Forward() takes and gives activations {pictures, channels, rows, columns} in
// channels_last order, of the type of the tensors or of bfloat16, which the
// head makes logits of the type of the tensors of. It is thread-safe, unless a
// batch norm is told to follow the batch. Everything here may throw c10::Error:
// call it through TorchToStatus().
class Convolution {
 public:
  Convolution(const ConvLayer& layer, const Weights& weights,
              const at::TensorOptions& options);
  at::Tensor Forward(const at::Tensor& input) const;
  void AppendTo(std::vector<NamedTensor>& state) const;

 private:
  ConvLayer layer_;
  at::Tensor weight_;
};

// Counters (num_batches_tracked) are not kept: with torchvision's fixed
// momentum nothing reads them. Thread-safe, unless it is told to follow the
// batch.
class BatchNorm {
 public:
  BatchNorm(const BatchNormLayer& layer, const Weights& weights,
            const at::TensorOptions& options);
  at::Tensor Forward(const at::Tensor& input, NormMode mode = {}) const;
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
  Linear(const LinearLayer& layer, const Weights& weights,
         const at::TensorOptions& options);
  at::Tensor Forward(const at::Tensor& features) const;
  void AppendTo(std::vector<NamedTensor>& state) const;

 private:
  std::string name_;
  at::Tensor weight_;
  at::Tensor bias_;
};

}  // namespace resnetd
