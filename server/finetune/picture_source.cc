#include "server/finetune/picture_source.h"

#include <algorithm>
#include <utility>

#include "server/base/status_macros.h"
#include "server/finetune/augmentation.h"

namespace resnetd {
namespace {

// Read and decoded at once: enough to keep the decoding threads busy.
constexpr std::size_t kPiece = 64;

std::vector<int> LabelsOf(const std::vector<PlannedExample>& examples) {
  std::vector<int> labels;
  labels.reserve(examples.size());
  for (const PlannedExample& example : examples) {
    labels.push_back(example.label);
  }
  return labels;
}

}  // namespace

PictureSource::PictureSource(absl::Span<const PlannedExample> examples,
                             DatasetManager& datasets)
    : examples_(examples.begin(), examples.end()),
      datasets_(datasets),
      kept_(examples.size()) {}

absl::StatusOr<std::unique_ptr<PictureSource>> PictureSource::Load(
    absl::Span<const PlannedExample> examples, DatasetManager& datasets,
    std::int64_t max_bytes, const std::function<bool()>& go_on) {
  std::unique_ptr<PictureSource> source(new PictureSource(examples, datasets));
  std::int64_t bytes = 0;
  for (std::size_t at = 0; at < examples.size() && bytes < max_bytes;
       at += kPiece) {
    if (!go_on()) {
      return absl::CancelledError("the job was cancelled");
    }
    std::vector<ExampleRow> rows;
    for (const PlannedExample& example : examples.subspan(at, kPiece)) {
      rows.push_back(example.row);
    }
    ASSIGN_OR_RETURN(std::vector<Pixels> pictures, datasets.ReadPictures(rows));
    for (std::size_t i = 0; i < pictures.size(); ++i) {
      bytes += static_cast<std::int64_t>(pictures[i].rgb.size());
      if (bytes <= max_bytes) {
        source->kept_[at + i] = std::move(pictures[i]);
      }
    }
  }
  return source;
}

absl::StatusOr<Pixels> PictureSource::Get(std::size_t index) const {
  if (!kept_[index].rgb.empty()) {
    return kept_[index];
  }
  ASSIGN_OR_RETURN(
      std::vector<Pixels> read,
      datasets_.ReadPictures(absl::MakeConstSpan(&examples_[index].row, 1)));
  return std::move(read.front());
}

BatchMaker::BatchMaker(const JobPlan& plan, const PictureSource& pictures)
    : recipe_(plan.recipe),
      preprocess_(plan.preprocess),
      pictures_(pictures),
      labels_(LabelsOf(plan.train)),
      sampler_(plan.recipe, labels_, LabelsOf(plan.replay)) {
  const std::vector<int> replayed = LabelsOf(plan.replay);
  labels_.insert(labels_.end(), replayed.begin(), replayed.end());
}

absl::StatusOr<std::vector<TrainingBatch>> BatchMaker::BatchesOf(
    std::int64_t step) {
  const std::vector<std::vector<std::int64_t>> chosen =
      sampler_.BatchesOf(step);
  varied_.clear();
  varied_.reserve(chosen.size());
  std::vector<TrainingBatch> batches;
  std::uint32_t first = 0;
  for (std::uint32_t i = 0; i < chosen.size(); ++i) {
    ASSIGN_OR_RETURN(TrainingBatch batch, Make(step, i, first, chosen[i]));
    batches.push_back(std::move(batch));
    first += static_cast<std::uint32_t>(chosen[i].size());
  }
  return batches;
}

absl::StatusOr<TrainingBatch> BatchMaker::Make(
    std::int64_t step, std::uint32_t batch, std::uint32_t first,
    const std::vector<std::int64_t>& examples) {
  TrainingBatch made;
  std::vector<Pixels>& varied = varied_.emplace_back();
  varied.reserve(examples.size());
  for (std::uint32_t i = 0; i < examples.size(); ++i) {
    const auto index = static_cast<std::size_t>(examples[i]);
    ASSIGN_OR_RETURN(const Pixels picture, pictures_.Get(index));
    const AugmentDraw draw = DrawAugmentation(
        recipe_.augmentation, picture.width, picture.height,
        {.seed = recipe_.seed, .step = step, .index = first + i});
    varied.push_back(Augment(picture, draw, preprocess_));
    made.labels.push_back(labels_[index]);
  }
  for (const Pixels& picture : varied) {
    made.pictures.push_back(&picture);
  }
  const DrawPlace place{.seed = recipe_.seed, .step = step, .index = batch};
  made.seed = BatchSeed(place);
  if (recipe_.mixup > 0) {
    MixupDraw draw = DrawMixup(recipe_.mixup, examples.size(), place);
    made.mix = draw.mix;
    made.partners = std::move(draw.partners);
  }
  return made;
}

}  // namespace resnetd
