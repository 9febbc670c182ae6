#include "server/models/model.h"

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"

namespace resnetd {

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

}  // namespace resnetd
