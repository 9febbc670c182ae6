// What JobRun makes of checkpoints: a training that goes on, and versions.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"
#include "server/base/thread.h"
#include "server/base/thread_priority.h"
#include "server/finetune/job_json.h"
#include "server/finetune/job_result.h"
#include "server/finetune/job_rules.h"
#include "server/finetune/job_run.h"
#include "server/finetune/rate_schedule.h"
#include "server/finetune/tensor_blob.h"
#include "server/models/architecture.h"

namespace resnetd {
namespace {

// Of one checkpoint file: 8 times the largest network's weights.
constexpr std::int64_t kMaxTensorBytes = std::int64_t{4} << 30U;

// Whatever is wrong with the files of a checkpoint, it is the checkpoint that
// cannot be used.
absl::Status OfCheckpoint(const absl::Status& why, JobNumber job,
                          std::int64_t step) {
  const std::string reason = DetailsOf(why).reason;
  if (why.code() != absl::StatusCode::kDataLoss &&
      reason != ReasonName(Reason::kCheckpointCorrupt) &&
      reason != ReasonName(Reason::kBlobNotFound)) {
    return why;
  }
  return Error(absl::StatusCode::kDataLoss, Reason::kCheckpointCorrupt,
               absl::StrCat("the checkpoint of step ", step, " of job ",
                            job.value,
                            " is damaged: take another one of its checkpoints"))
      .Resource("checkpoint", CheckpointName(job, step));
}

// What `mutation` published when it was carried out before.
absl::StatusOr<std::optional<Imported>> FindPublished(
    const JobSurroundings& around, const ModelName& model,
    const Mutation& mutation) {
  ASSIGN_OR_RETURN(const std::optional<std::string> resource,
                   around.ledger.catalog().FindRequest(mutation));
  VersionNumber version;
  absl::string_view number;
  if (resource) {
    number = *resource;
  }
  if (!absl::ConsumePrefix(
          &number, absl::StrCat("models/", model.text(), "/versions/")) ||
      !absl::SimpleAtoi(number, &version.value)) {
    return std::optional<Imported>();
  }
  ASSIGN_OR_RETURN(VersionView view, around.models.GetVersion(model, version));
  return std::optional(Imported{.version = std::move(view), .created = false});
}

}  // namespace

absl::StatusOr<TrainingState> JobRun::Load(const CheckpointRow& row) {
  TrainingState state{.step = row.step};
  ASSIGN_OR_RETURN(state.manifest, ParseCheckpoint(row.manifest));
  ASSIGN_OR_RETURN(
      state.trainer.weights,
      ReadTensors(state.manifest.weights, kMaxTensorBytes, around_.store));
  ASSIGN_OR_RETURN(
      state.trainer.optimizer,
      ReadTensors(state.manifest.optimizer, kMaxTensorBytes, around_.store));
  if (!state.manifest.means.empty()) {
    ASSIGN_OR_RETURN(
        state.trainer.means,
        ReadTensors(state.manifest.means, kMaxTensorBytes, around_.store));
  }
  state.trainer.steps = state.manifest.optimizer_steps;
  return state;
}

absl::StatusOr<JobRun::Measured> JobRun::Measure(const CheckpointRow& row) {
  ASSIGN_OR_RETURN(const TrainingState state, Load(row));
  const std::size_t phase =
      PhaseAt(plan_.recipe, std::max<std::int64_t>(state.step - 1, 0)).phase;
  ASSIGN_OR_RETURN(const std::unique_ptr<Trainer> trainer, NewTrainer(phase));
  RETURN_IF_ERROR(trainer->Restore(state.trainer));
  // What is published is measured from pictures to logits.
  features_.reset();
  if (plan_.recipe.norms == NormPolicy::kReestimate) {
    RETURN_IF_ERROR(EstimateNorms(*trainer));
  }
  Measured measured;
  ASSIGN_OR_RETURN(measured.logits, LogitsOf(*trainer, validation_));
  ASSIGN_OR_RETURN(measured.weights, trainer->ExportWeights());
  return measured;
}

absl::StatusOr<JobResult> JobRun::Appraise(const EvaluationMetrics& best,
                                           const std::vector<float>& logits) {
  JobResult result{
      .best = best,
      .temperature = ChooseTemperature(
          logits, static_cast<int>(plan_.labels.size()), validation_labels_)};
  ASSIGN_OR_RETURN(result.verdict, Judge(logits));
  return result;
}

absl::StatusOr<VersionView> JobRun::Publish(std::int64_t step,
                                            const Mutation& mutation) {
  ASSIGN_OR_RETURN(const JobRow row, around_.ledger.catalog().GetJob(number_));
  ASSIGN_OR_RETURN(job_, JobOfRow(row));
  ASSIGN_OR_RETURN(const CheckpointRow checkpoint,
                   around_.ledger.FindCheckpoint(number_, step));
  ASSIGN_OR_RETURN(const PlanInputs inputs,
                   ReadInputs(job_->spec, around_.store, around_.models));
  ASSIGN_OR_RETURN(plan_, PlanJob(job_->spec, inputs));
  if (job_->status.recipe) {
    // What it trained by, whatever would be chosen today.
    plan_.recipe = *job_->status.recipe;
  }
  network_ = BuildNetwork(plan_.architecture);
  ASSIGN_OR_RETURN(trainers_, around_.trainers());
  RETURN_IF_ERROR(Prepare());
  const absl::StatusOr<Measured> measured = Measure(checkpoint);
  if (!measured.ok()) {
    return OfCheckpoint(measured.status(), number_, step);
  }
  if (!GoesOn()) {
    return absl::CancelledError("the checkpoint was not published");
  }
  const EvaluationMetrics metrics =
      MeasureLogits(measured->logits, validation_labels_, plan_, step);
  ASSIGN_OR_RETURN(const JobResult result, Appraise(metrics, measured->logits));
  return PublishResult(*job_, plan_, measured->weights, result, around_.models,
                       around_.store.datasets(), mutation);
}

absl::StatusOr<Imported> PublishCheckpoint(const JobSurroundings& around,
                                           JobNumber number, std::int64_t step,
                                           const Mutation& mutation,
                                           const std::atomic<Wish>& wish) {
  ASSIGN_OR_RETURN(const JobRow row, around.ledger.catalog().GetJob(number));
  ASSIGN_OR_RETURN(const Job job, JobOfRow(row));
  ASSIGN_OR_RETURN(std::optional<Imported> before,
                   FindPublished(around, job.spec.model, mutation));
  if (before) {
    return *std::move(before);
  }
  absl::StatusOr<VersionView> made = absl::UnknownError("");
  Thread("job-publish", [&] {
    if (around.options.gives_way) {
      RunOnlyWhenIdle();
    }
    made = JobRun(around, number, wish).Publish(step, mutation);
  }).Join();
  RETURN_IF_ERROR(absl::IsCancelled(made.status()) ? ServerStopping()
                                                   : made.status());
  return Imported{.version = *std::move(made), .created = true};
}

}  // namespace resnetd
