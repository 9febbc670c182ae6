#pragma once

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "server/finetune/trainer.h"
#include "server/image/pixels.h"
#include "server/image/preprocess.h"
#include "server/models/feature_extractor.h"
#include "server/nn/feature_input.h"
#include "server/nn/picture_input.h"

namespace resnetd {

// From what a trainer is given to what its network reads: on one device and of
// one type of numbers.
//
// Thread-safe. Tensors may throw c10::Error: get them through TorchToStatus().
class BatchInput {
 public:
  // `features`: what the first trained part reads.
  BatchInput(const PreprocessSpec& preprocess, const FeatureShape& features,
             const at::TensorOptions& placement)
      : placement_(placement),
        pictures_(preprocess, placement.device()),
        features_(features) {}

  // As PictureInput::Check() and FeatureInput::Check().
  absl::Status Check(absl::Span<const Pixels* const> pictures) const;
  absl::Status Check(absl::Span<const Features> features) const;

  // Precondition of these: Check(...).ok().
  at::Tensor Of(absl::Span<const Pixels* const> pictures) const;
  at::Tensor Of(absl::Span<const Features> features) const;
  // Of its pictures, mixed, or of its features.
  at::Tensor Of(const TrainingBatch& batch) const;

 private:
  const at::TensorOptions placement_;
  const PictureInput pictures_;
  const FeatureInput features_;
};

}  // namespace resnetd
