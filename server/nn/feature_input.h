#pragma once

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "server/finetune/trainer.h"
#include "server/models/feature_extractor.h"

namespace resnetd {

// From the plain numbers of a FeatureExtractor to what a part of a network
// reads.
//
// Thread-safe. May throw c10::Error: call it through TorchToStatus().
class FeatureInput {
 public:
  // Tensors are on the CPU.
  explicit FeatureInput(const FeatureShape& shape) : shape_(shape) {}

  // INVALID_ARGUMENT (REQUEST_INVALID) for the first row that has not as many
  // numbers as the shape.
  absl::Status Check(absl::Span<const Features> batch) const;

  // {rows, channels, height, width} in float32, channels_last.
  // Precondition: Check(batch).ok().
  at::Tensor Batch(absl::Span<const Features> batch) const;

 private:
  const FeatureShape shape_;
};

}  // namespace resnetd
