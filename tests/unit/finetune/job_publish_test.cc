// Versions of checkpoints.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "server/finetune/job_inputs.h"
#include "server/finetune/job_json.h"
#include "server/finetune/tensor_blob.h"
#include "tests/unit/finetune/job_manager_fixture.h"

namespace resnetd {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Pair;

class JobPublishTest : public JobManagerTest {
 protected:
  // Ends, by a call from its step `at`, as `call` makes it.
  JobNumber Interrupted(int at, JobCall call) {
    const int first = trainers_.calls();
    trainers_.script.fail = [this, first, at, call](int step) {
      if (step == first + at) {
        EXPECT_TRUE(jobs_->CallJob({1}, call, "", Asked()).ok());
      }
      return absl::OkStatus();
    };
    EXPECT_TRUE(jobs_->Start().ok());
    const JobNumber number = Create(Spec());
    AwaitEnd(number);
    return number;
  }
  std::int64_t LastStep(JobNumber number) {
    return Must(jobs_->Checkpoints(number)).back().step;
  }
};

TEST_F(JobPublishTest, ACancelledJobStillMakesAVersion) {
  const JobNumber number = Interrupted(11, JobCall::kCancel);
  ASSERT_EQ(Must(jobs_->GetJob(number)).status.state, JobState::kCancelled);
  const std::int64_t step = LastStep(number);
  const Imported made =
      Must(jobs_->PublishCheckpoint(number, step, Asked("key")));
  EXPECT_TRUE(made.created);
  EXPECT_EQ(made.version.row.parent, base_);
  const VersionView version =
      Must(models_->GetVersion(Named("tiny"), made.version.row.version));
  EXPECT_THAT(version.facts->description,
              HasSubstr("jobs/1 to step " + std::to_string(step) + " of 20"));
  EXPECT_EQ(version.facts->evaluations.at(0).accuracy, 1);
  // Nobody is told.
  EXPECT_EQ(Must(registry_->Acquire({.name = Named("tiny")}))->facts.version,
            base_);
  EXPECT_EQ(Must(store_->datasets().GetDataset(
                     ExemplarDataset(Named("tiny"), made.version.row.version)))
                .state,
            DatasetState::kSealed);
  EXPECT_EQ(loader_.choices_again(), 1) << "with the exemplars";
  EXPECT_FALSE(Must(jobs_->GetJob(number)).status.result.has_value());
}

TEST_F(JobPublishTest, AVersionChoosesItsPrecisionAgainWithItsExemplars) {
  ASSERT_TRUE(jobs_->Start().ok());
  AwaitEnd(Create(Spec()));
  EXPECT_EQ(loader_.choices_again(), 1);
  JobSpec without = Spec();
  without.recipe.seed = 7;
  without.replay.exemplars_per_class = 0;
  AwaitEnd(Create(without));
  EXPECT_EQ(loader_.choices_again(), 1);
}

TEST_F(JobPublishTest, TheBestCheckpointIsWhatTheJobItselfMakes) {
  ASSERT_TRUE(jobs_->Start().ok());
  const JobNumber number = Create(Spec());
  const Job job = AwaitEnd(number);
  std::int64_t best = 0;
  for (const Checkpoint& checkpoint : Must(jobs_->Checkpoints(number))) {
    best = checkpoint.is_best ? checkpoint.step : best;
  }
  const Imported made = Must(jobs_->PublishCheckpoint(number, best, Asked()));
  EXPECT_EQ(WeightsOf(made.version.row.version), WeightsOf(*job.status.result));
}

TEST_F(JobPublishTest, APausedJobMakesAVersionAndGoesOn) {
  const JobNumber number = Interrupted(11, JobCall::kPause);
  const Imported made =
      Must(jobs_->PublishCheckpoint(number, LastStep(number), Asked()));
  EXPECT_TRUE(made.created);
  trainers_.script.fail = nullptr;
  ASSERT_TRUE(jobs_->CallJob(number, JobCall::kResume, "", Asked()).ok());
  const Job done =
      Await(number, [](const Job& job) { return IsDone(job.status.state); });
  EXPECT_EQ(done.status.state, JobState::kSucceeded);
}

TEST_F(JobPublishTest, ARepetitionIsAnsweredWithTheFirstVersion) {
  const JobNumber number = Interrupted(11, JobCall::kCancel);
  const std::int64_t step = LastStep(number);
  const Imported first =
      Must(jobs_->PublishCheckpoint(number, step, Asked("key")));
  // Its checkpoint may be gone by then.
  ASSERT_TRUE(jobs_->DeleteCheckpoint(number, step, Asked()).ok());
  const Imported again =
      Must(jobs_->PublishCheckpoint(number, step, Asked("key")));
  EXPECT_FALSE(again.created);
  EXPECT_EQ(again.version.row.version, first.version.row.version);
  EXPECT_EQ(
      ReasonOf(
          jobs_->PublishCheckpoint(number, step, Asked("key", "x")).status()),
      "REQUEST_ID_CONFLICT");
}

TEST_F(JobPublishTest, ACheckpointThatIsNotThereIsNotFound) {
  const JobNumber number = Interrupted(11, JobCall::kCancel);
  const std::string steps = std::to_string(LastStep(number));
  for (const absl::Status& status :
       {jobs_->PublishCheckpoint(number, 777, Asked()).status(),
        jobs_->GetCheckpoint(number, 777).status(),
        jobs_->DeleteCheckpoint(number, 777, Asked())}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(ReasonOf(status), "CHECKPOINT_NOT_FOUND");
    EXPECT_THAT(std::string(status.message()), HasSubstr(steps));
  }
  EXPECT_EQ(ReasonOf(jobs_->PublishCheckpoint({77}, 1, Asked()).status()),
            "JOB_NOT_FOUND");
}

TEST_F(JobPublishTest, ADamagedCheckpointIsDataLoss) {
  const JobNumber number = Interrupted(11, JobCall::kCancel);
  // A checkpoint whose tensors are those of no network.
  const Digest other =
      Must(StoreTensors({{"x", {.shape = {1}, .values = {1}}}}, *store_));
  const std::int64_t step = LastStep(number) + 1;
  CheckpointManifest manifest{.weights = other, .optimizer = other};
  CheckpointRow row{.step = step,
                    .manifest = FormatCheckpoint(manifest),
                    .blobs = {other},
                    .bytes = 1};
  Must(store_->jobs().ChangeJob({.job = number, .checkpoint = row},
                                std::nullopt));
  trainers_.script.refuse_restore = true;
  const absl::Status status =
      jobs_->PublishCheckpoint(number, step, Asked()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ReasonOf(status), "CHECKPOINT_CORRUPT");
  // The text of another file.
  trainers_.script.refuse_restore = false;
  row.manifest = FormatCheckpoint({.weights = std::string(64, '0')});
  row.step = step + 1;
  Must(store_->jobs().ChangeJob({.job = number, .checkpoint = row},
                                std::nullopt));
  EXPECT_EQ(
      ReasonOf(jobs_->PublishCheckpoint(number, step + 1, Asked()).status()),
      "CHECKPOINT_CORRUPT");
}

TEST_F(JobPublishTest, WhatTheJobWasMadeOfMustStillBeThere) {
  const JobNumber number = Interrupted(11, JobCall::kCancel);
  ASSERT_TRUE(
      datasets_->DeleteDataset(DatasetName::Parse("data").value(), "", Asked())
          .ok());
  EXPECT_EQ(
      ReasonOf(
          jobs_->PublishCheckpoint(number, LastStep(number), Asked()).status()),
      "DATASET_NOT_FOUND");
}

TEST_F(JobPublishTest, CheckpointsOfADoneJobAreDeletedAndOthersStay) {
  const JobNumber paused = Interrupted(11, JobCall::kPause);
  const std::int64_t step = LastStep(paused);
  const absl::Status status = jobs_->DeleteCheckpoint(paused, step, Asked());
  EXPECT_EQ(ReasonOf(status), "JOB_STATE");
  EXPECT_THAT(DetailsOf(status).metadata, Contains(Pair("state", "PAUSED")));
  ASSERT_TRUE(jobs_->CallJob(paused, JobCall::kCancel, "", Asked()).ok());
  const Job before =
      Await(paused, [](const Job& job) { return IsDone(job.status.state); });
  EXPECT_EQ(Must(jobs_->GetCheckpoint(paused, step)).step, step);
  ASSERT_TRUE(jobs_->DeleteCheckpoint(paused, step, Asked("d")).ok());
  // Once more is the same request.
  EXPECT_TRUE(jobs_->DeleteCheckpoint(paused, step, Asked("d")).ok());
  EXPECT_EQ(ReasonOf(jobs_->GetCheckpoint(paused, step).status()),
            "CHECKPOINT_NOT_FOUND");
  EXPECT_EQ(Must(jobs_->GetJob(paused)).etag, before.etag);
}

}  // namespace
}  // namespace resnetd
