// The calls of Client about fine-tuning jobs.
#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/calls.h"
#include "client/convert.h"
#include "client/gradient_convert.h"
#include "client/job_convert.h"
#include "client/resuming_watch.h"
#include "server/base/ids.h"
#include "server/base/status_macros.h"

namespace resnetd::client {
namespace {

using Stub = v1::FineTuneService::Stub;

// A repetition without an id could be a second change.
std::string IdOr(std::string request_id) {
  return request_id.empty() ? NewRequestId() : std::move(request_id);
}

std::string CheckpointResource(absl::string_view job, std::int64_t step) {
  return absl::StrCat(JobResource(job), "/checkpoints/", step);
}

template <typename Message>
Message CheckpointMessage(CheckpointRequest request) {
  Message message;
  message.set_name(CheckpointResource(request.job, request.step));
  message.set_request_id(IdOr(std::move(request.request_id)));
  return message;
}

template <typename Message>
Message JobMessage(JobRequest request) {
  Message message;
  message.set_name(JobResource(request.name));
  message.set_etag(std::move(request.etag));
  message.set_request_id(IdOr(std::move(request.request_id)));
  return message;
}

// A call that changes a job and answers with it.
template <typename Calls, typename Request, typename Response>
absl::StatusOr<Job> Change(const Calls& calls,
                           grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                        const Request&,
                                                        Response*),
                           JobRequest request) {
  Response response;
  RETURN_IF_ERROR(calls.Ask(calls.short_timeout, method,
                            JobMessage<Request>(std::move(request)), response));
  return FromProto(response.job());
}

}  // namespace

absl::StatusOr<CreatedJob> Client::CreateJob(CreateJobRequest request) {
  v1::CreateFineTuneJobRequest message;
  *message.mutable_spec() = ToProto(request.spec);
  message.set_start(request.manual ? v1::JOB_START_MANUAL : v1::JOB_START_AUTO);
  message.set_request_id(IdOr(std::move(request.request_id)));
  message.set_validate_only(request.validate_only);
  v1::CreateFineTuneJobResponse response;
  // The server may have to load what trains.
  RETURN_IF_ERROR(calls_->Ask(calls_->long_timeout, &Stub::CreateFineTuneJob,
                              message, response));
  return CreatedJob{.job = FromProto(response.job()),
                    .created = response.created()};
}

absl::StatusOr<Job> Client::StartJob(JobRequest request) {
  return Change(*calls_, &Stub::StartFineTuneJob, std::move(request));
}

absl::StatusOr<Job> Client::PauseJob(JobRequest request) {
  return Change(*calls_, &Stub::PauseFineTuneJob, std::move(request));
}

absl::StatusOr<Job> Client::ResumeJob(JobRequest request) {
  return Change(*calls_, &Stub::ResumeFineTuneJob, std::move(request));
}

absl::StatusOr<Job> Client::CancelJob(JobRequest request) {
  return Change(*calls_, &Stub::CancelFineTuneJob, std::move(request));
}

absl::Status Client::DeleteJob(JobRequest request) {
  const auto message =
      JobMessage<v1::DeleteFineTuneJobRequest>(std::move(request));
  v1::DeleteFineTuneJobResponse response;
  return calls_->Ask(calls_->short_timeout, &Stub::DeleteFineTuneJob, message,
                     response);
}

absl::StatusOr<Job> Client::GetJob(absl::string_view job) {
  v1::GetFineTuneJobRequest request;
  request.set_name(JobResource(job));
  v1::GetFineTuneJobResponse response;
  RETURN_IF_ERROR(calls_->Ask(calls_->short_timeout, &Stub::GetFineTuneJob,
                              request, response));
  return FromProto(response.job());
}

absl::StatusOr<std::vector<Job>> Client::ListJobs(
    const std::vector<JobState>& states) {
  std::vector<Job> jobs;
  v1::ListFineTuneJobsRequest request;
  for (const JobState state : states) {
    request.add_states(static_cast<v1::JobState>(state));
  }
  RETURN_IF_ERROR(
      calls_->EachPage(&Stub::ListFineTuneJobs, std::move(request), "jobs",
                       [&jobs](const v1::ListFineTuneJobsResponse& page) {
                         for (const v1::FineTuneJob& job : page.jobs()) {
                           jobs.push_back(FromProto(job));
                         }
                       }));
  return jobs;
}

absl::StatusOr<std::vector<JobEvent>> Client::ListJobEvents(
    const WatchJobRequest& events) {
  std::vector<JobEvent> list;
  v1::ListFineTuneJobEventsRequest request;
  request.set_parent(JobResource(events.job));
  // As many as may be: a job has thousands.
  request.set_page_size(1000);
  request.set_after_sequence(events.after_sequence);
  for (const JobEventKind kind : events.kinds) {
    request.add_kinds(static_cast<v1::JobEventKind>(kind));
  }
  RETURN_IF_ERROR(calls_->EachPage(
      &Stub::ListFineTuneJobEvents, std::move(request), "events",
      [&list](const v1::ListFineTuneJobEventsResponse& page) {
        for (const v1::JobEvent& event : page.events()) {
          list.push_back(FromProto(event));
        }
      }));
  return list;
}

absl::StatusOr<std::vector<Checkpoint>> Client::ListCheckpoints(
    absl::string_view job) {
  std::vector<Checkpoint> checkpoints;
  v1::ListCheckpointsRequest request;
  request.set_parent(JobResource(job));
  RETURN_IF_ERROR(calls_->EachPage(
      &Stub::ListCheckpoints, std::move(request), "checkpoints",
      [&checkpoints](const v1::ListCheckpointsResponse& page) {
        for (const v1::Checkpoint& checkpoint : page.checkpoints()) {
          checkpoints.push_back(FromProto(checkpoint));
        }
      }));
  return checkpoints;
}

absl::StatusOr<GradientReport> Client::GetGradients(
    const GradientRequest& gradients) {
  v1::GetGradientReportRequest request;
  request.set_name(JobResource(gradients.job));
  request.set_first_step(gradients.first_step);
  request.set_last_step(gradients.last_step);
  for (const std::string& block : gradients.blocks) {
    request.add_blocks(block);
  }
  request.set_max_samples(gradients.max_samples);
  v1::GetGradientReportResponse response;
  RETURN_IF_ERROR(calls_->Ask(calls_->short_timeout, &Stub::GetGradientReport,
                              request, response));
  return FromProto(response.report());
}

absl::StatusOr<Checkpoint> Client::GetCheckpoint(absl::string_view job,
                                                 std::int64_t step) {
  v1::GetCheckpointRequest request;
  request.set_name(CheckpointResource(job, step));
  v1::GetCheckpointResponse response;
  RETURN_IF_ERROR(calls_->Ask(calls_->short_timeout, &Stub::GetCheckpoint,
                              request, response));
  return FromProto(response.checkpoint());
}

absl::Status Client::DeleteCheckpoint(CheckpointRequest request) {
  const auto message =
      CheckpointMessage<v1::DeleteCheckpointRequest>(std::move(request));
  v1::DeleteCheckpointResponse response;
  return calls_->Ask(calls_->short_timeout, &Stub::DeleteCheckpoint, message,
                     response);
}

absl::StatusOr<PublishedCheckpoint> Client::PublishCheckpoint(
    CheckpointRequest request) {
  const auto message =
      CheckpointMessage<v1::PublishCheckpointRequest>(std::move(request));
  v1::PublishCheckpointResponse response;
  RETURN_IF_ERROR(calls_->Ask(calls_->long_timeout, &Stub::PublishCheckpoint,
                              message, response));
  return PublishedCheckpoint{.version = FromProto(response.version()),
                             .created = response.created()};
}

absl::StatusOr<JobEstimate> Client::EstimateJob(const JobSpec& spec) {
  v1::EstimateFineTuneJobRequest request;
  *request.mutable_spec() = ToProto(spec);
  v1::EstimateFineTuneJobResponse response;
  RETURN_IF_ERROR(calls_->Ask(calls_->long_timeout, &Stub::EstimateFineTuneJob,
                              request, response));
  return JobEstimate{.steps = response.steps(),
                     .peak_bytes = response.peak_bytes(),
                     .free_bytes = response.free_bytes(),
                     .duration_low = FromProto(response.duration_low()),
                     .duration_high = FromProto(response.duration_high()),
                     .measured_steps = response.measured_steps(),
                     .recipe = FromProto(response.recipe())};
}

// One watch: where it is and how it goes on.
class Client::JobWatch final : public ResumingWatch {
 public:
  JobWatch(const Calls& calls, const WatchJobRequest& request,
           const JobWatchHandler& handler, std::stop_token stop)
      : ResumingWatch(handler.on_broken, std::move(stop)),
        calls_(calls),
        handler_(handler),
        after_(request.after_sequence) {
    request_.set_name(JobResource(request.job));
    for (const JobEventKind kind : request.kinds) {
      request_.add_kinds(static_cast<v1::JobEventKind>(kind));
    }
  }

 private:
  absl::Status Ask() override {
    v1::GetFineTuneJobRequest request;
    request.set_name(request_.name());
    v1::GetFineTuneJobResponse response;
    return calls_.Ask(calls_.short_timeout, &Stub::GetFineTuneJob, request,
                      response);
  }

  void Connected() override {
    if (handler_.on_connected) {
      handler_.on_connected(after_);
    }
  }

  absl::Status Stream(grpc::ClientContext& context) override {
    request_.set_after_sequence(after_);
    const auto reader = calls_.jobs->WatchFineTuneJob(&context, request_);
    v1::WatchFineTuneJobResponse message;
    while (reader->Read(&message)) {
      const JobEvent event = FromProto(message.event());
      // Each once, whatever the server repeats.
      if (event.sequence <= after_) {
        continue;
      }
      after_ = event.sequence;
      if (!handler_.on_event(event)) {
        Enough();
        context.TryCancel();
        break;
      }
    }
    return FromGrpc(reader->Finish());
  }

  // With the job.
  bool has_end() const override { return true; }

  const Calls& calls_;
  const JobWatchHandler& handler_;
  v1::WatchFineTuneJobRequest request_;
  std::int64_t after_;
};

absl::Status Client::WatchJob(const WatchJobRequest& request,
                              const JobWatchHandler& handler,
                              std::stop_token stop) {
  return JobWatch(*calls_, request, handler, std::move(stop)).Run();
}

}  // namespace resnetd::client
