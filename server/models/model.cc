#include "server/models/model.h"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"
#include "server/models/golden.h"
#include "server/models/warm_up.h"

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

absl::Status Model::CheckGolden(const Golden& golden, int side,
                                std::size_t max_batch) const {
  ASSIGN_OR_RETURN(const std::vector<float> actual,
                   GoldenLogits(*this, side, max_batch));
  return CompareGolden(golden.logits, actual,
                       golden.logits.size() / kGoldenPictures,
                       std::max(GoldenTolerance(golden.precision),
                                GoldenTolerance(precision())));
}

absl::StatusOr<PrecisionReport> Model::MeasurePrecisions(
    const RealPictures& /*pictures*/, bool /*use*/,
    const std::function<bool()>& /*stopped*/) {
  return Error(
      absl::StatusCode::kFailedPrecondition, Reason::kBackendUnavailable,
      absl::StrCat("the backend \"", backend(), "\" computes in ", precision(),
                   " alone: start the server with --backend=engine"));
}

absl::StatusOr<std::unique_ptr<Model>> ModelLoader::LoadStored(
    const ModelPackage& package, const Golden& golden, std::size_t max_batch,
    const std::function<void()>& loaded) {
  const int side = package.facts.preprocess.crop;
  ASSIGN_OR_RETURN(std::unique_ptr<Model> model, Load(package, max_batch));
  loaded();
  RETURN_IF_ERROR(RunEveryBatchSize(*model, side, max_batch).status());
  RETURN_IF_ERROR(model->CheckGolden(golden, side, max_batch));
  return model;
}

}  // namespace resnetd
