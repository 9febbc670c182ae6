#include "tests/unit/client/fake_jobs.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/unit/client/fake_models.h"

namespace resnetd::test {
namespace {

grpc::Status NotFound(const std::string& name) {
  return ToGrpc(RichError(grpc::StatusCode::NOT_FOUND,
                          absl::StrCat("there is no job ", name),
                          "JOB_NOT_FOUND", {}, name));
}

grpc::Status NoCheckpoint(const std::string& name) {
  return ToGrpc(RichError(grpc::StatusCode::NOT_FOUND,
                          absl::StrCat("there is no checkpoint ", name),
                          "CHECKPOINT_NOT_FOUND", {}, name));
}

bool IsDone(v1::JobState state) {
  return state == v1::JOB_STATE_SUCCEEDED || state == v1::JOB_STATE_FAILED ||
         state == v1::JOB_STATE_CANCELLED;
}

// The number of the oneof's field is that of the kind plus two.
bool Wanted(const v1::JobEvent& event,
            const google::protobuf::RepeatedField<int>& kinds) {
  return kinds.empty() ||
         std::find(kinds.begin(), kinds.end(),
                   static_cast<int>(event.body_case()) - 2) != kinds.end();
}

}  // namespace

std::string FakeJobs::Add(v1::JobState state) {
  v1::FineTuneJobSpec spec;
  spec.set_model("models/digits");
  spec.set_base_version(3);
  spec.set_dataset("datasets/photos");
  MutexLock lock(mutex_);
  return AddLocked(state, spec);
}

void FakeJobs::Tell(const std::string& job, v1::JobEvent event) {
  {
    MutexLock lock(mutex_);
    TellLocked(jobs_.at(job), std::move(event));
  }
  changed_.NotifyAll();
}

void FakeJobs::Move(const std::string& job, v1::JobState state) {
  v1::JobEvent event;
  event.mutable_state_changed()->set_to(state);
  Tell(job, event);
}

void FakeJobs::Change(const std::string& job,
                      const std::function<void(v1::FineTuneJob&)>& change) {
  MutexLock lock(mutex_);
  change(jobs_.at(job).job);
}

void FakeJobs::AddCheckpoint(const std::string& job,
                             const v1::Checkpoint& checkpoint) {
  MutexLock lock(mutex_);
  jobs_.at(job).checkpoints.push_back(checkpoint);
}

v1::CreateFineTuneJobRequest FakeJobs::created() const {
  MutexLock lock(mutex_);
  return created_;
}

std::vector<std::string> FakeJobs::request_ids() const {
  MutexLock lock(mutex_);
  return request_ids_;
}

void FakeJobs::BreakWatches() {
  {
    MutexLock lock(mutex_);
    ++watch_epoch_;
  }
  changed_.NotifyAll();
}

void FakeJobs::Stop() {
  {
    MutexLock lock(mutex_);
    stopped_ = true;
  }
  changed_.NotifyAll();
}

grpc::Status FakeJobs::Begin(const std::string& method) {
  ++calls_;
  return before ? before(method) : grpc::Status::OK;
}

std::string FakeJobs::AddLocked(v1::JobState state,
                                const v1::FineTuneJobSpec& spec) {
  std::string name = absl::StrCat("jobs/", ++last_job_);
  Kept& kept = jobs_[name];
  kept.job.set_name(name);
  *kept.job.mutable_spec() = spec;
  kept.job.set_etag("j1");
  kept.job.mutable_create_time()->set_seconds(seconds_);
  kept.job.mutable_update_time()->set_seconds(seconds_);
  kept.job.mutable_status()->set_promotion(v1::PROMOTION_STATE_NOT_REQUESTED);
  v1::JobEvent event;
  event.mutable_state_changed()->set_to(state);
  TellLocked(kept, event);
  return name;
}

void FakeJobs::TellLocked(Kept& kept, v1::JobEvent event) {
  if (event.has_state_changed()) {
    kept.job.mutable_status()->set_state(event.state_changed().to());
  }
  event.set_sequence(static_cast<std::int64_t>(kept.events.size()) + 1);
  event.mutable_time()->set_seconds(seconds_++);
  kept.events.push_back(std::move(event));
}

FakeJobs::Kept* FakeJobs::Find(const std::string& name) {
  const auto found = jobs_.find(name);
  return found == jobs_.end() ? nullptr : &found->second;
}

grpc::Status FakeJobs::CreateFineTuneJob(
    grpc::ServerContext* /*context*/,
    const v1::CreateFineTuneJobRequest* request,
    v1::CreateFineTuneJobResponse* response) {
  if (grpc::Status status = Begin("CreateFineTuneJob"); !status.ok()) {
    return status;
  }
  MutexLock lock(mutex_);
  created_ = *request;
  request_ids_.push_back(request->request_id());
  response->set_created(true);
  if (request->validate_only()) {
    *response->mutable_job()->mutable_spec() = request->spec();
    v1::FineTuneJobStatus& status = *response->mutable_job()->mutable_status();
    status.set_state(v1::JOB_STATE_QUEUED);
    v1::Recipe& recipe = *status.mutable_recipe();
    recipe.set_batch_size(32);
    v1::TrainingPhase& phase = *recipe.add_phases();
    phase.set_steps(100);
    phase.add_trained_parts(false);
    phase.add_trained_parts(true);
    phase.add_rates(0);
    phase.add_rates(0.01);
    recipe.mutable_optimizer()->set_kind(v1::OPTIMIZER_KIND_SGD);
    return grpc::Status::OK;
  }
  const std::string name =
      AddLocked(request->start() == v1::JOB_START_MANUAL ? v1::JOB_STATE_CREATED
                                                         : v1::JOB_STATE_QUEUED,
                request->spec());
  *response->mutable_job() = jobs_.at(name).job;
  return grpc::Status::OK;
}

template <typename Request, typename Response>
grpc::Status FakeJobs::Call(const std::string& method, const Request& request,
                            v1::JobState next, Response& response) {
  if (grpc::Status status = Begin(method); !status.ok()) {
    return status;
  }
  {
    MutexLock lock(mutex_);
    request_ids_.push_back(request.request_id());
    Kept* kept = Find(request.name());
    if (kept == nullptr) {
      return NotFound(request.name());
    }
    v1::JobEvent event;
    event.mutable_state_changed()->set_to(next);
    TellLocked(*kept, event);
    *response.mutable_job() = kept->job;
  }
  changed_.NotifyAll();
  return grpc::Status::OK;
}

grpc::Status FakeJobs::StartFineTuneJob(
    grpc::ServerContext* /*context*/,
    const v1::StartFineTuneJobRequest* request,
    v1::StartFineTuneJobResponse* response) {
  return Call("StartFineTuneJob", *request, v1::JOB_STATE_QUEUED, *response);
}

grpc::Status FakeJobs::PauseFineTuneJob(
    grpc::ServerContext* /*context*/,
    const v1::PauseFineTuneJobRequest* request,
    v1::PauseFineTuneJobResponse* response) {
  return Call("PauseFineTuneJob", *request, v1::JOB_STATE_PAUSING, *response);
}

grpc::Status FakeJobs::ResumeFineTuneJob(
    grpc::ServerContext* /*context*/,
    const v1::ResumeFineTuneJobRequest* request,
    v1::ResumeFineTuneJobResponse* response) {
  return Call("ResumeFineTuneJob", *request, v1::JOB_STATE_QUEUED, *response);
}

grpc::Status FakeJobs::CancelFineTuneJob(
    grpc::ServerContext* /*context*/,
    const v1::CancelFineTuneJobRequest* request,
    v1::CancelFineTuneJobResponse* response) {
  return Call("CancelFineTuneJob", *request, v1::JOB_STATE_CANCELLING,
              *response);
}

grpc::Status FakeJobs::DeleteFineTuneJob(
    grpc::ServerContext* /*context*/,
    const v1::DeleteFineTuneJobRequest* request,
    v1::DeleteFineTuneJobResponse* /*response*/) {
  if (grpc::Status status = Begin("DeleteFineTuneJob"); !status.ok()) {
    return status;
  }
  MutexLock lock(mutex_);
  request_ids_.push_back(request->request_id());
  return jobs_.erase(request->name()) > 0 ? grpc::Status::OK
                                          : NotFound(request->name());
}

grpc::Status FakeJobs::GetFineTuneJob(grpc::ServerContext* /*context*/,
                                      const v1::GetFineTuneJobRequest* request,
                                      v1::GetFineTuneJobResponse* response) {
  if (grpc::Status status = Begin("GetFineTuneJob"); !status.ok()) {
    return status;
  }
  MutexLock lock(mutex_);
  const Kept* kept = Find(request->name());
  if (kept == nullptr) {
    return NotFound(request->name());
  }
  *response->mutable_job() = kept->job;
  return grpc::Status::OK;
}

grpc::Status FakeJobs::ListFineTuneJobs(
    grpc::ServerContext* /*context*/,
    const v1::ListFineTuneJobsRequest* request,
    v1::ListFineTuneJobsResponse* response) {
  if (grpc::Status status = Begin("ListFineTuneJobs"); !status.ok()) {
    return status;
  }
  MutexLock lock(mutex_);
  // One job a page.
  int left = request->page_token().empty() ? last_job_
                                           : std::stoi(request->page_token());
  for (; left > 0; --left) {
    const Kept* kept = Find(absl::StrCat("jobs/", left));
    const auto& states = request->states();
    if (kept == nullptr ||
        (!states.empty() &&
         std::find(states.begin(), states.end(), kept->job.status().state()) ==
             states.end())) {
      continue;
    }
    if (response->jobs_size() == 1) {
      response->set_next_page_token(absl::StrCat(left));
      break;
    }
    *response->add_jobs() = kept->job;
  }
  return grpc::Status::OK;
}

grpc::Status FakeJobs::WatchFineTuneJob(
    grpc::ServerContext* context, const v1::WatchFineTuneJobRequest* request,
    grpc::ServerWriter<v1::WatchFineTuneJobResponse>* writer) {
  if (grpc::Status status = Begin("WatchFineTuneJob"); !status.ok()) {
    return status;
  }
  writer->SendInitialMetadata();
  MutexLock lock(mutex_);
  const int epoch = watch_epoch_;
  ++watches_;
  auto next = static_cast<std::size_t>(request->after_sequence());
  while (true) {
    const Kept* kept = Find(request->name());
    if (kept == nullptr) {
      return NotFound(request->name());
    }
    for (; next < kept->events.size(); ++next) {
      v1::WatchFineTuneJobResponse message;
      *message.mutable_event() = kept->events[next];
      if (Wanted(message.event(), request->kinds())) {
        writer->Write(message);
      }
    }
    if (IsDone(kept->job.status().state())) {
      return grpc::Status::OK;
    }
    if (stopped_ || watch_epoch_ != epoch || context->IsCancelled()) {
      return ToGrpc(RichError(grpc::StatusCode::UNAVAILABLE,
                              "the server is shutting down", "DRAINING"));
    }
    changed_.WaitUntil(mutex_, std::chrono::steady_clock::now() +
                                   std::chrono::milliseconds(20));
  }
}

grpc::Status FakeJobs::ListFineTuneJobEvents(
    grpc::ServerContext* /*context*/,
    const v1::ListFineTuneJobEventsRequest* request,
    v1::ListFineTuneJobEventsResponse* response) {
  if (grpc::Status status = Begin("ListFineTuneJobEvents"); !status.ok()) {
    return status;
  }
  MutexLock lock(mutex_);
  const Kept* kept = Find(request->parent());
  if (kept == nullptr) {
    return NotFound(request->parent());
  }
  // Two a page.
  std::int64_t after = request->page_token().empty()
                           ? request->after_sequence()
                           : std::stoll(request->page_token());
  for (const v1::JobEvent& event : kept->events) {
    if (event.sequence() <= after || !Wanted(event, request->kinds())) {
      continue;
    }
    if (response->events_size() == 2) {
      response->set_next_page_token(absl::StrCat(after));
      break;
    }
    *response->add_events() = event;
    after = event.sequence();
  }
  return grpc::Status::OK;
}

grpc::Status FakeJobs::ListCheckpoints(
    grpc::ServerContext* /*context*/, const v1::ListCheckpointsRequest* request,
    v1::ListCheckpointsResponse* response) {
  if (grpc::Status status = Begin("ListCheckpoints"); !status.ok()) {
    return status;
  }
  MutexLock lock(mutex_);
  const Kept* kept = Find(request->parent());
  if (kept == nullptr) {
    return NotFound(request->parent());
  }
  response->mutable_checkpoints()->Add(kept->checkpoints.begin(),
                                       kept->checkpoints.end());
  return grpc::Status::OK;
}

std::optional<std::pair<FakeJobs::Kept*, int>> FakeJobs::FindCheckpoint(
    const std::string& name) {
  Kept* kept = Find(name.substr(0, name.find("/checkpoints/")));
  for (int i = 0;
       kept != nullptr && i < static_cast<int>(kept->checkpoints.size()); ++i) {
    if (kept->checkpoints[static_cast<std::size_t>(i)].name() == name) {
      return std::pair(kept, i);
    }
  }
  return std::nullopt;
}

void FakeJobs::SetGradients(const std::string& job,
                            const v1::GradientReport& report) {
  MutexLock lock(mutex_);
  jobs_.at(job).gradients = report;
}

v1::GetGradientReportRequest FakeJobs::asked_gradients() const {
  MutexLock lock(mutex_);
  return asked_gradients_;
}

grpc::Status FakeJobs::GetGradientReport(
    grpc::ServerContext* /*context*/,
    const v1::GetGradientReportRequest* request,
    v1::GetGradientReportResponse* response) {
  if (grpc::Status status = Begin("GetGradientReport"); !status.ok()) {
    return status;
  }
  MutexLock lock(mutex_);
  asked_gradients_ = *request;
  const Kept* kept = Find(request->name());
  if (kept == nullptr) {
    return NotFound(request->name());
  }
  if (!kept->gradients) {
    return {grpc::StatusCode::FAILED_PRECONDITION, "no samples"};
  }
  *response->mutable_report() = *kept->gradients;
  return grpc::Status::OK;
}

grpc::Status FakeJobs::GetCheckpoint(grpc::ServerContext* /*context*/,
                                     const v1::GetCheckpointRequest* request,
                                     v1::GetCheckpointResponse* response) {
  MutexLock lock(mutex_);
  const auto found = FindCheckpoint(request->name());
  if (!found) {
    return NoCheckpoint(request->name());
  }
  *response->mutable_checkpoint() =
      found->first->checkpoints[static_cast<std::size_t>(found->second)];
  return grpc::Status::OK;
}

grpc::Status FakeJobs::DeleteCheckpoint(
    grpc::ServerContext* /*context*/,
    const v1::DeleteCheckpointRequest* request,
    v1::DeleteCheckpointResponse* /*response*/) {
  MutexLock lock(mutex_);
  request_ids_.push_back(request->request_id());
  const auto found = FindCheckpoint(request->name());
  if (!found) {
    return NoCheckpoint(request->name());
  }
  found->first->checkpoints.erase(found->first->checkpoints.begin() +
                                  found->second);
  return grpc::Status::OK;
}

grpc::Status FakeJobs::PublishCheckpoint(
    grpc::ServerContext* /*context*/,
    const v1::PublishCheckpointRequest* request,
    v1::PublishCheckpointResponse* response) {
  MutexLock lock(mutex_);
  request_ids_.push_back(request->request_id());
  const auto found = FindCheckpoint(request->name());
  if (!found) {
    return NoCheckpoint(request->name());
  }
  const v1::Checkpoint& checkpoint =
      found->first->checkpoints[static_cast<std::size_t>(found->second)];
  v1::Version& version = *response->mutable_version();
  version.set_name(absl::StrCat("models/digits/versions/", checkpoint.step()));
  version.add_evaluations()->set_accuracy(0.5);
  response->set_created(true);
  return grpc::Status::OK;
}

grpc::Status FakeJobs::EstimateFineTuneJob(
    grpc::ServerContext* /*context*/,
    const v1::EstimateFineTuneJobRequest* request,
    v1::EstimateFineTuneJobResponse* response) {
  if (grpc::Status status = Begin("EstimateFineTuneJob"); !status.ok()) {
    return status;
  }
  MutexLock lock(mutex_);
  *created_.mutable_spec() = request->spec();
  response->set_steps(600);
  response->set_peak_bytes(2 << 20);
  response->set_free_bytes(8 << 20);
  response->mutable_duration_low()->set_seconds(90);
  response->mutable_duration_high()->set_seconds(120);
  response->set_measured_steps(4);
  response->mutable_recipe()->set_batch_size(32);
  return grpc::Status::OK;
}

}  // namespace resnetd::test
