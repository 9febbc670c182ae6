#include "server/finetune/job_manager.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/log.h"
#include "server/base/mutex.h"
#include "server/base/status_macros.h"
#include "server/base/thread.h"
#include "server/base/thread_priority.h"
#include "server/finetune/job_inputs.h"
#include "server/finetune/job_json.h"
#include "server/finetune/job_ledger.h"
#include "server/finetune/job_memory.h"
#include "server/finetune/job_plan.h"
#include "server/finetune/job_rules.h"
#include "server/finetune/job_run.h"
#include "server/finetune/job_views.h"
#include "server/finetune/promotion_watcher.h"
#include "server/finetune/rate_schedule.h"
#include "server/finetune/recipe_json.h"

namespace resnetd {
namespace {

absl::Status AtWork(absl::string_view who, absl::string_view job) {
  return Error(absl::StatusCode::kResourceExhausted, Reason::kOverloaded,
               absl::StrCat(who,
                            " is at work, and steps beside it would tell "
                            "nothing: try again when it is done",
                            job.empty() ? "" : ", or pause it"))
      .Metadata("job", job);
}

class Listener final : public JobManager::Subscription {
 public:
  explicit Listener(std::unique_ptr<ChangeListeners::Handle> handle)
      : handle_(std::move(handle)) {}

 private:
  const std::unique_ptr<ChangeListeners::Handle> handle_;
};

class Manager final : public JobManager {
 public:
  Manager(const JobManagerOptions& options, Store& store,
          DatasetManager& datasets, ModelManager& models,
          const ModelRegistry& registry, TrainerSource trainers,
          const Clock& clock, const JobLinks& links)
      : ledger_(store.jobs(), links.metrics == nullptr ? NullTrainingMetrics()
                                                       : *links.metrics),
        around_{options,  store,
                datasets, models,
                registry, std::move(trainers),
                ledger_,  clock,
                links,    std::bind_front(&Manager::AwaitWish, this)} {}
  ~Manager() override { Stop(); }

  absl::Status Start() override;
  void Stop() override;
  absl::StatusOr<NewJob> CreateJob(const JobSpec& spec, bool wait_for_start,
                                   bool validate_only,
                                   const Mutation& mutation) override;
  absl::StatusOr<Job> CallJob(JobNumber job, JobCall call,
                              absl::string_view etag,
                              const Mutation& mutation) override;
  absl::Status DeleteJob(JobNumber job, absl::string_view etag,
                         const Mutation& mutation) override;
  absl::StatusOr<std::vector<Job>> ListJobs() override {
    return ViewJobs(ledger_.catalog());
  }
  absl::StatusOr<Job> GetJob(JobNumber job) override {
    return ViewJob(ledger_.catalog(), job);
  }
  absl::StatusOr<std::vector<JobEvent>> Events(JobNumber job,
                                               std::int64_t after,
                                               std::size_t limit) override {
    return ViewEvents(ledger_.catalog(), job, after, limit);
  }
  absl::StatusOr<std::vector<Checkpoint>> Checkpoints(JobNumber job) override {
    return ViewCheckpoints(ledger_.catalog(), job);
  }
  absl::StatusOr<GradientReport> Gradients(
      const GradientQuery& query) override {
    return ViewGradients(ledger_.catalog(), query);
  }
  absl::StatusOr<Checkpoint> GetCheckpoint(JobNumber job,
                                           std::int64_t step) override;
  absl::StatusOr<JobEstimate> EstimateJob(const JobSpec& spec) override;
  absl::StatusOr<Imported> PublishCheckpoint(
      JobNumber job, std::int64_t step, const Mutation& mutation) override {
    return resnetd::PublishCheckpoint(around_, job, step, mutation,
                                      aside_wish_);
  }
  absl::Status DeleteCheckpoint(JobNumber job, std::int64_t step,
                                const Mutation& mutation) override;
  std::unique_ptr<Subscription> Subscribe(
      std::function<void()> listener) override {
    return std::make_unique<Listener>(
        ledger_.listeners().Add(std::move(listener)));
  }

 private:
  absl::Status TakeUp(const JobRow& row);
  absl::Status StartWatcher();
  absl::StatusOr<JobSpec> Complete(JobSpec spec);
  absl::StatusOr<JobStatus> PlanStatus(const JobSpec& complete);
  absl::Status BeginEstimate() ABSL_LOCKS_EXCLUDED(mutex_);
  void Wake() ABSL_LOCKS_EXCLUDED(mutex_);
  void Tell(JobNumber job, Wish wish) ABSL_LOCKS_EXCLUDED(mutex_);
  // Until then, or until somebody wants something of the running job: false.
  bool AwaitWish(SteadyTime until) ABSL_LOCKS_EXCLUDED(mutex_);
  void Work();
  // The job to run next; nullopt: stop.
  std::optional<JobNumber> AwaitJob() ABSL_LOCKS_EXCLUDED(mutex_);
  std::optional<JobNumber> NextQueued();

  JobLedger ledger_;
  const JobSurroundings around_;

  // Null: nothing is watched.
  std::unique_ptr<PromotionWatcher> watcher_;

  Mutex mutex_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<JobNumber> running_ ABSL_GUARDED_BY(mutex_);
  // An estimate is at work: no job begins.
  bool estimating_ ABSL_GUARDED_BY(mutex_) = false;
  // Of the running job: written under the lock, read by its thread without.
  std::atomic<Wish> wish_{Wish::kNone};
  // Of estimates and of what is made of checkpoints.
  std::atomic<Wish> aside_wish_{Wish::kNone};
  Thread thread_;
};

absl::Status Manager::Start() {
  ASSIGN_OR_RETURN(const std::vector<JobRow> open,
                   ledger_.catalog().ListOpenJobs());
  for (const JobRow& row : open) {
    ASSIGN_OR_RETURN(const Job job, JobOfRow(row));
    ledger_.metrics().Found(job, row.generation);
    RETURN_IF_ERROR(TakeUp(row));
  }
  RETURN_IF_ERROR(StartWatcher());
  thread_ = Thread("job-0", [this] { Work(); });
  return absl::OkStatus();
}

absl::Status Manager::StartWatcher() {
  if (around_.links.tallies == nullptr) {
    return absl::OkStatus();
  }
  watcher_ = std::make_unique<PromotionWatcher>(
      ledger_, around_.models, *around_.links.tallies,
      ledger_.metrics().training(), around_.clock);
  ASSIGN_OR_RETURN(const std::vector<JobRow> rows,
                   ledger_.catalog().ListJobs());
  for (const JobRow& row : rows) {
    ASSIGN_OR_RETURN(const Job job, JobOfRow(row));
    if (job.status.watch) {
      watcher_->Add(row.number);
    }
  }
  watcher_->Start();
  return absl::OkStatus();
}

absl::Status Manager::TakeUp(const JobRow& row) {
  const std::optional<JobState> state = JobStateOf(row.state);
  const std::vector<JobState> path =
      state ? StatesAfterRestart(*state) : std::vector<JobState>();
  for (const JobState next : path) {
    RETURN_IF_ERROR(
        ledger_
            .Change(row.number,
                    [&](const Job& job) {
                      JobEdit edit{.status = job.status};
                      EnterState(next, around_.clock.WallNow(), edit.status);
                      edit.text = "the server was started again";
                      return absl::StatusOr<JobEdit>(std::move(edit));
                    })
            .status());
  }
  return absl::OkStatus();
}

void Manager::Stop() {
  aside_wish_ = Wish::kStop;
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    if (wish_ == Wish::kNone) {
      wish_ = Wish::kStop;
    }
  }
  changed_.NotifyAll();
  thread_.Join();
  if (watcher_ != nullptr) {
    watcher_->Stop();
  }
}

absl::StatusOr<JobSpec> Manager::Complete(JobSpec spec) {
  RETURN_IF_ERROR(CheckSpec(spec));
  if (spec.base || !spec.architecture.empty()) {
    return spec;
  }
  ASSIGN_OR_RETURN(const ModelView model, around_.models.GetModel(spec.model));
  if (!model.serving) {
    return Error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
                 "the model has no version that answers: name a base")
        .Violation("base", "needed");
  }
  spec.base = model.serving->row.version;
  return spec;
}

// What a new job begins with.
absl::StatusOr<JobStatus> Manager::PlanStatus(const JobSpec& complete) {
  ASSIGN_OR_RETURN(const PlanInputs inputs,
                   ReadInputs(complete, around_.store, around_.models));
  ASSIGN_OR_RETURN(const JobPlan plan, PlanJob(complete, inputs));
  // Later there may be more memory free than now, but never more than this.
  const TrainingMemory needed = EstimateMemoryOf(
      plan, complete.observation, around_.options.max_picture_bytes);
  RETURN_IF_ERROR(CheckTrainingMemory(needed, around_.options.memory().total));
  // What it needs is loaded now, so that its absence is the answer.
  RETURN_IF_ERROR(around_.trainers().status());
  JobStatus status{.total_steps = TotalSteps(plan.recipe),
                   .recipe = plan.recipe,
                   .config_hash = ConfigHash(plan.recipe),
                   .dataset_digest = inputs.data.dataset.digest,
                   .base_weights = inputs.base == nullptr
                                       ? ""
                                       : inputs.base->weights_sha256};
  if (complete.promotion.kind != PromotionKind::kNone) {
    status.promotion = PromotionState::kPending;
  }
  return status;
}

absl::StatusOr<NewJob> Manager::CreateJob(const JobSpec& spec,
                                          bool wait_for_start,
                                          bool validate_only,
                                          const Mutation& mutation) {
  if (!validate_only) {
    // Before anything is looked at: since then the queue may have filled up,
    // and what the job reads may be gone.
    ASSIGN_OR_RETURN(const std::optional<JobNumber> before,
                     ledger_.FindRepeated(mutation));
    if (before) {
      ASSIGN_OR_RETURN(Job job, GetJob(*before));
      return NewJob{.job = std::move(job), .created = false};
    }
  }
  // The catalog looks again; this spares reading the dataset for nothing.
  const JobLimits& limits = around_.options.limits;
  RETURN_IF_ERROR(ledger_.catalog().CheckRoom(limits, mutation));
  ASSIGN_OR_RETURN(const JobSpec complete, Complete(spec));
  ASSIGN_OR_RETURN(JobStatus status, PlanStatus(complete));
  status.state = wait_for_start ? JobState::kCreated : JobState::kQueued;
  if (validate_only) {
    const WallTime now = around_.clock.WallNow();
    return NewJob{.job = {.number = {0},
                          .spec = complete,
                          .status = std::move(status),
                          .etag = "",
                          .created = now,
                          .updated = now},
                  .created = false};
  }
  ASSIGN_OR_RETURN(const CreatedJob created,
                   ledger_.Create(complete, status, limits, mutation));
  Wake();
  ASSIGN_OR_RETURN(Job job, ViewJob(ledger_.catalog(), created.job));
  return NewJob{.job = std::move(job), .created = created.created};
}

absl::StatusOr<Job> Manager::CallJob(JobNumber number, JobCall call,
                                     absl::string_view etag,
                                     const Mutation& mutation) {
  ASSIGN_OR_RETURN(
      const Job job,
      ledger_.Change(
          number,
          [&](const Job& before) -> absl::StatusOr<JobEdit> {
            ASSIGN_OR_RETURN(const CallDecision decision,
                             DecideCall(number, before.status.state, call));
            JobEdit edit{.status = before.status};
            edit.text = absl::StrCat("asked to ", JobCallName(call));
            if (decision.effect == CallEffect::kChangeState) {
              edit.status.state = decision.next;
            } else {
              edit.changes_nothing = true;
            }
            return edit;
          },
          etag, mutation));
  if (job.status.state == JobState::kPausing) {
    Tell(number, Wish::kPause);
  } else if (job.status.state == JobState::kCancelling) {
    Tell(number, Wish::kCancel);
  }
  Wake();
  return GetJob(number);
}

absl::Status Manager::DeleteJob(JobNumber job, absl::string_view etag,
                                const Mutation& mutation) {
  return ledger_.Delete(job, etag, mutation);
}

absl::StatusOr<Checkpoint> Manager::GetCheckpoint(JobNumber number,
                                                  std::int64_t step) {
  ASSIGN_OR_RETURN(const CheckpointRow row,
                   ledger_.FindCheckpoint(number, step));
  return CheckpointOfRow(row);
}

absl::Status Manager::BeginEstimate() {
  while (true) {
    JobNumber at_work;
    {
      const MutexLock lock(mutex_);
      if (stopping_) {
        return ServerStopping();
      }
      if (!running_ && !estimating_) {
        estimating_ = true;
        return absl::OkStatus();
      }
      if (!running_) {
        return AtWork("another estimate", "");
      }
      at_work = *running_;
    }
    ASSIGN_OR_RETURN(const Job job, GetJob(at_work));
    if (!IsDone(job.status.state) && job.status.state != JobState::kPaused) {
      const std::string name = absl::StrCat("jobs/", at_work.value);
      return AtWork(name, name);
    }
    // It is over, but for the last words of its thread.
    const MutexLock lock(mutex_);
    while (running_ == at_work && !stopping_) {
      changed_.Wait(mutex_);
    }
  }
}

absl::StatusOr<JobEstimate> Manager::EstimateJob(const JobSpec& spec) {
  ASSIGN_OR_RETURN(const JobSpec complete, Complete(spec));
  RETURN_IF_ERROR(BeginEstimate());
  absl::StatusOr<JobEstimate> estimate =
      resnetd::EstimateJob(around_, complete, aside_wish_);
  {
    const MutexLock lock(mutex_);
    estimating_ = false;
  }
  Wake();
  return estimate;
}

absl::Status Manager::DeleteCheckpoint(JobNumber number, std::int64_t step,
                                       const Mutation& mutation) {
  return ledger_
      .Change(
          number,
          [&](const Job& job) -> absl::StatusOr<JobEdit> {
            if (!IsDone(job.status.state)) {
              return JobStateError(number, job.status.state,
                                   "it goes on from its checkpoints: cancel it "
                                   "first, or wait for its end");
            }
            RETURN_IF_ERROR(ledger_.FindCheckpoint(number, step).status());
            JobEdit edit{.status = job.status};
            edit.remove_checkpoints = {step};
            return edit;
          },
          "", mutation)
      .status();
}

void Manager::Wake() {
  {
    const MutexLock lock(mutex_);
    woken_ = true;
  }
  changed_.NotifyAll();
}

void Manager::Tell(JobNumber job, Wish wish) {
  const MutexLock lock(mutex_);
  if (running_ == job && wish_ != Wish::kStop) {
    wish_ = wish;
  }
}

bool Manager::AwaitWish(SteadyTime until) {
  const MutexLock lock(mutex_);
  while (wish_ == Wish::kNone && around_.clock.Now() < until) {
    changed_.WaitUntil(mutex_, until);
  }
  return wish_ == Wish::kNone;
}

std::optional<JobNumber> Manager::NextQueued() {
  const absl::StatusOr<std::vector<JobRow>> open =
      ledger_.catalog().ListOpenJobs();
  if (!open.ok()) {
    Log(LogLevel::kError, "the queue of jobs cannot be read",
        {{"error", std::string(open.status().message())}});
    return std::nullopt;
  }
  for (const JobRow& row : *open) {
    if (row.state == static_cast<int>(JobState::kQueued)) {
      return row.number;
    }
    if (row.state == static_cast<int>(JobState::kCancelling)) {
      // Nobody runs it: it was cancelled while it waited.
      TakeUp(row).IgnoreError();
    }
  }
  return std::nullopt;
}

std::optional<JobNumber> Manager::AwaitJob() {
  while (true) {
    {
      const MutexLock lock(mutex_);
      if (stopping_) {
        return std::nullopt;
      }
      woken_ = false;
    }
    // Outside the lock: it reads the disk.
    const std::optional<JobNumber> next = NextQueued();
    const MutexLock lock(mutex_);
    if (next && !stopping_ && !estimating_) {
      running_ = next;
      wish_ = Wish::kNone;
      return next;
    }
    while (!stopping_ && !woken_) {
      changed_.Wait(mutex_);
    }
  }
}

void Manager::Work() {
  if (around_.options.gives_way && !RunOnlyWhenIdle()) {
    Log(LogLevel::kWarning,
        "the system does not let jobs run at the lowest priority: they will "
        "slow serving down");
  }
  while (const std::optional<JobNumber> number = AwaitJob()) {
    JobRun run(around_, *number, wish_);
    if (const absl::Status status = run.Run(); !status.ok()) {
      Log(LogLevel::kError, "a job was left to the next start",
          {{"job", absl::StrCat(number->value)},
           {"error", std::string(status.message())}});
    }
    ledger_.metrics().SlotIsFree();
    if (watcher_ != nullptr) {
      // Looks whether there is something to watch.
      watcher_->Add(*number);
    }
    {
      const MutexLock lock(mutex_);
      running_.reset();
    }
    changed_.NotifyAll();
  }
}

}  // namespace

std::unique_ptr<JobManager> JobManager::Create(
    const JobManagerOptions& options, Store& store, DatasetManager& datasets,
    ModelManager& models, const ModelRegistry& registry, TrainerSource trainers,
    const Clock& clock, const JobLinks& links) {
  return std::make_unique<Manager>(options, store, datasets, models, registry,
                                   std::move(trainers), clock, links);
}

}  // namespace resnetd
