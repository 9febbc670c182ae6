#pragma once

#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/finetune/gate.h"
#include "server/finetune/job.h"
#include "server/finetune/job_plan.h"
#include "server/finetune/picture_source.h"
#include "server/finetune/trainer.h"
#include "server/models/model.h"
#include "server/models/model_manager.h"
#include "server/models/model_registry.h"

namespace resnetd {

// Pictures of a network's input side with their classes. Views of a caller.
struct LabelledPictures {
  const std::vector<Pixels>& pictures;
  const std::vector<int>& labels;
};

// Logits of all pictures, in batches that a CPU computes best.
absl::StatusOr<std::vector<float>> LogitsOf(
    Trainer& trainer, const std::vector<Pixels>& pictures);
absl::StatusOr<std::vector<float>> LogitsOf(
    const Model& model, const std::vector<Pixels>& pictures);

// What `logits` are worth. `head`: tells old classes from new ones; absent:
// from scratch.
EvaluationMetrics MeasureLogits(const std::vector<float>& logits,
                                const std::vector<int>& labels,
                                const JobPlan& plan, std::int64_t step);

// Makes `weights`, which `best` was measured of, a version of the job's model.
// The errors of ModelManager::Import().
absl::StatusOr<VersionView> PublishResult(const Job& job, const JobPlan& plan,
                                          const TensorList& weights,
                                          const EvaluationMetrics& best,
                                          ModelManager& models,
                                          const Mutation& mutation);

// The version that the result must not be worse than: that of the alias to be
// promoted, else the base. Null: there is none.
absl::StatusOr<ModelHandle> FindChampion(const JobSpec& spec,
                                         ModelManager& models,
                                         const ModelRegistry& registry);

// The verdict on `candidate` against `champion`, which may be null, on the same
// pictures: `pictures` as decoded for either network.
absl::StatusOr<GateVerdict> JudgeResult(const GateRules& rules,
                                        const JobPlan& plan,
                                        const LabelledPictures& for_candidate,
                                        const std::vector<float>& candidate,
                                        const LabelledPictures& for_champion,
                                        const ServedVersion* champion);

// Moves the alias of the job's promotion to `version`.
absl::StatusOr<AliasRow> PromoteResult(const Job& job, VersionNumber version,
                                       ModelManager& models);

}  // namespace resnetd
