#include "server/finetune/picture_source.h"

#include <algorithm>
#include <utility>

#include "server/base/status_macros.h"
#include "server/finetune/augmentation.h"
#include "server/finetune/rate_schedule.h"

namespace resnetd {
namespace {

constexpr std::size_t kNormBatch = 64;

// Read and decoded at once: enough to keep the decoding threads busy.
constexpr std::size_t kPiece = 64;

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

std::vector<std::vector<std::size_t>> NormBatches(std::size_t pictures) {
  const std::size_t count = std::min(kNormPictures, pictures);
  // Every batch a sample of all: dealt out like cards.
  std::vector<std::vector<std::size_t>> dealt(
      std::max<std::size_t>(1, count / kNormBatch));
  for (std::size_t i = 0; i < count; ++i) {
    dealt[i % dealt.size()].push_back(i * pictures / count);
  }
  return dealt;
}

BatchMaker::BatchMaker(const JobPlan& plan, const PictureSource& pictures)
    : recipe_(plan.recipe),
      preprocess_(plan.preprocess),
      pictures_(pictures),
      labels_(LabelsOf(TrainingExamples(plan))),
      sampler_(plan.recipe, LabelsOf(plan.train), LabelsOf(plan.replay)) {}

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

absl::StatusOr<std::vector<TrainingBatch>> BatchMaker::BatchesOf(
    std::int64_t step, FeatureCache& features) const {
  const std::vector<std::vector<std::int64_t>> chosen =
      sampler_.BatchesOf(step);
  std::vector<std::size_t> all;
  for (const std::vector<std::int64_t>& examples : chosen) {
    all.insert(all.end(), examples.begin(), examples.end());
  }
  ASSIGN_OR_RETURN(const std::vector<Features> rows, features.Get(all));
  std::vector<TrainingBatch> batches;
  auto row = rows.begin();
  for (std::uint32_t i = 0; i < chosen.size(); ++i) {
    TrainingBatch& made = batches.emplace_back();
    for (const std::int64_t example : chosen[i]) {
      made.features.push_back(*row++);
      made.labels.push_back(labels_[static_cast<std::size_t>(example)]);
    }
    made.seed = BatchSeed({.seed = recipe_.seed, .step = step, .index = i});
  }
  return batches;
}

bool BatchMaker::IsPlain(std::int64_t step) const {
  return recipe_.phases[PhaseAt(recipe_, step).phase].plain;
}

absl::StatusOr<TrainingBatch> BatchMaker::Make(
    std::int64_t step, std::uint32_t batch, std::uint32_t first,
    const std::vector<std::int64_t>& examples) {
  TrainingBatch made;
  std::vector<Pixels>& varied = varied_.emplace_back();
  varied.reserve(examples.size());
  const bool is_plain = IsPlain(step);
  for (std::uint32_t i = 0; i < examples.size(); ++i) {
    const auto index = static_cast<std::size_t>(examples[i]);
    ASSIGN_OR_RETURN(const Pixels picture, pictures_.Get(index));
    made.labels.push_back(labels_[index]);
    if (is_plain) {
      varied.push_back(ResizeAndCrop(picture, preprocess_));
      continue;
    }
    const AugmentDraw draw = DrawAugmentation(
        recipe_.augmentation, picture.width, picture.height,
        {.seed = recipe_.seed, .step = step, .index = first + i});
    varied.push_back(Augment(picture, draw, preprocess_));
  }
  for (const Pixels& picture : varied) {
    made.pictures.push_back(&picture);
  }
  const DrawPlace place{.seed = recipe_.seed, .step = step, .index = batch};
  made.seed = BatchSeed(place);
  if (recipe_.mixup > 0 && !is_plain) {
    MixupDraw draw = DrawMixup(recipe_.mixup, examples.size(), place);
    made.mix = draw.mix;
    made.partners = std::move(draw.partners);
  }
  return made;
}

}  // namespace resnetd
