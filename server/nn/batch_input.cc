#include "server/nn/batch_input.h"

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <vector>

namespace resnetd {

absl::Status BatchInput::Check(absl::Span<const Pixels* const> pictures) const {
  return pictures_.Check(pictures);
}

absl::Status BatchInput::Check(absl::Span<const Features> features) const {
  return features_.Check(features);
}

at::Tensor BatchInput::Of(absl::Span<const Pixels* const> pictures) const {
  return pictures_.Normalised(pictures).to(placement_.dtype());
}

at::Tensor BatchInput::Of(absl::Span<const Features> features) const {
  return features_.Batch(features).to(placement_);
}

at::Tensor BatchInput::Of(const TrainingBatch& batch) const {
  if (!batch.features.empty()) {
    return Of(absl::Span<const Features>(batch.features));
  }
  at::Tensor own = Of(absl::Span<const Pixels* const>(batch.pictures));
  if (batch.partners.empty()) {
    return own;
  }
  std::vector<const Pixels*> partners;
  partners.reserve(batch.partners.size());
  for (const int partner : batch.partners) {
    partners.push_back(batch.pictures[static_cast<std::size_t>(partner)]);
  }
  return own.mul(batch.mix).add(Of(absl::Span<const Pixels* const>(partners)),
                                1 - batch.mix);
}

}  // namespace resnetd
