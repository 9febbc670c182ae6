#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/finetune/feature_cache.h"
#include "server/finetune/job_plan.h"
#include "server/finetune/picture_source.h"
#include "server/finetune/recipe.h"
#include "server/finetune/trainer.h"
#include "server/image/pixels.h"
#include "server/models/feature_extractor.h"

namespace resnetd {

// Whether phase `phase` can train on features that are computed once, and on
// which: how many stages are frozen before the first trained part, as in
// ShapeOfFeatures(). nullopt: the stem is trained, the pictures are not the
// same in every step, or its steps show fewer than `pictures` of them.
std::optional<int> StagesToCache(const Recipe& recipe, std::size_t phase,
                                 std::size_t pictures);

// Whether the trainer runs the frozen beginning itself, in each step, because
// so little of its output has room in `max_bytes`: in bfloat16 it is faster at
// that than the engine, which computes in float32. `shape`: of the output for
// one picture; `pictures`: those to train on.
bool TrainerIsFaster(const Recipe& recipe, const FeatureShape& shape,
                     std::size_t pictures, std::int64_t max_bytes);

// One phase of a job whose beginning is frozen: what is trained works on
// features instead of pictures. Not thread-safe.
class PhaseFeatures {
 public:
  struct Inputs {
    const JobPlan& plan;
    // Of the network as the phase finds it, with the counters left out.
    const TensorList& weights;
    // As decoded, and of the network's input size.
    const PictureSource& training;
    const std::vector<Pixels>& validation;
  };

  // Computes the features behind `stages` stages, for training first, and keeps
  // at most `max_bytes`. `training` and `validation` outlive this.
  // `before_batch`: see FeatureCache. Errors: of reading pictures, and of
  // FeatureExtractor.
  static absl::StatusOr<std::unique_ptr<PhaseFeatures>> Load(
      const Inputs& inputs, int stages, FeatureExtractorLoader& loader,
      std::int64_t max_bytes,
      const std::function<absl::Status()>& before_batch);

  // What the phase's trainer is asked for with pictures otherwise.
  absl::StatusOr<std::vector<TrainingBatch>> BatchesOf(std::int64_t step,
                                                       BatchMaker& maker);
  // Precondition: KeepsTraining(). The features of so many pictures at once
  // would go beyond the limit.
  absl::Status EstimateNorms(Trainer& trainer);
  // Of the validation pictures.
  absl::StatusOr<std::vector<float>> Logits(Trainer& trainer);

  // Of all pictures to train on.
  bool KeepsTraining() const { return training_.kept() == training_.size(); }

  // One sentence for people.
  std::string Description() const;

 private:
  PhaseFeatures(std::unique_ptr<FeatureExtractor> extractor,
                FeatureCache training, FeatureCache validation);

  const std::unique_ptr<FeatureExtractor> extractor_;
  FeatureCache training_;
  FeatureCache validation_;
};

}  // namespace resnetd
