#include "server/rpc/fine_tune_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/base/error.h"
#include "tests/unit/rpc/jobs_fixture.h"

namespace resnetd {
namespace {

using testing::Contains;
using testing::Key;
using testing::Pair;

class FineTuneServiceTest : public JobsTest {
 protected:
  // An error of each code and reason that the manager may answer with.
  static std::vector<std::pair<absl::Status, grpc::StatusCode>> Errors() {
    const auto error = [](absl::StatusCode code, Reason reason) {
      return absl::Status(Error(code, reason, "so it is"));
    };
    using absl::StatusCode;
    return {
        {error(StatusCode::kNotFound, Reason::kModelNotFound),
         grpc::StatusCode::NOT_FOUND},
        {error(StatusCode::kNotFound, Reason::kVersionNotFound),
         grpc::StatusCode::NOT_FOUND},
        {error(StatusCode::kNotFound, Reason::kDatasetNotFound),
         grpc::StatusCode::NOT_FOUND},
        {error(StatusCode::kFailedPrecondition, Reason::kDatasetNotSealed),
         grpc::StatusCode::FAILED_PRECONDITION},
        {error(StatusCode::kFailedPrecondition, Reason::kTooFewExamples),
         grpc::StatusCode::FAILED_PRECONDITION},
        {error(StatusCode::kFailedPrecondition, Reason::kTooManyBadExamples),
         grpc::StatusCode::FAILED_PRECONDITION},
        {error(StatusCode::kFailedPrecondition, Reason::kForgettingNotAllowed),
         grpc::StatusCode::FAILED_PRECONDITION},
        {error(StatusCode::kFailedPrecondition, Reason::kBackendUnavailable),
         grpc::StatusCode::FAILED_PRECONDITION},
        {error(StatusCode::kResourceExhausted, Reason::kQueueFull),
         grpc::StatusCode::RESOURCE_EXHAUSTED},
        {error(StatusCode::kResourceExhausted, Reason::kStorageFull),
         grpc::StatusCode::RESOURCE_EXHAUSTED},
        {error(StatusCode::kUnavailable, Reason::kStoreFailed),
         grpc::StatusCode::UNAVAILABLE},
        {error(StatusCode::kInvalidArgument, Reason::kRecipeInvalid),
         grpc::StatusCode::INVALID_ARGUMENT},
    };
  }
};

TEST_F(FineTuneServiceTest, AJobIsCreatedStartedPausedResumedAndCancelled) {
  ListenReady();
  v1::CreateFineTuneJobRequest create = NewJobRequest();
  create.set_start(v1::JOB_START_MANUAL);
  v1::CreateFineTuneJobResponse created;
  ASSERT_TRUE(Call(&Stub::CreateFineTuneJob, create, &created).ok());
  EXPECT_TRUE(created.created());
  EXPECT_EQ(created.job().name(), "jobs/1");
  EXPECT_EQ(created.job().status().state(), v1::JOB_STATE_CREATED);
  const JobNumber job{1};
  v1::StartFineTuneJobResponse started;
  ASSERT_TRUE(Call(&Stub::StartFineTuneJob,
                   Named<v1::StartFineTuneJobRequest>(job), &started)
                  .ok());
  EXPECT_EQ(started.job().status().state(), v1::JOB_STATE_QUEUED);
  job_manager_.Move(job, JobState::kRunning);
  v1::PauseFineTuneJobResponse paused;
  ASSERT_TRUE(Call(&Stub::PauseFineTuneJob,
                   Named<v1::PauseFineTuneJobRequest>(job), &paused)
                  .ok());
  EXPECT_EQ(paused.job().status().state(), v1::JOB_STATE_PAUSING);
  job_manager_.Move(job, JobState::kPaused);
  v1::ResumeFineTuneJobResponse resumed;
  ASSERT_TRUE(Call(&Stub::ResumeFineTuneJob,
                   Named<v1::ResumeFineTuneJobRequest>(job), &resumed)
                  .ok());
  EXPECT_EQ(resumed.job().status().state(), v1::JOB_STATE_QUEUED);
  v1::CancelFineTuneJobResponse cancelled;
  ASSERT_TRUE(Call(&Stub::CancelFineTuneJob,
                   Named<v1::CancelFineTuneJobRequest>(job), &cancelled)
                  .ok());
  EXPECT_EQ(cancelled.job().status().state(), v1::JOB_STATE_CANCELLING);
  job_manager_.Move(job, JobState::kCancelled);
  ASSERT_TRUE(
      Call(&Stub::DeleteFineTuneJob, Named<v1::DeleteFineTuneJobRequest>(job))
          .ok());
  const grpc::Status gone = Call(&Stub::GetFineTuneJob, [] {
    v1::GetFineTuneJobRequest request;
    request.set_name("jobs/1");
    return request;
  }());
  EXPECT_EQ(ReasonOf(gone), "JOB_NOT_FOUND");
}

TEST_F(FineTuneServiceTest, AnswersEveryRead) {
  ListenReady();
  const JobNumber job = job_manager_.Add(JobState::kRunning);
  job_manager_.AddCheckpoint(job, {.step = 5});
  v1::GetFineTuneJobRequest get;
  get.set_name("jobs/1");
  v1::GetFineTuneJobResponse got;
  ASSERT_TRUE(Call(&Stub::GetFineTuneJob, get, &got).ok());
  EXPECT_EQ(got.job().etag(), "j1");
  v1::ListFineTuneJobsResponse jobs;
  ASSERT_TRUE(
      Call(&Stub::ListFineTuneJobs, v1::ListFineTuneJobsRequest(), &jobs).ok());
  EXPECT_EQ(jobs.jobs_size(), 1);
  v1::ListFineTuneJobEventsRequest list;
  list.set_parent("jobs/1");
  v1::ListFineTuneJobEventsResponse events;
  ASSERT_TRUE(Call(&Stub::ListFineTuneJobEvents, list, &events).ok());
  EXPECT_EQ(events.events_size(), 1);
  v1::ListCheckpointsRequest list_checkpoints;
  list_checkpoints.set_parent("jobs/1");
  v1::ListCheckpointsResponse checkpoints;
  ASSERT_TRUE(
      Call(&Stub::ListCheckpoints, list_checkpoints, &checkpoints).ok());
  EXPECT_EQ(checkpoints.checkpoints_size(), 1);
  v1::GetCheckpointRequest get_checkpoint;
  get_checkpoint.set_name("jobs/1/checkpoints/5");
  v1::GetCheckpointResponse checkpoint;
  ASSERT_TRUE(Call(&Stub::GetCheckpoint, get_checkpoint, &checkpoint).ok());
  EXPECT_EQ(checkpoint.checkpoint().step(), 5);
}

TEST_F(FineTuneServiceTest, WhatTakesLongDoesNotHoldUpACancellation) {
  ListenReady();
  const JobNumber job = job_manager_.Add(JobState::kRunning);
  job_manager_.AddCheckpoint(job, {.step = 5});
  job_manager_.Hold("PublishCheckpoint");
  v1::PublishCheckpointResponse published;
  std::thread publish([&] {
    v1::PublishCheckpointRequest request;
    request.set_name("jobs/1/checkpoints/5");
    EXPECT_TRUE(Call(&Stub::PublishCheckpoint, request, &published).ok());
  });
  job_manager_.AwaitCalls("PublishCheckpoint", 1);
  v1::CancelFineTuneJobResponse cancelled;
  EXPECT_TRUE(Call(&Stub::CancelFineTuneJob,
                   Named<v1::CancelFineTuneJobRequest>(job), &cancelled)
                  .ok());
  EXPECT_EQ(cancelled.job().status().state(), v1::JOB_STATE_CANCELLING);
  job_manager_.Release();
  publish.join();
  EXPECT_TRUE(published.created());
  v1::EstimateFineTuneJobRequest estimate;
  *estimate.mutable_spec() = NewJobRequest().spec();
  v1::EstimateFineTuneJobResponse estimated;
  EXPECT_TRUE(Call(&Stub::EstimateFineTuneJob, estimate, &estimated).ok());
  EXPECT_EQ(estimated.steps(), 100);
  v1::DeleteCheckpointRequest remove;
  remove.set_name("jobs/1/checkpoints/5");
  v1::DeleteCheckpointResponse removed;
  EXPECT_TRUE(Call(&Stub::DeleteCheckpoint, remove, &removed).ok());
}

TEST_F(FineTuneServiceTest, ARepeatedRequestIsCarriedOutOnce) {
  ListenReady();
  v1::CreateFineTuneJobResponse first;
  v1::CreateFineTuneJobResponse second;
  ASSERT_TRUE(
      Call(&Stub::CreateFineTuneJob, NewJobRequest("once"), &first).ok());
  ASSERT_TRUE(
      Call(&Stub::CreateFineTuneJob, NewJobRequest("once"), &second).ok());
  EXPECT_TRUE(first.created());
  EXPECT_FALSE(second.created());
  EXPECT_EQ(first.job().name(), second.job().name());
  v1::CreateFineTuneJobRequest other = NewJobRequest("once");
  other.mutable_spec()->set_display_name("another");
  const grpc::Status conflict = Call(&Stub::CreateFineTuneJob, other);
  EXPECT_EQ(conflict.error_code(), grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_EQ(ReasonOf(conflict), "REQUEST_ID_CONFLICT");
}

TEST_F(FineTuneServiceTest, EveryErrorOfTheManagerHasItsCodeAndReason) {
  ListenReady();
  for (const auto& [error, code] : Errors()) {
    job_manager_.Fail("CreateJob", error);
    const grpc::Status status = Call(&Stub::CreateFineTuneJob, NewJobRequest());
    EXPECT_EQ(status.error_code(), code) << error;
    EXPECT_EQ(ReasonOf(status), DetailsOf(error).reason);
  }
}

TEST_F(FineTuneServiceTest, RefusesCallsThatTheStateForbids) {
  ListenReady();
  const JobNumber job = job_manager_.Add(JobState::kSucceeded);
  const grpc::Status status =
      Call(&Stub::PauseFineTuneJob, Named<v1::PauseFineTuneJobRequest>(job));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(ReasonOf(status), "JOB_STATE");
  EXPECT_EQ(MetadataOf(status)["state"], "SUCCEEDED");
  const JobNumber running = job_manager_.Add(JobState::kRunning);
  EXPECT_EQ(ReasonOf(Call(&Stub::DeleteFineTuneJob,
                          Named<v1::DeleteFineTuneJobRequest>(running))),
            "JOB_STATE");
}

TEST_F(FineTuneServiceTest, RefusesAStaleEtag) {
  ListenReady();
  const JobNumber job = job_manager_.Add(JobState::kRunning);
  const grpc::Status status = Call(
      &Stub::CancelFineTuneJob, Named<v1::CancelFineTuneJobRequest>(job, "j0"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_EQ(ReasonOf(status), "ETAG_MISMATCH");
  EXPECT_EQ(MetadataOf(status)["etag"], "j1");
  EXPECT_TRUE(Call(&Stub::CancelFineTuneJob,
                   Named<v1::CancelFineTuneJobRequest>(job, "j1"))
                  .ok());
}

TEST_F(FineTuneServiceTest, NamesEveryWrongField) {
  ListenReady();
  v1::CreateFineTuneJobRequest request;
  request.mutable_spec()->mutable_gate()->set_alpha(2);
  request.set_request_id("a\tb");
  const grpc::Status status = Call(&Stub::CreateFineTuneJob, request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  const auto found = ViolationsOf(status);
  for (const char* field :
       {"spec.model", "spec.dataset", "spec.gate.alpha", "request_id"}) {
    EXPECT_THAT(found, Contains(Key(field)));
  }
}

TEST_F(FineTuneServiceTest, AServerThatDoesNotTrainSaysSo) {
  training_.jobs = nullptr;
  ListenReady();
  const auto check = [](const grpc::Status& status) {
    EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
    EXPECT_EQ(ReasonOf(status), "BACKEND_UNAVAILABLE");
  };
  check(Call(&Stub::CreateFineTuneJob, NewJobRequest()));
  check(Call(&Stub::ListFineTuneJobs, v1::ListFineTuneJobsRequest()));
  grpc::ClientContext context;
  v1::WatchFineTuneJobRequest request;
  request.set_name("jobs/1");
  auto reader = jobs_->WatchFineTuneJob(&context, request);
  v1::WatchFineTuneJobResponse event;
  EXPECT_FALSE(reader->Read(&event));
  check(reader->Finish());
}

TEST_F(FineTuneServiceTest, ReadsAlsoWhileItStartsAndChangesNothing) {
  Listen();
  jobs_ = v1::FineTuneService::NewStub(channel_);
  job_manager_.Add(JobState::kQueued);
  EXPECT_TRUE(
      Call(&Stub::ListFineTuneJobs, v1::ListFineTuneJobsRequest()).ok());
  const grpc::Status status = Call(&Stub::CreateFineTuneJob, NewJobRequest());
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ReasonOf(status), "STARTING");
}

TEST_F(FineTuneServiceTest, AChangeThatLastsHoldsUpNoOtherService) {
  ListenReady();
  job_manager_.Hold("CreateJob");
  auto creating = std::async(std::launch::async, [this] {
    return Call(&Stub::CreateFineTuneJob, NewJobRequest());
  });
  job_manager_.AwaitCalls("CreateJob", 1);
  EXPECT_TRUE(
      Call(&Stub::ListFineTuneJobs, v1::ListFineTuneJobsRequest()).ok());
  EXPECT_TRUE(RpcTest::Call(&v1::ModelService::Stub::ListModels,
                            v1::ListModelsRequest())
                  .ok());
  EXPECT_EQ(Health(""), grpc::health::v1::HealthCheckResponse::SERVING);
  job_manager_.Release();
  EXPECT_TRUE(creating.get().ok());
}

TEST_F(FineTuneServiceTest, ChangesBeyondTheQueueAreRefused) {
  ListenReady();
  job_manager_.Hold("CreateJob");
  std::vector<std::future<grpc::Status>> calls;
  const auto call = [this] {
    return std::async(std::launch::async, [this] {
      return Call(&Stub::CreateFineTuneJob, NewJobRequest());
    });
  };
  calls.push_back(call());
  job_manager_.AwaitCalls("CreateJob", 1);
  for (std::size_t i = 0; i < CallLanes::kMaxWaitingChanges + 1; ++i) {
    calls.push_back(call());
  }
  // One more than may wait: it is refused while nothing moves.
  while (telemetry_.ended().empty()) {
  }
  job_manager_.Release();
  int refused = 0;
  for (std::future<grpc::Status>& pending : calls) {
    const grpc::Status status = pending.get();
    if (!status.ok()) {
      EXPECT_EQ(ReasonOf(status), "OVERLOADED");
      EXPECT_TRUE(DetailOf<google::rpc::RetryInfo>(status).has_value());
      ++refused;
    }
  }
  EXPECT_EQ(refused, 1);
}

TEST_F(FineTuneServiceTest, ADrainLetsAChangeFinishAndTakesNoNewOnes) {
  ListenReady();
  job_manager_.Hold("CreateJob");
  auto creating = std::async(std::launch::async, [this] {
    return Call(&Stub::CreateFineTuneJob, NewJobRequest());
  });
  job_manager_.AwaitCalls("CreateJob", 1);
  auto draining = std::async(std::launch::async, [this] {
    server_->Drain(Duration::zero(), std::chrono::seconds(20));
  });
  v1::GetServerInfoResponse info;
  info.set_ready(true);
  while (info.ready()) {
    grpc::ClientContext context;
    ASSERT_TRUE(server_info_->GetServerInfo(&context, {}, &info).ok());
  }
  EXPECT_EQ(ReasonOf(Call(&Stub::CreateFineTuneJob, NewJobRequest())),
            "DRAINING");
  EXPECT_TRUE(
      Call(&Stub::ListFineTuneJobs, v1::ListFineTuneJobsRequest()).ok());
  job_manager_.Release();
  EXPECT_TRUE(creating.get().ok());
  draining.get();
}

}  // namespace
}  // namespace resnetd
