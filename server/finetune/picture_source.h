#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/finetune/dataset_manager.h"
#include "server/finetune/feature_cache.h"
#include "server/finetune/job_plan.h"
#include "server/finetune/recipe.h"
#include "server/finetune/sampler.h"
#include "server/finetune/trainer.h"
#include "server/image/preprocess.h"

namespace resnetd {

// Pictures that batch norms are estimated on: what Wu and Johnson (2021) found
// to be enough, within what a small job can spend.
inline constexpr std::size_t kNormPictures = 1024;

// The pictures of examples, decoded once and kept in memory up to a limit;
// those beyond are read from the store whenever they are asked for. Not
// thread-safe.
class PictureSource {
 public:
  // `datasets` outlives the source. `go_on` is asked now and then: false ends
  // the loading with CANCELLED. Errors of DatasetManager::ReadPictures().
  static absl::StatusOr<std::unique_ptr<PictureSource>> Load(
      absl::Span<const PlannedExample> examples, DatasetManager& datasets,
      std::int64_t max_bytes, const std::function<bool()>& go_on);

  std::size_t size() const { return examples_.size(); }
  // As decoded.
  absl::StatusOr<Pixels> Get(std::size_t index) const;

 private:
  PictureSource(absl::Span<const PlannedExample> examples,
                DatasetManager& datasets);

  const std::vector<PlannedExample> examples_;
  DatasetManager& datasets_;
  // Empty: not kept.
  std::vector<Pixels> kept_;
};

// Which of `pictures` >= 1 pictures batch norms are estimated on, in batches
// that are a sample of all: the pictures may lie class by class.
std::vector<std::vector<std::size_t>> NormBatches(std::size_t pictures);

// What the steps of a training learn from: which examples, how they are varied
// and mixed, all from the seed and the step alone. Not thread-safe.
class BatchMaker {
 public:
  // `pictures`: those of plan.train, then those of plan.replay; outlives the
  // maker.
  BatchMaker(const JobPlan& plan, const PictureSource& pictures);

  // The pictures that the batches point to are alive until the next call.
  absl::StatusOr<std::vector<TrainingBatch>> BatchesOf(std::int64_t step);
  // The same with the features of the same examples, alive until the next call
  // of `features`. Precondition: the step's pictures are not varied.
  absl::StatusOr<std::vector<TrainingBatch>> BatchesOf(
      std::int64_t step, FeatureCache& features) const;

 private:
  // The step takes pictures as for serving.
  bool IsPlain(std::int64_t step) const;
  absl::StatusOr<TrainingBatch> Make(std::int64_t step, std::uint32_t batch,
                                     std::uint32_t first,
                                     const std::vector<std::int64_t>& examples);

  const Recipe recipe_;
  const PreprocessSpec preprocess_;
  const PictureSource& pictures_;
  std::vector<int> labels_;
  Sampler sampler_;
  // Of the last step, one per batch.
  std::vector<std::vector<Pixels>> varied_;
};

}  // namespace resnetd
