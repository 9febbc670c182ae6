#include "tests/support/fake_job_manager.h"

#include <algorithm>
#include <variant>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/status_macros.h"

namespace resnetd {

JobSpec FakeJobSpec() {
  JobSpec spec{.model = ModelName::Parse("digits").value(),
               .dataset = DatasetName::Parse("photos").value()};
  spec.base = VersionNumber{3};
  return spec;
}

class FakeJobManager::Listening final : public Subscription {
 public:
  Listening(FakeJobManager& manager, int id) : manager_(manager), id_(id) {}
  ~Listening() override {
    MutexLock lock(manager_.mutex_);
    while (manager_.telling_ > 0) {
      manager_.changed_.Wait(manager_.mutex_);
    }
    manager_.listeners_.erase(id_);
  }

 private:
  FakeJobManager& manager_;
  const int id_;
};

void FakeJobManager::Fail(const std::string& method, absl::Status error) {
  MutexLock lock(mutex_);
  errors_[method] = std::move(error);
}

void FakeJobManager::Hold(const std::string& method) {
  MutexLock lock(mutex_);
  held_.insert(method);
}

void FakeJobManager::Release() {
  {
    MutexLock lock(mutex_);
    held_.clear();
  }
  changed_.NotifyAll();
}

void FakeJobManager::AwaitCalls(const std::string& method, std::size_t count) {
  MutexLock lock(mutex_);
  while (calls_[method] < count) {
    changed_.Wait(mutex_);
  }
}

std::size_t FakeJobManager::calls(const std::string& method) {
  MutexLock lock(mutex_);
  return calls_[method];
}

Mutation FakeJobManager::last_mutation() {
  MutexLock lock(mutex_);
  return last_mutation_;
}

JobSpec FakeJobManager::last_spec() {
  MutexLock lock(mutex_);
  return *last_spec_;
}

bool FakeJobManager::last_wait_for_start() {
  MutexLock lock(mutex_);
  return last_wait_for_start_;
}

std::string FakeJobManager::last_etag() {
  MutexLock lock(mutex_);
  return last_etag_;
}

JobNumber FakeJobManager::Add(JobState state, JobSpec spec) {
  JobNumber number;
  {
    MutexLock lock(mutex_);
    number = AddLocked(state, std::move(spec));
  }
  TellListeners();
  return number;
}

void FakeJobManager::Tell(JobNumber job, JobEventBody body, WallTime time) {
  TellMany(job, body, 1, time);
}

void FakeJobManager::TellMany(JobNumber job, const JobEventBody& body,
                              int count, WallTime time) {
  {
    MutexLock lock(mutex_);
    for (int i = 0; i < count; ++i) {
      TellLocked(jobs_.at(job), body, time);
    }
  }
  TellListeners();
}

void FakeJobManager::Move(JobNumber job, JobState state, WallTime time) {
  {
    MutexLock lock(mutex_);
    Kept& kept = jobs_.at(job);
    TellLocked(kept, StateChanged{.from = kept.job.status.state, .to = state},
               time);
  }
  TellListeners();
}

void FakeJobManager::Edit(JobNumber job,
                          const std::function<void(Job&)>& edit) {
  MutexLock lock(mutex_);
  edit(jobs_.at(job).job);
}

void FakeJobManager::AddCheckpoint(JobNumber job, Checkpoint checkpoint) {
  MutexLock lock(mutex_);
  jobs_.at(job).checkpoints.push_back(std::move(checkpoint));
}

absl::StatusOr<NewJob> FakeJobManager::CreateJob(const JobSpec& spec,
                                                 bool wait_for_start,
                                                 bool validate_only,
                                                 const Mutation& mutation) {
  NewJob created{.job = {.number = {}, .spec = spec}, .created = true};
  {
    MutexLock lock(mutex_);
    last_mutation_ = mutation;
    last_spec_ = spec;
    last_wait_for_start_ = wait_for_start;
    RETURN_IF_ERROR(Enter("CreateJob"));
    const auto before = done_.find(mutation.request_id);
    if (!mutation.request_id.empty() && before != done_.end()) {
      if (before->second.first != mutation.request_hash) {
        return Error(absl::StatusCode::kAlreadyExists,
                     Reason::kRequestIdConflict, "used for another request");
      }
      return NewJob{.job = jobs_.at(before->second.second).job};
    }
    if (validate_only) {
      created.job.number.value = 0;
      created.job.status.recipe.emplace();
      return created;
    }
    const JobNumber number = AddLocked(
        wait_for_start ? JobState::kCreated : JobState::kQueued, spec);
    created.job = jobs_.at(number).job;
    if (!mutation.request_id.empty()) {
      done_[mutation.request_id] = {mutation.request_hash, number};
    }
  }
  TellListeners();
  return created;
}

absl::StatusOr<Job> FakeJobManager::CallJob(JobNumber job, JobCall call,
                                            absl::string_view etag,
                                            const Mutation& mutation) {
  std::optional<Job> changed;
  {
    MutexLock lock(mutex_);
    ASSIGN_OR_RETURN(Kept* const kept, FindFor("CallJob", job, etag, mutation));
    ASSIGN_OR_RETURN(const CallDecision decision,
                     DecideCall(job, kept->job.status.state, call));
    if (decision.effect == CallEffect::kChangeState) {
      TellLocked(
          *kept,
          StateChanged{.from = kept->job.status.state, .to = decision.next},
          kTime);
    }
    changed = kept->job;
  }
  TellListeners();
  return *std::move(changed);
}

absl::Status FakeJobManager::DeleteJob(JobNumber job, absl::string_view etag,
                                       const Mutation& mutation) {
  MutexLock lock(mutex_);
  ASSIGN_OR_RETURN(Kept* const kept, FindFor("DeleteJob", job, etag, mutation));
  RETURN_IF_ERROR(
      DecideCall(job, kept->job.status.state, JobCall::kDelete).status());
  jobs_.erase(job);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Job>> FakeJobManager::ListJobs() {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(Enter("ListJobs"));
  std::vector<Job> jobs;
  for (auto kept = jobs_.rbegin(); kept != jobs_.rend(); ++kept) {
    jobs.push_back(kept->second.job);
  }
  return jobs;
}

absl::StatusOr<Job> FakeJobManager::GetJob(JobNumber job) {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(Enter("GetJob"));
  ASSIGN_OR_RETURN(const Kept* const kept, Find(job));
  return kept->job;
}

absl::StatusOr<std::vector<JobEvent>> FakeJobManager::Events(
    JobNumber job, std::int64_t after, std::size_t limit) {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(Enter("Events"));
  ASSIGN_OR_RETURN(const Kept* const kept, Find(job));
  const auto count = static_cast<std::int64_t>(kept->events.size());
  if (after > count) {
    return Error(absl::StatusCode::kOutOfRange, Reason::kEventsExpired,
                 "there is no such event yet")
        .Metadata("last", absl::StrCat(count));
  }
  const std::int64_t end =
      std::min(count, after + static_cast<std::int64_t>(limit));
  return std::vector<JobEvent>(kept->events.begin() + after,
                               kept->events.begin() + end);
}

absl::StatusOr<Checkpoint> FakeJobManager::GetCheckpoint(JobNumber job,
                                                         std::int64_t step) {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(Enter("GetCheckpoint"));
  ASSIGN_OR_RETURN(const Kept* const kept, Find(job));
  ASSIGN_OR_RETURN(const std::size_t index, FindCheckpoint(*kept, step));
  return kept->checkpoints[index];
}

absl::StatusOr<JobEstimate> FakeJobManager::EstimateJob(const JobSpec& spec) {
  MutexLock lock(mutex_);
  last_spec_ = spec;
  RETURN_IF_ERROR(Enter("EstimateJob"));
  return JobEstimate{.recipe = {},
                     .steps = 100,
                     .peak_bytes = 1'000'000,
                     .free_bytes = 3'000'000,
                     .low = std::chrono::minutes(1),
                     .high = std::chrono::minutes(2),
                     .measured_steps = 2};
}

absl::StatusOr<Imported> FakeJobManager::PublishCheckpoint(
    JobNumber job, std::int64_t step, const Mutation& mutation) {
  MutexLock lock(mutex_);
  ASSIGN_OR_RETURN(Kept* const kept,
                   FindFor("PublishCheckpoint", job, "", mutation));
  RETURN_IF_ERROR(FindCheckpoint(*kept, step).status());
  const ModelName& model = kept->job.spec.model;
  Imported imported{
      .version = {.row = {.model = model, .version = VersionNumber{step}},
                  .facts = std::make_shared<const VersionFacts>(VersionFacts{
                      .name = model, .version = VersionNumber{step}})},
      .created = true};
  return imported;
}

absl::Status FakeJobManager::DeleteCheckpoint(JobNumber job, std::int64_t step,
                                              const Mutation& mutation) {
  MutexLock lock(mutex_);
  ASSIGN_OR_RETURN(Kept* const kept,
                   FindFor("DeleteCheckpoint", job, "", mutation));
  ASSIGN_OR_RETURN(const std::size_t index, FindCheckpoint(*kept, step));
  kept->checkpoints.erase(kept->checkpoints.begin() +
                          static_cast<std::ptrdiff_t>(index));
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Checkpoint>> FakeJobManager::Checkpoints(
    JobNumber job) {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(Enter("Checkpoints"));
  ASSIGN_OR_RETURN(const Kept* const kept, Find(job));
  return kept->checkpoints;
}

void FakeJobManager::SetSamples(JobNumber job, JobSamples samples) {
  MutexLock lock(mutex_);
  jobs_.at(job).samples = std::move(samples);
}

absl::StatusOr<GradientReport> FakeJobManager::Gradients(
    const GradientQuery& query) {
  MutexLock lock(mutex_);
  RETURN_IF_ERROR(Enter("Gradients"));
  ASSIGN_OR_RETURN(const Kept* const kept, Find(query.job));
  JobSamples samples = kept->samples;
  std::erase_if(samples.rows, [&query](const JobSampleRow& row) {
    return row.step < query.first_step ||
           (query.last_step > 0 && row.step > query.last_step);
  });
  return MakeGradientReport(kept->job, samples, query);
}

std::unique_ptr<JobManager::Subscription> FakeJobManager::Subscribe(
    std::function<void()> listener) {
  MutexLock lock(mutex_);
  listeners_[++last_listener_] = std::move(listener);
  return std::make_unique<Listening>(*this, last_listener_);
}

absl::Status FakeJobManager::Enter(const std::string& method) {
  ++calls_[method];
  changed_.NotifyAll();
  while (held_.count(method) > 0) {
    changed_.Wait(mutex_);
  }
  const auto error = errors_.find(method);
  return error == errors_.end() ? absl::OkStatus() : error->second;
}

absl::StatusOr<FakeJobManager::Kept*> FakeJobManager::Find(JobNumber job) {
  const auto found = jobs_.find(job);
  if (found == jobs_.end()) {
    return absl::Status(Error(absl::StatusCode::kNotFound, Reason::kJobNotFound,
                              absl::StrCat("there is no job ", job.value))
                            .Resource("job", absl::StrCat("jobs/", job.value)));
  }
  return &found->second;
}

absl::StatusOr<std::size_t> FakeJobManager::FindCheckpoint(const Kept& kept,
                                                           std::int64_t step) {
  for (std::size_t i = 0; i < kept.checkpoints.size(); ++i) {
    if (kept.checkpoints[i].step == step) {
      return i;
    }
  }
  return Error(absl::StatusCode::kNotFound, Reason::kCheckpointNotFound,
               absl::StrCat("there is no checkpoint of step ", step));
}

absl::StatusOr<FakeJobManager::Kept*> FakeJobManager::FindFor(
    const std::string& method, JobNumber job, absl::string_view etag,
    const Mutation& mutation) {
  last_mutation_ = mutation;
  last_etag_ = std::string(etag);
  RETURN_IF_ERROR(Enter(method));
  ASSIGN_OR_RETURN(Kept* const kept, Find(job));
  if (!etag.empty() && etag != kept->job.etag) {
    return absl::Status(Error(absl::StatusCode::kAborted, Reason::kEtagMismatch,
                              "changed meanwhile")
                            .Metadata("etag", kept->job.etag));
  }
  return kept;
}

JobNumber FakeJobManager::AddLocked(JobState state, JobSpec spec) {
  const JobNumber number{++last_job_};
  Kept kept{.job = {.number = number,
                    .spec = std::move(spec),
                    .etag = "j1",
                    .created = kTime,
                    .updated = kTime}};
  jobs_.emplace(number, std::move(kept));
  TellLocked(jobs_.at(number), StateChanged{.to = state}, kTime);
  jobs_.at(number).job.etag = "j1";
  return number;
}

void FakeJobManager::TellLocked(Kept& kept, JobEventBody body, WallTime time) {
  if (const auto* change = std::get_if<StateChanged>(&body)) {
    kept.job.status.state = change->to;
  }
  const std::size_t sequence = kept.events.size() + 1;
  kept.job.etag = absl::StrCat("j", sequence);
  kept.events.push_back({.sequence = static_cast<std::int64_t>(sequence),
                         .time = time,
                         .body = std::move(body)});
}

void FakeJobManager::TellListeners() {
  std::map<int, std::function<void()>> listeners;
  {
    MutexLock lock(mutex_);
    ++telling_;
    listeners = listeners_;
  }
  for (const auto& [id, listener] : listeners) {
    listener();
  }
  {
    MutexLock lock(mutex_);
    --telling_;
  }
  changed_.NotifyAll();
}

}  // namespace resnetd
