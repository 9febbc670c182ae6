#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/finetune/gate.h"
#include "server/finetune/job.h"
#include "server/finetune/job_plan.h"
#include "server/finetune/picture_source.h"
#include "server/finetune/trainer.h"
#include "server/models/manifest.h"
#include "server/models/model.h"
#include "server/models/model_manager.h"
#include "server/store/dataset_catalog.h"

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

// The softmax temperature of a version with these logits: that of
// TellTemperature(), or 1 where it tells none, or from fewer than
// kLeastCalibration examples.
double ChooseTemperature(const std::vector<float>& logits, int classes,
                         const std::vector<int>& labels);

// What the manifest of a version says of `verdict`.
GateRecord RecordOf(const GateVerdict& verdict);

// What a job made, beside its weights.
struct JobResult {
  EvaluationMetrics best;
  double temperature = 1;
  GateVerdict verdict;
};

// Makes `weights` a version of the job's model, keeps its exemplars
// (KeepExemplars()), and has it choose its precision with them. The errors of
// ModelManager::Import() and of the catalog.
absl::StatusOr<VersionView> PublishResult(const Job& job, const JobPlan& plan,
                                          const TensorList& weights,
                                          const JobResult& result,
                                          ModelManager& models,
                                          DatasetCatalog& catalog,
                                          const Mutation& mutation);

// The version that the result must not be worse than: that of the alias to be
// promoted, else the base. Null: there is none.
absl::StatusOr<std::unique_ptr<VersionLoan>> FindChampion(const JobSpec& spec,
                                                          ModelManager& models);

// The verdict on `candidate` against `champion`, which may be null, on the same
// pictures, decoded for either network. `alarms`: see GateFacts.
absl::StatusOr<GateVerdict> JudgeResult(const GateRules& rules,
                                        const JobPlan& plan,
                                        const LabelledPictures& for_candidate,
                                        const std::vector<float>& candidate,
                                        const LabelledPictures& for_champion,
                                        const ServedVersion* champion,
                                        std::vector<std::string> alarms = {});
// Names of those under which no version may be promoted.
std::vector<std::string> GateAlarms(const std::vector<ActiveAlarm>& active);

// Moves the alias of the job's promotion to `version`.
absl::StatusOr<AliasRow> PromoteResult(const Job& job, VersionNumber version,
                                       ModelManager& models);

}  // namespace resnetd
