// Jobs as a whole: a real store, real datasets and versions, and a trainer that
// follows a script.
#include "server/finetune/job_manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "server/base/mutex.h"
#include "server/finetune/job_inputs.h"
#include "tests/support/scripted_trainer.h"
#include "tests/unit/image/picture_factory.h"
#include "tests/unit/models/manager_fixture.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Mutation Asked(const std::string& request_id = "",
               const std::string& hash = "h") {
  Mutation mutation;
  mutation.method = "Test";
  mutation.request_id = request_id;
  mutation.request_hash = hash;
  return mutation;
}

std::string Solid(int red, int blue) {
  Pixels pixels{.width = 32, .height = 32, .rgb = {}};
  for (int i = 0; i < 32 * 32; ++i) {
    pixels.rgb.insert(pixels.rgb.end(), {static_cast<std::uint8_t>(red), 0,
                                         static_cast<std::uint8_t>(blue)});
  }
  const testing::Encoded png = testing::EncodePng(pixels);
  return {png.begin(), png.end()};
}

// Rung by one thread, awaited by another.
class Bell {
 public:
  void Ring() ABSL_LOCKS_EXCLUDED(mutex_) {
    const MutexLock lock(mutex_);
    rung_ = true;
    changed_.NotifyAll();
  }
  // Until it was rung since the last time.
  void Await() ABSL_LOCKS_EXCLUDED(mutex_) {
    const MutexLock lock(mutex_);
    while (!rung_) {
      changed_.Wait(mutex_);
    }
    rung_ = false;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  bool rung_ ABSL_GUARDED_BY(mutex_) = false;
};

class JobManagerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Restart();
    const std::string file = TinyWeightsFile(1);
    const auto session = Must(models_->Import(HeaderOf("tiny", file), Asked()));
    ASSERT_TRUE(session->Write(BytesOf(file)).ok());
    base_ = Must(session->Finish()).version.row.version;
    MakeDataset("data", 10, 12);
  }
  void TearDown() override { Close(); }

  void Close() {
    jobs_.reset();
    datasets_.reset();
    models_.reset();
    registry_.reset();
    store_.reset();
  }
  // As a process that is started after another.
  void Restart() {
    Close();
    store_ = Must(Store::Open({.folder = folder_.File("data")}, RealClock()));
    datasets_ = DatasetManager::Create({}, *store_, store_->datasets());
    registry_ = std::make_unique<ModelRegistry>();
    models_ =
        ModelManager::Create({}, *store_, loader_, *registry_, RealClock());
    ASSERT_TRUE(models_->Start().ok());
    jobs_ = JobManager::Create(
        options_, *store_, *datasets_, *models_, *registry_,
        [this]() -> absl::StatusOr<TrainerFactory*> { return &trainers_; },
        RealClock(), {.gate = &gate_});
  }

  // Labels "0", "1", ... with solid pictures whose red tells the class.
  void MakeDataset(const std::string& name, int classes, int per_class) {
    const DatasetName dataset = DatasetName::Parse(name).value();
    std::vector<std::string> labels;
    std::vector<std::string> files;
    for (int label = 0; label < classes; ++label) {
      labels.push_back(absl::StrCat(label));
      for (int i = 0; i < per_class; ++i) {
        files.push_back(Solid(20 * label, i));
      }
    }
    ASSERT_TRUE(datasets_->CreateDataset(dataset, labels, Asked()).ok());
    std::vector<UploadedExample> examples;
    for (std::size_t i = 0; i < files.size(); ++i) {
      examples.push_back({.name = "x",
                          .label = labels[i / per_class],
                          .bytes = BytesOf(files[i])});
    }
    const auto progress = Must(datasets_->Add(dataset, "u", 0, examples));
    ASSERT_EQ(progress.accepted, classes * per_class);
    ASSERT_TRUE(datasets_->SealDataset(dataset, "", Asked()).ok());
  }

  JobSpec Spec(std::int64_t steps = 20) {
    JobSpec spec{.model = Named("tiny"),
                 .dataset = DatasetName::Parse("data").value()};
    spec.recipe.max_steps = steps;
    spec.recipe.evaluate_every = 5;
    spec.recipe.checkpoint_every = 4;
    spec.recipe.patience = 0;
    spec.gate.min_examples = 1;
    spec.gate.max_calibration_error = 1;
    return spec;
  }

  JobNumber Create(const JobSpec& spec) {
    return Must(jobs_->CreateJob(spec, false, false, Asked())).job.number;
  }

  // Waits until the job is in a state that `enough` takes.
  Job Await(JobNumber number, const std::function<bool(const Job&)>& enough) {
    Bell changed;
    changed.Ring();
    const auto subscription = jobs_->Subscribe([&] { changed.Ring(); });
    while (true) {
      changed.Await();
      Job job = Must(jobs_->GetJob(number));
      if (enough(job)) {
        return job;
      }
    }
  }
  Job AwaitEnd(JobNumber number) {
    return Await(number, [](const Job& job) {
      return IsDone(job.status.state) || job.status.state == JobState::kPaused;
    });
  }

  template <typename Event>
  std::vector<Event> EventsOf(JobNumber number) {
    std::vector<Event> found;
    for (const JobEvent& event : Must(jobs_->Events(number, 0, 10'000))) {
      if (const auto* one = std::get_if<Event>(&event.body)) {
        found.push_back(*one);
      }
    }
    return found;
  }
  Digest WeightsOf(VersionNumber version) {
    return Must(models_->GetVersion(Named("tiny"), version)).row.weights;
  }

  TempDir folder_;
  FakeLoader loader_;
  ScriptedTrainers trainers_;
  PriorityGate gate_;
  // At the priority of all else: on a busy machine SCHED_IDLE would wait.
  JobManagerOptions options_{.gives_way = false};
  std::unique_ptr<Store> store_;
  std::unique_ptr<DatasetManager> datasets_;
  std::unique_ptr<ModelRegistry> registry_;
  std::unique_ptr<ModelManager> models_;
  std::unique_ptr<JobManager> jobs_;
  VersionNumber base_;
};

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

TEST_F(JobManagerTest, OneRequestIsOneJob) {
  const NewJob first =
      Must(jobs_->CreateJob(Spec(), false, false, Asked("key")));
  const NewJob again =
      Must(jobs_->CreateJob(Spec(), false, false, Asked("key")));
  EXPECT_TRUE(first.created);
  EXPECT_FALSE(again.created);
  EXPECT_EQ(again.job.number, first.job.number);
  EXPECT_EQ(
      ReasonOf(jobs_->CreateJob(Spec(), false, false, Asked("key", "other"))
                   .status()),
      "REQUEST_ID_CONFLICT");
}

TEST_F(JobManagerTest, TheQueueHasALimit) {
  options_.max_jobs = 2;
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
