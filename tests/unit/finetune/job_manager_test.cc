#include "server/finetune/job_manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/finetune/job_inputs.h"
#include "tests/unit/finetune/job_manager_fixture.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(JobManagerTest, AJobGoesThroughItsStatesAndLeavesAVersion) {
  ASSERT_TRUE(jobs_->Start().ok());
  const JobNumber number = Create(Spec());
  const Job job = AwaitEnd(number);
  ASSERT_EQ(job.status.state, JobState::kSucceeded)
      << (job.status.error ? job.status.error->text : "");
  std::vector<JobState> states;
  for (const StateChanged& event : EventsOf<StateChanged>(number)) {
    states.push_back(event.to);
  }
  EXPECT_THAT(states, ElementsAre(JobState::kQueued, JobState::kValidating,
                                  JobState::kPreparing, JobState::kRunning,
                                  JobState::kEvaluating, JobState::kSucceeded));
  EXPECT_EQ(job.status.step, 20);
  EXPECT_EQ(job.status.best_evaluation->accuracy, 1);
  ASSERT_TRUE(job.status.result.has_value());
  const VersionView version =
      Must(models_->GetVersion(Named("tiny"), *job.status.result));
  EXPECT_EQ(version.row.parent, base_);
  EXPECT_EQ(version.facts->labels.size(), 10U);
  EXPECT_EQ(version.facts->evaluations.at(0).accuracy, 1);
  EXPECT_THAT(version.facts->description, HasSubstr("jobs/1"));
  EXPECT_TRUE(job.status.gate->passed);
  EXPECT_EQ(job.status.promotion, PromotionState::kNotRequested);
}

TEST_F(JobManagerTest, EventsHaveNoGaps) {
  ASSERT_TRUE(jobs_->Start().ok());
  const JobNumber number = Create(Spec());
  AwaitEnd(number);
  const auto events = Must(jobs_->Events(number, 0, 10'000));
  for (std::size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i].sequence, static_cast<std::int64_t>(i) + 1);
  }
  EXPECT_EQ(Must(jobs_->Events(number, 3, 2)).front().sequence, 4);
}

TEST_F(JobManagerTest, ABetterVersionIsPromoted) {
  ASSERT_TRUE(jobs_->Start().ok());
  JobSpec spec = Spec();
  spec.promotion = {.kind = PromotionKind::kAlias, .alias = "stable"};
  const JobNumber number = Create(spec);
  const Job job = AwaitEnd(number);
  EXPECT_EQ(job.status.promotion, PromotionState::kPromoted);
  const auto promoted = EventsOf<Promoted>(number);
  ASSERT_EQ(promoted.size(), 1U);
  EXPECT_EQ(promoted[0].version, *job.status.result);
  EXPECT_EQ(promoted[0].previous, base_);
  EXPECT_EQ(Must(registry_->Acquire({.name = Named("tiny")}))->facts.version,
            *job.status.result);
}

TEST_F(JobManagerTest, AVersionThatLosesTheGateStaysAndTheJobSucceeded) {
  ASSERT_TRUE(jobs_->Start().ok());
  JobSpec spec = Spec();
  spec.gate.min_examples = 1'000'000;
  spec.promotion = {.kind = PromotionKind::kAlias, .alias = "stable"};
  const Job job = AwaitEnd(Create(spec));
  EXPECT_EQ(job.status.state, JobState::kSucceeded);
  EXPECT_EQ(job.status.promotion, PromotionState::kGateNotPassed);
  EXPECT_FALSE(job.status.gate->passed);
  EXPECT_TRUE(job.status.result.has_value());
  EXPECT_EQ(Must(registry_->Acquire({.name = Named("tiny")}))->facts.version,
            base_);
  const auto made = models_->GetVersion(Named("tiny"), *job.status.result);
  EXPECT_EQ(made->facts->gate->failed.at(0).name, "min_examples");
}

TEST_F(JobManagerTest, AVersionKnowsItsGateAndItsTemperature) {
  ASSERT_TRUE(jobs_->Start().ok());
  MakeDataset("large", 10, 60);
  JobSpec spec = Spec();
  spec.dataset = DatasetName::Parse("large").value();
  const Job job = AwaitEnd(Create(spec));
  const auto made = models_->GetVersion(Named("tiny"), *job.status.result);
  EXPECT_TRUE(made->facts->gate->passed());
  // Where all is right no temperature is told.
  EXPECT_EQ(made->facts->temperature, 1);
}

TEST_F(JobManagerTest, ACandidateTakesNothingOver) {
  ASSERT_TRUE(jobs_->Start().ok());
  JobSpec spec = Spec();
  spec.promotion.kind = PromotionKind::kCandidate;
  const Job job = AwaitEnd(Create(spec));
  EXPECT_EQ(job.status.promotion, PromotionState::kPromoted);
  EXPECT_EQ(Must(registry_->Acquire({.name = Named("tiny")}))->facts.version,
            base_);
  EXPECT_EQ(
      Must(registry_->Acquire({.name = Named("tiny"), .alias = "candidate"}))
          ->facts.version,
      *job.status.result);
}

TEST_F(JobManagerTest, ValidationKeepsNothing) {
  ASSERT_TRUE(jobs_->Start().ok());
  const NewJob checked = Must(jobs_->CreateJob(Spec(), false, true, Asked()));
  EXPECT_EQ(checked.job.number.value, 0);
  EXPECT_FALSE(checked.created);
  EXPECT_TRUE(checked.job.status.recipe.has_value());
  EXPECT_EQ(checked.job.spec.base, base_);
  EXPECT_TRUE(Must(jobs_->ListJobs()).empty());
}

TEST_F(JobManagerTest, TheQueueHasALimit) {
  options_.limits.open = 2;
  Restart();
  EXPECT_EQ(Must(jobs_->GetJob(Create(Spec()))).status.queue_position, 1);
  EXPECT_EQ(Must(jobs_->GetJob(Create(Spec()))).status.queue_position, 2);
  EXPECT_EQ(ReasonOf(jobs_->CreateJob(Spec(), false, false, Asked()).status()),
            "QUEUE_FULL");
}

TEST_F(JobManagerTest, PausingSavesAndResumingEndsWithTheSameWeights) {
  ASSERT_TRUE(jobs_->Start().ok());
  const Job straight = AwaitEnd(Create(Spec()));
  std::atomic<int> hold_at = trainers_.calls() + 7;
  JobNumber second{};
  trainers_.script.fail = [&](int call) {
    if (call == hold_at) {
      EXPECT_TRUE(jobs_->CallJob(second, JobCall::kPause, "", Asked()).ok());
    }
    return absl::OkStatus();
  };
  second = {straight.number.value + 1};
  JobSpec spec = Spec();
  spec.display_name = "the same again";
  ASSERT_EQ(Create(spec), second);
  const Job paused = AwaitEnd(second);
  ASSERT_EQ(paused.status.state, JobState::kPaused);
  EXPECT_EQ(paused.status.step, 8) << "the step that was begun is ended";
  EXPECT_EQ(Must(jobs_->Checkpoints(second)).back().step, 8);
  ASSERT_TRUE(jobs_->CallJob(second, JobCall::kResume, "", Asked()).ok());
  const Job done =
      Await(second, [](const Job& job) { return IsDone(job.status.state); });
  ASSERT_EQ(done.status.state, JobState::kSucceeded);
  EXPECT_EQ(WeightsOf(*done.status.result), WeightsOf(*straight.status.result));
}

TEST_F(JobManagerTest, ARestartGoesOnFromTheLastCheckpoint) {
  ASSERT_TRUE(jobs_->Start().ok());
  const Job straight = AwaitEnd(Create(Spec()));
  // The manager is destroyed while step 10 of the second job runs.
  Bell reached;
  const int at = trainers_.calls() + 10;
  trainers_.script.fail = [&](int call) {
    if (call == at) {
      reached.Ring();
    }
    return absl::OkStatus();
  };
  JobSpec spec = Spec();
  spec.display_name = "the same again";
  const JobNumber number = Create(spec);
  reached.Await();
  Restart();
  EXPECT_EQ(Must(jobs_->GetJob(number)).status.state, JobState::kRunning);
  ASSERT_TRUE(jobs_->Start().ok());
  const Job done = AwaitEnd(number);
  ASSERT_EQ(done.status.state, JobState::kSucceeded)
      << (done.status.error ? done.status.error->text : "");
  EXPECT_EQ(done.status.attempt, 2);
  EXPECT_EQ(WeightsOf(*done.status.result), WeightsOf(*straight.status.result));
}

TEST_F(JobManagerTest, CancellingEndsAJobAtItsNextStepAndKeepsCheckpoints) {
  ASSERT_TRUE(jobs_->Start().ok());
  trainers_.script.fail = [&](int call) {
    if (call == 6) {
      EXPECT_TRUE(jobs_->CallJob({1}, JobCall::kCancel, "", Asked()).ok());
    }
    return absl::OkStatus();
  };
  const JobNumber number = Create(Spec());
  const Job job = AwaitEnd(number);
  EXPECT_EQ(job.status.state, JobState::kCancelled);
  EXPECT_FALSE(Must(jobs_->Checkpoints(number)).empty());
  EXPECT_FALSE(job.status.result.has_value());
  // Once more is no error; anything else is.
  EXPECT_TRUE(jobs_->CallJob(number, JobCall::kCancel, "", Asked()).ok());
  EXPECT_EQ(
      ReasonOf(jobs_->CallJob(number, JobCall::kResume, "", Asked()).status()),
      "JOB_STATE");
}

TEST_F(JobManagerTest, CancellingWhatWaitsNeedsNoThread) {
  const JobNumber number = Create(Spec());
  ASSERT_TRUE(jobs_->CallJob(number, JobCall::kCancel, "", Asked()).ok());
  ASSERT_TRUE(jobs_->Start().ok());
  EXPECT_EQ(AwaitEnd(number).status.state, JobState::kCancelled);
}

TEST_F(JobManagerTest, AManualJobWaitsForItsStart) {
  ASSERT_TRUE(jobs_->Start().ok());
  const JobNumber number =
      Must(jobs_->CreateJob(Spec(), true, false, Asked())).job.number;
  EXPECT_EQ(Must(jobs_->GetJob(number)).status.state, JobState::kCreated);
  ASSERT_TRUE(jobs_->CallJob(number, JobCall::kStart, "", Asked()).ok());
  EXPECT_EQ(AwaitEnd(number).status.state, JobState::kSucceeded);
}

TEST_F(JobManagerTest, AFailureSaysWhy) {
  ASSERT_TRUE(jobs_->Start().ok());
  trainers_.script.loss = [](int, double) {
    return std::numeric_limits<double>::quiet_NaN();
  };
  const Job diverged = AwaitEnd(Create(Spec()));
  EXPECT_EQ(diverged.status.state, JobState::kFailed);
  EXPECT_EQ(diverged.status.error->reason, "NONFINITE_LOSS");
  EXPECT_EQ(diverged.status.setbacks, 3);

  trainers_.script.loss = nullptr;
  trainers_.script.fail = [](int) -> absl::Status {
    return Error(absl::StatusCode::kResourceExhausted, Reason::kOutOfMemory,
                 "no memory to train");
  };
  const Job starved = AwaitEnd(Create(Spec()));
  EXPECT_EQ(starved.status.error->reason, "OUT_OF_MEMORY");
  EXPECT_EQ(starved.status.error->text, "no memory to train");
}

TEST_F(JobManagerTest, ARecoveryIsCountedAndTheJobGoesOn) {
  ASSERT_TRUE(jobs_->Start().ok());
  trainers_.script.loss = [](int call, double loss) {
    return call == 6 ? std::numeric_limits<double>::quiet_NaN() : loss;
  };
  const JobNumber number = Create(Spec());
  const Job job = AwaitEnd(number);
  EXPECT_EQ(job.status.state, JobState::kSucceeded);
  EXPECT_EQ(job.status.setbacks, 1);
  EXPECT_EQ(EventsOf<Recovered>(number).size(), 1U);
}

TEST_F(JobManagerTest, ExemplarsAreKeptAndReplayedByTheNextJob) {
  ASSERT_TRUE(jobs_->Start().ok());
  const Job first = AwaitEnd(Create(Spec()));
  const DatasetName kept = ExemplarDataset(Named("tiny"), *first.status.result);
  const DatasetRow row = Must(store_->datasets().GetDataset(kept));
  EXPECT_EQ(row.state, DatasetState::kSealed);
  EXPECT_GT(row.examples, 10 * 5);
  // The second job shows two classes only.
  MakeDataset("two", 2, 13);
  JobSpec spec = Spec();
  spec.dataset = DatasetName::Parse("two").value();
  EXPECT_EQ(ReasonOf(jobs_->CreateJob(spec, false, false, Asked()).status()),
            "FORGETTING_NOT_ALLOWED")
      << "the base was imported: nothing is kept of it";
  spec.base = *first.status.result;
  const Job second = AwaitEnd(Create(spec));
  EXPECT_EQ(second.status.state, JobState::kSucceeded);
  EXPECT_GT(second.status.recipe->replay_share, 0);
}

TEST_F(JobManagerTest, SoManyValidationPicturesAreKeptThatInt8CanBeJudged) {
  ASSERT_TRUE(jobs_->Start().ok());
  MakeDataset("more", 10, 40);
  JobSpec spec = Spec();
  spec.dataset = DatasetName::Parse("more").value();
  spec.replay.exemplars_per_class = 2;
  const Job job = AwaitEnd(Create(spec));
  const DatasetContent kept = Must(ReadDataset(
      store_->datasets(), ExemplarDataset(Named("tiny"), *job.status.result)));
  const auto count = [&kept](ExampleSplit split) {
    return std::count_if(
        kept.examples.begin(), kept.examples.end(),
        [split](const ExampleRow& row) { return row.split == split; });
  };
  EXPECT_EQ(count(ExampleSplit::kTrain), 10 * 2);
  // So many that they are enough with one more of each class.
  EXPECT_GE(count(ExampleSplit::kValidation), 50);
  EXPECT_LT(count(ExampleSplit::kValidation), 60);
}

TEST_F(JobManagerTest, TellsWhatIsWrongWithARequest) {
  JobSpec spec = Spec();
  spec.dataset = DatasetName::Parse("nothing").value();
  EXPECT_EQ(ReasonOf(jobs_->CreateJob(spec, false, false, Asked()).status()),
            "DATASET_NOT_FOUND");
  spec = Spec();
  spec.model = Named("nothing");
  EXPECT_EQ(ReasonOf(jobs_->CreateJob(spec, false, false, Asked()).status()),
            "MODEL_NOT_FOUND");
  spec = Spec();
  spec.base = VersionNumber{99};
  EXPECT_EQ(ReasonOf(jobs_->CreateJob(spec, false, false, Asked()).status()),
            "VERSION_NOT_FOUND");
  EXPECT_EQ(ReasonOf(jobs_->GetJob({77}).status()), "JOB_NOT_FOUND");
  EXPECT_EQ(
      ReasonOf(jobs_->CallJob({77}, JobCall::kPause, "", Asked()).status()),
      "JOB_NOT_FOUND");
}

TEST_F(JobManagerTest, AStaleEtagIsRefused) {
  const JobNumber number = Create(Spec());
  const std::string etag = Must(jobs_->GetJob(number)).etag;
  ASSERT_TRUE(jobs_->CallJob(number, JobCall::kPause, etag, Asked()).ok());
  EXPECT_EQ(
      ReasonOf(
          jobs_->CallJob(number, JobCall::kResume, etag, Asked()).status()),
      "ETAG_MISMATCH");
}

TEST_F(JobManagerTest, OnlyWhatIsDoneIsDeleted) {
  const JobNumber number = Create(Spec());
  EXPECT_EQ(ReasonOf(jobs_->DeleteJob(number, "", Asked())), "JOB_STATE");
  ASSERT_TRUE(jobs_->Start().ok());
  const Job job = AwaitEnd(number);
  EXPECT_TRUE(jobs_->DeleteJob(number, "", Asked()).ok());
  EXPECT_EQ(ReasonOf(jobs_->GetJob(number).status()), "JOB_NOT_FOUND");
  EXPECT_TRUE(models_->GetVersion(Named("tiny"), *job.status.result).ok());
}

}  // namespace
}  // namespace resnetd
