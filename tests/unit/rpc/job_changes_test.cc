#include "server/rpc/job_changes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "server/base/error.h"
#include "tests/support/fake_job_manager.h"

namespace resnetd {
namespace {

using testing::ElementsAre;
using testing::Key;
using testing::UnorderedElementsAre;

class JobChangesTest : public testing::Test {
 protected:
  static v1::CreateFineTuneJobRequest NewRequest() {
    v1::CreateFineTuneJobRequest request;
    request.mutable_spec()->set_model("models/digits");
    request.mutable_spec()->set_dataset("datasets/photos");
    return request;
  }

  FakeJobManager manager_;
  const RequestLimits limits_;
};

TEST_F(JobChangesTest, CreatesWhatWasAskedFor) {
  v1::CreateFineTuneJobRequest request = NewRequest();
  request.mutable_spec()->set_display_name("cats");
  request.set_request_id("r1");
  const auto response = CreateFineTuneJob(manager_, limits_, request);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_TRUE(response->created());
  EXPECT_EQ(response->job().name(), "jobs/1");
  EXPECT_EQ(response->job().status().state(), v1::JOB_STATE_QUEUED);
  EXPECT_EQ(manager_.last_spec().display_name, "cats");
  EXPECT_FALSE(manager_.last_wait_for_start());
  EXPECT_EQ(manager_.last_mutation().method, "CreateFineTuneJob");
  EXPECT_EQ(manager_.last_mutation().request_id, "r1");
}

TEST_F(JobChangesTest, AManualJobWaitsForItsStart) {
  v1::CreateFineTuneJobRequest request = NewRequest();
  for (const auto& [start, waits] :
       {std::pair(v1::JOB_START_UNSPECIFIED, false),
        std::pair(v1::JOB_START_AUTO, false),
        std::pair(v1::JOB_START_MANUAL, true)}) {
    request.set_start(start);
    const auto response = CreateFineTuneJob(manager_, limits_, request);
    ASSERT_TRUE(response.ok());
    EXPECT_EQ(manager_.last_wait_for_start(), waits);
    EXPECT_EQ(response->job().status().state(),
              waits ? v1::JOB_STATE_CREATED : v1::JOB_STATE_QUEUED);
  }
}

TEST_F(JobChangesTest, ACheckKeepsNothingAndShowsTheRecipe) {
  v1::CreateFineTuneJobRequest request = NewRequest();
  request.set_validate_only(true);
  const auto response = CreateFineTuneJob(manager_, limits_, request);
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->job().name(), "");
  EXPECT_TRUE(response->job().status().has_recipe());
  EXPECT_TRUE(manager_.ListJobs()->empty());
}

TEST_F(JobChangesTest, NamesEveryWrongFieldOfARequestAtOnce) {
  v1::CreateFineTuneJobRequest request;
  request.mutable_spec()->set_dataset("photos");
  request.mutable_spec()->mutable_recipe()->set_rate(-1);
  request.set_start(static_cast<v1::JobStart>(3));
  request.set_request_id("with\nline");
  const absl::Status status =
      CreateFineTuneJob(manager_, limits_, request).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(DetailsOf(status).violations,
              UnorderedElementsAre(Key("spec.model"), Key("spec.dataset"),
                                   Key("spec.recipe.rate"), Key("start"),
                                   Key("request_id")));
  EXPECT_EQ(manager_.calls("CreateJob"), 0U);
}

TEST_F(JobChangesTest, WhatTheManagerFindsStandsInTheSpec) {
  manager_.Fail("CreateJob", Error(absl::StatusCode::kInvalidArgument,
                                   Reason::kRecipeInvalid, "too small")
                                 .Violation("recipe.batch_size", "too small")
                                 .Violation("head", "no"));
  const absl::Status status =
      CreateFineTuneJob(manager_, limits_, NewRequest()).status();
  EXPECT_EQ(DetailsOf(status).reason, "RECIPE_INVALID");
  EXPECT_THAT(DetailsOf(status).violations,
              ElementsAre(Key("spec.recipe.batch_size"), Key("spec.head")));
}

TEST_F(JobChangesTest, OtherErrorsOfTheManagerComeThroughAsTheyAre) {
  manager_.Fail("CreateJob", Error(absl::StatusCode::kFailedPrecondition,
                                   Reason::kDatasetNotSealed, "seal it")
                                 .Resource("dataset", "datasets/photos"));
  const absl::Status status =
      CreateFineTuneJob(manager_, limits_, NewRequest()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(DetailsOf(status).reason, "DATASET_NOT_SEALED");
  EXPECT_EQ(DetailsOf(status).resource->second, "datasets/photos");
}

TEST_F(JobChangesTest, EachCallGoesToTheManagerAsWhatItIs) {
  const auto name = [](JobNumber job) {
    return "jobs/" + std::to_string(job.value);
  };
  v1::StartFineTuneJobRequest start;
  start.set_name(name(manager_.Add(JobState::kCreated)));
  start.set_etag("j1");
  start.set_request_id("s1");
  EXPECT_EQ(StartFineTuneJob(manager_, limits_, start)->job().status().state(),
            v1::JOB_STATE_QUEUED);
  EXPECT_EQ(manager_.last_mutation().method, "StartFineTuneJob");
  EXPECT_EQ(manager_.last_mutation().request_id, "s1");
  EXPECT_EQ(manager_.last_etag(), "j1");

  v1::PauseFineTuneJobRequest pause;
  pause.set_name(name(manager_.Add(JobState::kRunning)));
  EXPECT_EQ(PauseFineTuneJob(manager_, limits_, pause)->job().status().state(),
            v1::JOB_STATE_PAUSING);
  EXPECT_EQ(manager_.last_mutation().method, "PauseFineTuneJob");

  v1::ResumeFineTuneJobRequest resume;
  resume.set_name(name(manager_.Add(JobState::kPaused)));
  EXPECT_EQ(
      ResumeFineTuneJob(manager_, limits_, resume)->job().status().state(),
      v1::JOB_STATE_QUEUED);
  EXPECT_EQ(manager_.last_mutation().method, "ResumeFineTuneJob");

  v1::CancelFineTuneJobRequest cancel;
  cancel.set_name(name(manager_.Add(JobState::kRunning)));
  EXPECT_EQ(
      CancelFineTuneJob(manager_, limits_, cancel)->job().status().state(),
      v1::JOB_STATE_CANCELLING);
  EXPECT_EQ(manager_.last_mutation().method, "CancelFineTuneJob");

  v1::DeleteFineTuneJobRequest remove;
  remove.set_name(name(manager_.Add(JobState::kFailed)));
  EXPECT_TRUE(DeleteFineTuneJob(manager_, limits_, remove).ok());
  EXPECT_EQ(manager_.last_mutation().method, "DeleteFineTuneJob");
  EXPECT_EQ(
      DetailsOf(DeleteFineTuneJob(manager_, limits_, remove).status()).reason,
      "JOB_NOT_FOUND");
}

TEST_F(JobChangesTest, ChecksTheNameAndTheRequestIdOfEachCall) {
  v1::CancelFineTuneJobRequest request;
  request.set_name("7");
  request.set_request_id(std::string(limits_.max_request_id_bytes + 1, 'a'));
  EXPECT_THAT(DetailsOf(CancelFineTuneJob(manager_, limits_, request).status())
                  .violations,
              ElementsAre(Key("name"), Key("request_id")));
  v1::DeleteFineTuneJobRequest remove;
  remove.set_name("jobs/0");
  EXPECT_EQ(DeleteFineTuneJob(manager_, limits_, remove).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(manager_.calls("CallJob"), 0U);
}

}  // namespace
}  // namespace resnetd
