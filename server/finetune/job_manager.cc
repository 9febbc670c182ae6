#include "server/finetune/job_manager.h"

#include <algorithm>
#include <atomic>
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
#include "server/finetune/job_plan.h"
#include "server/finetune/job_rules.h"
#include "server/finetune/job_run.h"
#include "server/finetune/rate_schedule.h"
#include "server/finetune/recipe_json.h"

namespace resnetd {
namespace {

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
        around_{
            options,  store,
            datasets, models,
            registry, std::move(trainers),
            ledger_,  clock,
            links,    [this](SteadyTime until) {
                                         return AwaitWish(until); }} {}
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
  absl::StatusOr<std::vector<Job>> ListJobs() override;
  absl::StatusOr<Job> GetJob(JobNumber job) override;
  absl::StatusOr<std::vector<JobEvent>> Events(JobNumber job,
                                               std::int64_t after,
                                               std::size_t limit) override;
  absl::StatusOr<std::vector<Checkpoint>> Checkpoints(JobNumber job) override;
  std::unique_ptr<Subscription> Subscribe(
      std::function<void()> listener) override {
    return std::make_unique<Listener>(
        ledger_.listeners().Add(std::move(listener)));
  }

 private:
  absl::Status TakeUp(const JobRow& row);
  absl::StatusOr<JobSpec> Complete(JobSpec spec);
  absl::StatusOr<Job> Shown(const JobRow& row);
  void AddQueue(Job& job, const std::vector<JobRow>& open) const;
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

  Mutex mutex_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<JobNumber> running_ ABSL_GUARDED_BY(mutex_);
  // Of the running job: written under the lock, read by its thread without.
  std::atomic<Wish> wish_{Wish::kNone};
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
  thread_ = Thread("job-0", [this] { Work(); });
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
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    if (wish_ == Wish::kNone) {
      wish_ = Wish::kStop;
    }
  }
  changed_.NotifyAll();
  thread_.Join();
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

absl::StatusOr<NewJob> Manager::CreateJob(const JobSpec& spec,
                                          bool wait_for_start,
                                          bool validate_only,
                                          const Mutation& mutation) {
  ASSIGN_OR_RETURN(const JobSpec complete, Complete(spec));
  ASSIGN_OR_RETURN(const PlanInputs inputs,
                   ReadInputs(complete, around_.store, around_.models));
  ASSIGN_OR_RETURN(const JobPlan plan, PlanJob(complete, inputs));
  // What it needs is loaded now, so that its absence is the answer.
  RETURN_IF_ERROR(around_.trainers().status());
  ASSIGN_OR_RETURN(const std::vector<JobRow> open,
                   ledger_.catalog().ListOpenJobs());
  if (open.size() >= around_.options.max_jobs) {
    return Error(absl::StatusCode::kResourceExhausted, Reason::kQueueFull,
                 absl::StrCat(open.size(), " jobs wait or run, at most ",
                              around_.options.max_jobs,
                              " are accepted: wait until one is done"))
        .Metadata("limit", absl::StrCat(around_.options.max_jobs))
        .RetryAfter(std::chrono::minutes(1));
  }
  JobStatus status{
      .state = wait_for_start ? JobState::kCreated : JobState::kQueued,
      .total_steps = TotalSteps(plan.recipe),
      .recipe = plan.recipe,
      .config_hash = ConfigHash(plan.recipe),
      .dataset_digest = inputs.data.dataset.digest,
      .base_weights =
          inputs.base == nullptr ? "" : inputs.base->weights_sha256};
  if (complete.promotion.kind != PromotionKind::kNone) {
    status.promotion = PromotionState::kPending;
  }
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
                   ledger_.Create(complete, status, mutation));
  Wake();
  ASSIGN_OR_RETURN(Job job, Shown(created.job));
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
                             DecideCall(before.status.state, call));
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

absl::StatusOr<Job> Manager::Shown(const JobRow& row) {
  ASSIGN_OR_RETURN(Job job, JobOfRow(row));
  ASSIGN_OR_RETURN(const std::vector<JobRow> open,
                   ledger_.catalog().ListOpenJobs());
  AddQueue(job, open);
  return job;
}

void Manager::AddQueue(Job& job, const std::vector<JobRow>& open) const {
  if (job.status.state != JobState::kQueued) {
    return;
  }
  int position = 1;
  for (const JobRow& row : open) {
    position += row.state == static_cast<int>(JobState::kQueued) &&
                        row.number < job.number
                    ? 1
                    : 0;
  }
  job.status.queue_position = position;
  job.status.waiting_for = "SLOT";
}

absl::StatusOr<std::vector<Job>> Manager::ListJobs() {
  ASSIGN_OR_RETURN(const std::vector<JobRow> rows,
                   ledger_.catalog().ListJobs());
  std::vector<Job> jobs;
  jobs.reserve(rows.size());
  for (const JobRow& row : rows) {
    ASSIGN_OR_RETURN(Job job, JobOfRow(row));
    AddQueue(job, rows);
    jobs.push_back(std::move(job));
  }
  return jobs;
}

absl::StatusOr<Job> Manager::GetJob(JobNumber number) {
  ASSIGN_OR_RETURN(const JobRow row, ledger_.catalog().GetJob(number));
  return Shown(row);
}

absl::StatusOr<std::vector<JobEvent>> Manager::Events(JobNumber number,
                                                      std::int64_t after,
                                                      std::size_t limit) {
  ASSIGN_OR_RETURN(const std::vector<JobEventRow> rows,
                   ledger_.catalog().ListJobEvents(number, after, limit));
  std::vector<JobEvent> events;
  events.reserve(rows.size());
  for (const JobEventRow& row : rows) {
    ASSIGN_OR_RETURN(JobEvent event, ParseEvent(row));
    events.push_back(std::move(event));
  }
  return events;
}

absl::StatusOr<std::vector<Checkpoint>> Manager::Checkpoints(JobNumber number) {
  ASSIGN_OR_RETURN(const std::vector<CheckpointRow> rows,
                   ledger_.catalog().ListCheckpoints(number));
  std::vector<Checkpoint> checkpoints;
  for (const CheckpointRow& row : rows) {
    ASSIGN_OR_RETURN(CheckpointManifest manifest,
                     ParseCheckpoint(row.manifest));
    checkpoints.push_back(
        {.step = row.step,
         .bytes = row.bytes,
         .created = row.created,
         .is_best = manifest.best && manifest.best->step == row.step,
         .evaluation = manifest.evaluation});
  }
  return checkpoints;
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
    if (next && !stopping_) {
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
    const MutexLock lock(mutex_);
    running_.reset();
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
