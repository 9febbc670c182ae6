#include "server/finetune/job_run.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/log.h"
#include "server/base/status_macros.h"
#include "server/finetune/head.h"
#include "server/finetune/job_memory.h"
#include "server/finetune/job_notes.h"
#include "server/finetune/job_result.h"
#include "server/finetune/job_rules.h"
#include "server/finetune/network_parts.h"
#include "server/finetune/promotion_watcher.h"
#include "server/finetune/rate_schedule.h"
#include "server/finetune/recipe_json.h"
#include "server/finetune/tensor_blob.h"
#include "server/finetune/trainer_options.h"
#include "server/models/stored_version.h"

namespace resnetd {
namespace {

absl::StatusOr<std::vector<Pixels>> Cropped(const PictureSource& source,
                                            const PreprocessSpec& preprocess) {
  std::vector<Pixels> pictures;
  pictures.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    ASSIGN_OR_RETURN(const Pixels picture, source.Get(i));
    pictures.push_back(ResizeAndCrop(picture, preprocess));
  }
  return pictures;
}

}  // namespace

JobRun::JobRun(const JobSurroundings& around, JobNumber number,
               const std::atomic<Wish>& wish)
    : around_(around), number_(number), wish_(wish) {}

absl::Status JobRun::Run() {
  const absl::Status worked = Work();
  // What it left behind decides.
  absl::Status done =
      AfterTrouble(worked, job_ ? job_->status.attempt : 0, has_saved_);
  if (done.ok() || IsTroubleOfServer(done)) {
    return done;
  }
  // Whatever went wrong: who asked for an end gets it. What took long and was
  // given up because of a wish is no failure.
  const bool is_wished =
      wish_ == Wish::kCancel || (!GoesOn() && absl::IsCancelled(done));
  return is_wished ? Settle(wish_) : Fail(done);
}

absl::Status JobRun::Work() {
  ASSIGN_OR_RETURN(const bool is_validating, Enter(JobState::kValidating));
  if (!is_validating) {
    return Settle(wish_);
  }
  ASSIGN_OR_RETURN(const PlanInputs inputs,
                   ReadInputs(job_->spec, around_.store, around_.models));
  ASSIGN_OR_RETURN(plan_, PlanJob(job_->spec, inputs));
  if (job_->status.precision_is_settled && job_->status.recipe) {
    plan_.recipe.precision = job_->status.recipe->precision;
  }
  network_ = BuildNetwork(plan_.architecture);
  RETURN_IF_ERROR(
      CheckTrainingMemory(EstimateMemoryOf(plan_, job_->spec.observation,
                                           around_.options.max_picture_bytes),
                          around_.options.memory().free));
  if (!GoesOn()) {
    return Settle(wish_);
  }
  ASSIGN_OR_RETURN(trainers_, around_.trainers());
  RETURN_IF_ERROR(Change([&](JobEdit& edit) {
    edit.status.recipe = plan_.recipe;
    edit.status.total_steps = TotalSteps(plan_.recipe);
    edit.status.config_hash = ConfigHash(plan_.recipe);
    edit.status.block_names = BlockLabels(network_);
    edit.status.dataset_digest = inputs.data.dataset.digest;
    edit.status.base_weights =
        inputs.base == nullptr ? "" : inputs.base->weights_sha256;
    edit.status.environment =
        absl::StrCat(trainers_->description(), ", ", around_.options.threads,
                     around_.options.threads == 1 ? " thread" : " threads");
  }));
  ASSIGN_OR_RETURN(const bool is_preparing, Enter(JobState::kPreparing));
  if (!is_preparing) {
    return Settle(wish_);
  }
  RETURN_IF_ERROR(Prepare());
  RETURN_IF_ERROR(SettlePrecision());
  ASSIGN_OR_RETURN(const bool is_running, Enter(JobState::kRunning));
  if (!is_running || !GoesOn()) {
    return Settle(wish_);
  }
  ASSIGN_OR_RETURN(const LoopResult result, Train());
  begun_.reset();
  if (result.interrupted != Interruption::kNone) {
    RETURN_IF_ERROR(PauseFor(result.reason));
    return Settle(wish_);
  }
  return Finish(result);
}

bool JobRun::GoesOn() const { return wish_ == Wish::kNone; }

absl::Status JobRun::Prepare() {
  const auto go_on = [this] { return GoesOn(); };
  ASSIGN_OR_RETURN(
      pictures_, PictureSource::Load(TrainingExamples(plan_), around_.datasets,
                                     around_.options.max_picture_bytes, go_on));
  ASSIGN_OR_RETURN(
      const std::unique_ptr<PictureSource> validation,
      PictureSource::Load(plan_.validation, around_.datasets,
                          around_.options.max_picture_bytes, go_on));
  ASSIGN_OR_RETURN(validation_, Cropped(*validation, plan_.preprocess));
  validation_labels_ = LabelsOf(plan_.validation);
  batches_ = std::make_unique<BatchMaker>(plan_, *pictures_);
  return MakeWeights();
}

absl::Status JobRun::MakeWeights() {
  if (!plan_.head) {
    weights_ = ToWeights(InitialWeights(network_, plan_.recipe.seed,
                                        plan_.recipe.zero_init_residual));
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(
      const VersionRow row,
      around_.store.GetVersion(job_->spec.model, *job_->spec.base));
  ASSIGN_OR_RETURN(const StoredVersion base,
                   ReadStoredVersion(around_.store, row));
  weights_ =
      ToWeights(WeightsWithHead(base.package.network, base.package.weights,
                                *plan_.head, plan_.recipe.seed));
  return absl::OkStatus();
}

absl::StatusOr<LoopResult> JobRun::Train() {
  TrainLoop::Options options{
      .recipe = plan_.recipe,
      .classes = static_cast<int>(plan_.labels.size()),
      .setbacks = job_->status.setbacks,
      .observation = job_->spec.observation,
      .alarms = job_->spec.alarms,
      .active = job_->status.alarms,
      .majority_share = MajorityShare(validation_labels_),
      .block_names = job_->status.block_names};
  begun_ = around_.clock.Now();
  ran_before_ = job_->status.ran;
  options.deadline = DeadlineOf(*begun_, job_->spec.max_duration, ran_before_);
  if (around_.links.gate != nullptr && around_.options.gives_way) {
    pace_.emplace(job_->spec.guard, *around_.links.gate,
                  around_.ledger.metrics().training(), around_.clock,
                  around_.rest,
                  [this](const JobEventBody& event) { return Tell(event); });
  }
  TrainLoop loop(options, *this, around_.clock);
  absl::StatusOr<LoopResult> result = loop.Run();
  pace_.reset();
  return result;
}

absl::Status JobRun::Settle(Wish wish) {
  if (wish == Wish::kStop) {
    // The next start of the server finds the job as it is.
    return absl::OkStatus();
  }
  return Change([this](JobEdit& edit) { End(JobState::kPaused, edit); });
}

absl::Status JobRun::Change(const std::function<void(JobEdit&)>& change) {
  ASSIGN_OR_RETURN(job_, around_.ledger.Change(number_, [&](const Job& job) {
    JobEdit edit{.status = job.status};
    if (begun_) {
      edit.status.ran = std::chrono::duration_cast<std::chrono::milliseconds>(
          ran_before_ + (around_.clock.Now() - *begun_));
    }
    change(edit);
    return absl::StatusOr<JobEdit>(std::move(edit));
  }));
  return absl::OkStatus();
}

void JobRun::End(JobState end, JobEdit& edit) const {
  const bool is_cancelled = edit.status.state == JobState::kCancelling;
  EnterState(is_cancelled ? JobState::kCancelled : end, around_.clock.WallNow(),
             edit.status);
}

absl::StatusOr<bool> JobRun::Enter(JobState to) {
  RETURN_IF_ERROR(Change([this, to](JobEdit& edit) {
    JobStatus& status = edit.status;
    status.duty = 1;
    if (status.state != JobState::kCancelling &&
        status.state != JobState::kPausing) {
      status.state = to;
    }
    if (to == JobState::kValidating) {
      ++status.attempt;
      if (!status.started) {
        status.started = around_.clock.WallNow();
      }
    }
  }));
  return job_->status.state == to;
}

absl::Status JobRun::Fail(const absl::Status& why) {
  const std::string reason = DetailsOf(why).reason;
  RETURN_IF_ERROR(Change([&](JobEdit& edit) {
    End(JobState::kFailed, edit);
    edit.text = std::string(why.message());
    edit.status.error = JobError{
        .reason = reason.empty() ? std::string(ReasonName(Reason::kInternal))
                                 : reason,
        .text = std::string(why.message())};
  }));
  Log(LogLevel::kWarning, "a job failed",
      {{"job", absl::StrCat(number_.value)},
       {"reason", reason},
       {"error", std::string(why.message())}});
  return absl::OkStatus();
}

absl::Status JobRun::Finish(const LoopResult& result) {
  ASSIGN_OR_RETURN(const bool is_evaluating, Enter(JobState::kEvaluating));
  if (!is_evaluating) {
    return Settle(wish_);
  }
  ASSIGN_OR_RETURN(const Measured measured, MeasureBest(result));
  ASSIGN_OR_RETURN(const JobResult made,
                   Appraise(*result.best, measured.logits));
  if (!GoesOn()) {
    return Settle(wish_);
  }
  ASSIGN_OR_RETURN(
      const VersionView version,
      PublishResult(*job_, plan_, measured.weights, made, around_.models,
                    around_.store.datasets(), OfJob(number_, "ImportVersion")));
  return Conclude(version.row.version, made.verdict);
}

// The best weights, which may be those of an earlier step.
absl::StatusOr<JobRun::Measured> JobRun::MeasureBest(const LoopResult& result) {
  ASSIGN_OR_RETURN(const std::vector<CheckpointRow> rows,
                   around_.ledger.catalog().ListCheckpoints(number_));
  const auto best = std::find_if(
      rows.begin(), rows.end(), [&result](const CheckpointRow& row) {
        return result.best && row.step == result.best->step;
      });
  if (best == rows.end()) {
    return Error(absl::StatusCode::kDataLoss, Reason::kCheckpointCorrupt,
                 "the checkpoint of the best evaluation is missing");
  }
  return Measure(*best);
}

absl::StatusOr<GateVerdict> JobRun::Judge(const std::vector<float>& logits) {
  ASSIGN_OR_RETURN(const std::unique_ptr<VersionLoan> loan,
                   FindChampion(job_->spec, around_.models));
  const ServedVersion* champion = loan == nullptr ? nullptr : &loan->version();
  std::vector<Pixels> cropped;
  const bool looks_otherwise =
      champion != nullptr && !(champion->facts.preprocess == plan_.preprocess);
  if (looks_otherwise) {
    ASSIGN_OR_RETURN(const auto source,
                     PictureSource::Load(plan_.validation, around_.datasets, 0,
                                         [] { return true; }));
    ASSIGN_OR_RETURN(cropped, Cropped(*source, champion->facts.preprocess));
  }
  const std::vector<Pixels>& for_champion =
      looks_otherwise ? cropped : validation_;
  return JudgeResult(job_->spec.gate, plan_, {validation_, validation_labels_},
                     logits, {for_champion, validation_labels_}, champion,
                     GateAlarms(job_->status.alarms));
}

// Promotes the version if it may be, and ends the job.
absl::Status JobRun::Conclude(VersionNumber version,
                              const GateVerdict& verdict) {
  std::vector<JobEventBody> events = {verdict};
  PromotionState promotion = PromotionState::kNotRequested;
  std::optional<WatchedPromotion> watch;
  if (job_->spec.promotion.kind != PromotionKind::kNone) {
    promotion = PromotionState::kGateNotPassed;
  }
  if (job_->spec.promotion.kind != PromotionKind::kNone && verdict.passed) {
    const absl::StatusOr<AliasRow> moved =
        PromoteResult(*job_, version, around_.models);
    if (moved.ok()) {
      promotion = PromotionState::kPromoted;
      watch = WatchOf(job_->spec.promotion, *moved, around_.links.tallies,
                      around_.clock.WallNow());
      events.emplace_back(Promoted{.alias = moved->alias,
                                   .version = version,
                                   .previous = moved->previous});
    } else {
      events.emplace_back(
          LogLine{.text = absl::StrCat("the version was not promoted: ",
                                       moved.status().message()),
                  .is_warning = true});
    }
  }
  RETURN_IF_ERROR(Change([&](JobEdit& edit) {
    End(JobState::kSucceeded, edit);
    edit.events = events;
    edit.status.result = version;
    edit.status.gate = verdict;
    edit.status.promotion = promotion;
    edit.status.watch = watch;
  }));
  Log(LogLevel::kInfo, "a job made a version",
      {{"job", absl::StrCat(number_.value)},
       {"model", job_->spec.model.text()},
       {"version", absl::StrCat(version.value)},
       {"gate", verdict.passed ? "passed" : "not passed"}});
  return absl::OkStatus();
}

// --- LoopHost ---

Interruption JobRun::AskInterruption() {
  switch (wish_) {
    case Wish::kNone:
      return Interruption::kNone;
    case Wish::kCancel:
      return Interruption::kCancel;
    case Wish::kPause:
    case Wish::kStop:
      return Interruption::kPause;
  }
  return Interruption::kNone;
}

absl::Status JobRun::AwaitTurn() {
  return pace_ ? pace_->AwaitTurn() : absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Trainer>> JobRun::NewTrainer(std::size_t phase) {
  return trainers_->Create(TrainerOptionsFor(plan_, phase, around_.options),
                           network_, *weights_, plan_.preprocess);
}

absl::StatusOr<std::vector<TrainingBatch>> JobRun::BatchesOf(
    std::int64_t step) {
  return features_ != nullptr ? features_->BatchesOf(step, *batches_)
                              : batches_->BatchesOf(step);
}

absl::Status JobRun::BeginPhase(std::size_t phase, Trainer& trainer) {
  if (begun_phase_ == phase) {
    return absl::OkStatus();  // Gone back within it: what is frozen stays.
  }
  begun_phase_ = phase;
  features_.reset();
  const std::optional<int> stages =
      StagesToCache(plan_.recipe, phase, pictures_->size());
  if (around_.links.features == nullptr || around_.options.device != "cpu" ||
      !stages ||
      TrainerIsFaster(plan_.recipe,
                      ShapeOfFeatures(network_, plan_.preprocess.crop, *stages),
                      pictures_->size(), around_.options.max_feature_bytes)) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const TrainerState state, trainer.Save());
  ASSIGN_OR_RETURN(
      features_,
      PhaseFeatures::Load({.plan = plan_,
                           .weights = state.weights,
                           .training = *pictures_,
                           .validation = validation_},
                          *stages, *around_.links.features,
                          around_.options.max_feature_bytes, [this] {
                            RETURN_IF_ERROR(AwaitTurn());
                            return GoesOn() ? absl::OkStatus()
                                            : absl::CancelledError(
                                                  "somebody wants it to end");
                          }));
  return Tell(LogLine{.text = features_->Description()});
}

absl::Status JobRun::EstimateNorms(Trainer& trainer) {
  if (features_ != nullptr && features_->KeepsTraining()) {
    return features_->EstimateNorms(trainer);
  }
  // Their addresses stay.
  std::deque<Pixels> pictures;
  std::vector<std::vector<const Pixels*>> batches;
  for (const std::vector<std::size_t>& dealt : NormBatches(pictures_->size())) {
    std::vector<const Pixels*>& batch = batches.emplace_back();
    for (const std::size_t index : dealt) {
      ASSIGN_OR_RETURN(const Pixels picture, pictures_->Get(index));
      batch.push_back(
          &pictures.emplace_back(ResizeAndCrop(picture, plan_.preprocess)));
    }
  }
  return trainer.EstimateNorms(batches);
}

absl::StatusOr<EvaluationMetrics> JobRun::Evaluate(Trainer& trainer,
                                                   std::int64_t step) {
  ASSIGN_OR_RETURN(const std::vector<float> logits,
                   features_ != nullptr ? features_->Logits(trainer)
                                        : LogitsOf(trainer, validation_));
  return MeasureLogits(logits, validation_labels_, plan_, step);
}

absl::Status JobRun::Save(const TrainingState& state) {
  CheckpointManifest manifest = state.manifest;
  ASSIGN_OR_RETURN(manifest.weights,
                   StoreTensors(state.trainer.weights, around_.store));
  ASSIGN_OR_RETURN(manifest.optimizer,
                   StoreTensors(state.trainer.optimizer, around_.store));
  if (!state.trainer.means.empty()) {
    ASSIGN_OR_RETURN(manifest.means,
                     StoreTensors(state.trainer.means, around_.store));
  }
  manifest.optimizer_steps = state.trainer.steps;
  CheckpointRow row{.step = state.step, .manifest = FormatCheckpoint(manifest)};
  for (const Digest* digest :
       {&manifest.weights, &manifest.optimizer, &manifest.means}) {
    if (!digest->empty()) {
      row.blobs.push_back(*digest);
      ASSIGN_OR_RETURN(const auto blob, around_.store.OpenBlob(*digest));
      row.bytes += blob->size();
    }
  }
  ASSIGN_OR_RETURN(const std::vector<CheckpointRow> before,
                   around_.ledger.catalog().ListCheckpoints(number_));
  RETURN_IF_ERROR(Change([&](JobEdit& edit) {
    edit.status.step = state.step;
    edit.checkpoint = row;
    edit.events.emplace_back(CheckpointSaved{
        .step = state.step, .bytes = row.bytes, .is_best = manifest.is_best});
    for (const CheckpointRow& old : before) {
      // The last one and the best one stay.
      if (old.step != state.step &&
          !(manifest.best && old.step == manifest.best->step)) {
        edit.remove_checkpoints.push_back(old.step);
      }
    }
  }));
  Log(LogLevel::kInfo, "a checkpoint was saved",
      {{"job", absl::StrCat(number_.value)},
       {"step", absl::StrCat(state.step)},
       {"bytes", absl::StrCat(row.bytes)}});
  has_saved_ = true;
  return absl::OkStatus();
}

absl::StatusOr<std::optional<TrainingState>> JobRun::LoadLast() {
  ASSIGN_OR_RETURN(const std::vector<CheckpointRow> rows,
                   around_.ledger.catalog().ListCheckpoints(number_));
  // What was seen since is of a way that is gone back.
  RETURN_IF_ERROR(Change([&rows](JobEdit& edit) {
    edit.forget_samples_after = rows.empty() ? 0 : rows.back().step;
  }));
  if (rows.empty()) {
    return std::optional<TrainingState>();
  }
  ASSIGN_OR_RETURN(TrainingState state, Load(rows.back()));
  return std::optional(std::move(state));
}

absl::Status JobRun::Tell(const JobEventBody& event) {
  return Change([&event](JobEdit& edit) {
    edit.events = {event};
    NoteEvent(event, edit.status);
  });
}

}  // namespace resnetd
