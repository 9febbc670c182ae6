#include "server/finetune/phase_features.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/base/status_macros.h"
#include "server/finetune/augmentation.h"
#include "server/finetune/head.h"
#include "server/image/preprocess.h"

namespace resnetd {
namespace {

// Of one batch of the extractor: larger ones are no faster, and its memory
// grows with them.
constexpr std::int64_t kBatchPixels = std::int64_t{8} * 224 * 224;
constexpr std::int64_t kMostPictures = 64;
// Rows of features that a trainer evaluates at once.
constexpr std::size_t kRows = 64;

// Share of the pictures whose features must have room for it to pay that those
// of the others are computed by the engine beside a trainer in bfloat16. With
// the last stage of ResNet-50 trained, the engine takes 63 ms of a CPU for a
// picture, the trainer 38 ms for the same layers: (1 - 0.4) * 63 = 38.
constexpr double kLeastKept = 0.4;

std::size_t BatchFor(int crop) {
  return static_cast<std::size_t>(std::clamp<std::int64_t>(
      kBatchPixels / (std::int64_t{crop} * crop), 1, kMostPictures));
}

}  // namespace

std::optional<int> StagesToCache(const Recipe& recipe, std::size_t phase,
                                 std::size_t pictures) {
  const TrainingPhase& what = recipe.phases[phase];
  const std::vector<bool>& trained = what.trained_parts;
  const auto first =
      std::find(trained.begin(), trained.end(), true) - trained.begin();
  const bool is_plain =
      what.plain || (VariesNothing(recipe.augmentation) && recipe.mixup == 0);
  const std::int64_t shown = what.steps * recipe.batch_size;
  if (first == 0 || !is_plain || shown < static_cast<std::int64_t>(pictures)) {
    return std::nullopt;
  }
  return static_cast<int>(first) - 1;
}

bool TrainerIsFaster(const Recipe& recipe, const FeatureShape& shape,
                     std::size_t pictures, std::int64_t max_bytes) {
  const double all = static_cast<double>(pictures) *
                     static_cast<double>(shape.values() * sizeof(float));
  return recipe.precision == TrainingPrecision::kBf16 &&
         static_cast<double>(max_bytes) < kLeastKept * all;
}

PhaseFeatures::PhaseFeatures(std::unique_ptr<FeatureExtractor> extractor,
                             FeatureCache training, FeatureCache validation)
    : extractor_(std::move(extractor)),
      training_(std::move(training)),
      validation_(std::move(validation)) {}

absl::StatusOr<std::unique_ptr<PhaseFeatures>> PhaseFeatures::Load(
    const Inputs& inputs, int stages, FeatureExtractorLoader& loader,
    std::int64_t max_bytes, const std::function<absl::Status()>& before_batch) {
  const PreprocessSpec preprocess = inputs.plan.preprocess;
  const std::size_t batch = BatchFor(preprocess.crop);
  ASSIGN_OR_RETURN(
      std::unique_ptr<FeatureExtractor> extractor,
      loader.Load(BuildNetwork(inputs.plan.architecture),
                  ToWeights(inputs.weights), preprocess, stages, batch));
  const auto training_picture =
      [&training = inputs.training,
       preprocess](std::size_t index) -> absl::StatusOr<Pixels> {
    ASSIGN_OR_RETURN(const Pixels picture, training.Get(index));
    return ResizeAndCrop(picture, preprocess);
  };
  ASSIGN_OR_RETURN(FeatureCache training,
                   FeatureCache::Load(*extractor,
                                      {.pictures = inputs.training.size(),
                                       .picture = training_picture},
                                      batch, max_bytes, before_batch));
  ASSIGN_OR_RETURN(
      FeatureCache validation,
      FeatureCache::Load(
          *extractor,
          {.pictures = inputs.validation.size(),
           .picture = [&pictures = inputs.validation](std::size_t index)
               -> absl::StatusOr<Pixels> { return pictures[index]; }},
          batch, max_bytes - training.bytes(), before_batch));
  // Not make_unique: the constructor is private.
  return std::unique_ptr<PhaseFeatures>(new PhaseFeatures(
      std::move(extractor), std::move(training), std::move(validation)));
}

absl::StatusOr<std::vector<TrainingBatch>> PhaseFeatures::BatchesOf(
    std::int64_t step, BatchMaker& maker) {
  return maker.BatchesOf(step, training_);
}

absl::Status PhaseFeatures::EstimateNorms(Trainer& trainer) {
  const auto dealt = NormBatches(training_.size());
  std::vector<std::size_t> all;
  for (const std::vector<std::size_t>& batch : dealt) {
    all.insert(all.end(), batch.begin(), batch.end());
  }
  ASSIGN_OR_RETURN(const std::vector<Features> features, training_.Get(all));
  std::vector<std::vector<Features>> batches;
  auto at = features.begin();
  for (const std::vector<std::size_t>& batch : dealt) {
    const auto end = at + static_cast<std::ptrdiff_t>(batch.size());
    batches.emplace_back(at, end);
    at = end;
  }
  return trainer.EstimateNormsOfFeatures(batches);
}

absl::StatusOr<std::vector<float>> PhaseFeatures::Logits(Trainer& trainer) {
  std::vector<float> logits;
  for (std::size_t at = 0; at < validation_.size(); at += kRows) {
    std::vector<std::size_t> indices(std::min(kRows, validation_.size() - at));
    std::iota(indices.begin(), indices.end(), at);
    ASSIGN_OR_RETURN(const std::vector<Features> features,
                     validation_.Get(indices));
    ASSIGN_OR_RETURN(const std::vector<float> rows,
                     trainer.LogitsOfFeatures(features));
    logits.insert(logits.end(), rows.begin(), rows.end());
  }
  return logits;
}

std::string PhaseFeatures::Description() const {
  const std::size_t all = training_.size() + validation_.size();
  const std::size_t kept = training_.kept() + validation_.kept();
  constexpr double kMebibyte = 1 << 20;
  return absl::StrCat(
      "what the frozen layers make of the ", all,
      " pictures was computed once: ",
      absl::StrFormat(
          "%.1f", static_cast<double>(training_.bytes() + validation_.bytes()) /
                      kMebibyte),
      " MiB",
      kept < all ? absl::StrCat("; there is no room for ", all - kept,
                                " of them, which are computed at each use")
                 : "");
}

}  // namespace resnetd
