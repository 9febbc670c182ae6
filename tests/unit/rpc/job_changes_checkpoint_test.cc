// Checkpoints and estimates.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "server/base/error.h"
#include "server/rpc/job_changes.h"
#include "tests/support/fake_job_manager.h"

namespace resnetd {
namespace {

using testing::ElementsAre;
using testing::Key;
using testing::UnorderedElementsAre;

class JobChangesCheckpointTest : public testing::Test {
 protected:
  void SetUp() override {
    job_ = manager_.Add(JobState::kCancelled);
    manager_.AddCheckpoint(job_, {.step = 10});
  }

  FakeJobManager manager_;
  JobNumber job_;
  const RequestLimits limits_;
};

TEST_F(JobChangesCheckpointTest, PublishesWhatWasAskedFor) {
  v1::PublishCheckpointRequest request;
  request.set_name("jobs/1/checkpoints/10");
  request.set_request_id("r1");
  const auto made = PublishCheckpoint(manager_, limits_, request);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_TRUE(made->created());
  EXPECT_EQ(made->version().name(), "models/digits/versions/10");
  EXPECT_EQ(manager_.last_mutation().method, "PublishCheckpoint");
  EXPECT_EQ(manager_.last_mutation().request_id, "r1");
  request.set_name("jobs/1/checkpoints/11");
  EXPECT_EQ(
      DetailsOf(PublishCheckpoint(manager_, limits_, request).status()).reason,
      "CHECKPOINT_NOT_FOUND");
}

TEST_F(JobChangesCheckpointTest, DeletesWhatWasAskedFor) {
  v1::DeleteCheckpointRequest request;
  request.set_name("jobs/1/checkpoints/10");
  EXPECT_TRUE(DeleteCheckpoint(manager_, limits_, request).ok());
  EXPECT_TRUE(manager_.Checkpoints(job_)->empty());
  EXPECT_EQ(
      DetailsOf(DeleteCheckpoint(manager_, limits_, request).status()).reason,
      "CHECKPOINT_NOT_FOUND");
}

TEST_F(JobChangesCheckpointTest, NamesEveryWrongField) {
  v1::PublishCheckpointRequest publish;
  publish.set_name("jobs/1");
  publish.set_request_id("with\nline");
  EXPECT_THAT(DetailsOf(PublishCheckpoint(manager_, limits_, publish).status())
                  .violations,
              UnorderedElementsAre(Key("name"), Key("request_id")));
  v1::DeleteCheckpointRequest remove;
  remove.set_name("jobs/1/checkpoints/x");
  EXPECT_THAT(DetailsOf(DeleteCheckpoint(manager_, limits_, remove).status())
                  .violations,
              ElementsAre(Key("name")));
  EXPECT_EQ(manager_.calls("PublishCheckpoint"), 0U);
}

TEST_F(JobChangesCheckpointTest, EstimatesWhatWasAskedFor) {
  v1::EstimateFineTuneJobRequest request;
  request.mutable_spec()->set_model("models/digits");
  request.mutable_spec()->set_dataset("datasets/photos");
  const auto estimate = EstimateFineTuneJob(manager_, limits_, request);
  ASSERT_TRUE(estimate.ok()) << estimate.status();
  EXPECT_EQ(estimate->steps(), 100);
  EXPECT_EQ(estimate->peak_bytes(), 1'000'000);
  EXPECT_EQ(estimate->free_bytes(), 3'000'000);
  EXPECT_EQ(estimate->duration_low().seconds(), 60);
  EXPECT_EQ(estimate->duration_high().seconds(), 120);
  EXPECT_EQ(estimate->measured_steps(), 2);
  EXPECT_TRUE(estimate->has_recipe());
  EXPECT_EQ(manager_.last_spec().dataset.text(), "photos");
}

TEST_F(JobChangesCheckpointTest, WhatIsWrongWithAnEstimateStandsInItsSpec) {
  v1::EstimateFineTuneJobRequest request;
  request.mutable_spec()->set_model("digits");
  request.mutable_spec()->set_dataset("datasets/photos");
  EXPECT_THAT(
      DetailsOf(EstimateFineTuneJob(manager_, limits_, request).status())
          .violations,
      ElementsAre(Key("spec.model")));
  request.mutable_spec()->set_model("models/digits");
  manager_.Fail("EstimateJob", Error(absl::StatusCode::kInvalidArgument,
                                     Reason::kRecipeInvalid, "rate")
                                   .Violation("recipe.rate", "is negative"));
  EXPECT_THAT(
      DetailsOf(EstimateFineTuneJob(manager_, limits_, request).status())
          .violations,
      ElementsAre(Key("spec.recipe.rate")));
}

}  // namespace
}  // namespace resnetd
