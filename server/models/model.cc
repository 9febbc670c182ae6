#include "server/models/model.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"

namespace resnetd {

std::vector<ModelInput> InputsOf(absl::Span<const Pixels* const> pixels) {
  std::vector<ModelInput> inputs;
  inputs.reserve(pixels.size());
  for (const Pixels* const picture : pixels) {
    inputs.push_back({.pixels = picture, .normalised = nullptr});
  }
  return inputs;
}

absl::StatusOr<ModelOutput> Model::Compute(absl::Span<const ModelInput> batch,
                                           bool want_features) const {
  std::vector<const Pixels*> pictures;
  pictures.reserve(batch.size());
  for (const ModelInput& input : batch) {
    if (want_features || input.pixels == nullptr) {
      return Error(absl::StatusCode::kFailedPrecondition,
                   Reason::kBackendUnavailable,
                   absl::StrCat("the backend \"", backend(), "\" ",
                                want_features ? "gives no embeddings"
                                              : "takes no tensors"));
    }
    pictures.push_back(input.pixels);
  }
  ModelOutput output;
  ASSIGN_OR_RETURN(output.logits, Logits(pictures));
  return output;
}

absl::StatusOr<PrecisionReport> Model::MeasurePrecisions(
    const RealPictures& /*pictures*/, bool /*use*/,
    const std::function<bool()>& /*stopped*/) {
  return Error(
      absl::StatusCode::kFailedPrecondition, Reason::kBackendUnavailable,
      absl::StrCat("the backend \"", backend(), "\" computes in ", precision(),
                   " alone: start the server with --backend=engine"));
}

}  // namespace resnetd
