// A request that is repeated, and many at once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/thread.h"
#include "tests/unit/finetune/job_manager_fixture.h"

namespace resnetd {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

class JobManagerRequestTest : public JobManagerTest {
 protected:
  absl::StatusOr<NewJob> Submit(const JobSpec& spec, const std::string& id) {
    return jobs_->CreateJob(spec, false, false, Asked(id));
  }
};

TEST_F(JobManagerRequestTest, OneRequestIsOneJob) {
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

TEST_F(JobManagerRequestTest, ARepetitionIsAnsweredWhenTheQueueIsFull) {
  options_.limits.open = 1;
  Restart();
  const NewJob first = Must(Submit(Spec(), "key"));
  EXPECT_EQ(ReasonOf(Submit(Spec(), "other").status()), "QUEUE_FULL");
  const NewJob again = Must(Submit(Spec(), "key"));
  EXPECT_FALSE(again.created);
  EXPECT_EQ(again.job.number, first.job.number);
}

TEST_F(JobManagerRequestTest, TheJobsOfEachCallerAreLimited) {
  options_.limits = {.open = 4, .open_per_creator = 2};
  Restart();
  ASSERT_TRUE(jobs_->Start().ok());
  // None of them runs: each stays open until it is cancelled.
  const auto submit = [this](const std::string& actor, const std::string& id,
                             bool validate_only = false) {
    Mutation mutation = Asked(id);
    mutation.actor = actor;
    return jobs_->CreateJob(Spec(), /*wait_for_start=*/true, validate_only,
                            mutation);
  };
  const NewJob first = Must(submit("ann", "a1"));
  Must(submit("ann", "a2"));
  for (const bool validate_only : {false, true}) {
    const absl::Status full = submit("ann", "a3", validate_only).status();
    EXPECT_EQ(ReasonOf(full), "QUEUE_FULL");
    EXPECT_EQ(full.message(),
              "you have 2 jobs that wait or run, at most 2 are accepted for "
              "one caller: wait until one is done, or cancel one");
  }
  EXPECT_FALSE(Must(submit("ann", "a1")).created);
  Must(submit("bob", "b1"));
  ASSERT_TRUE(
      jobs_->CallJob(first.job.number, JobCall::kCancel, "", Asked()).ok());
  AwaitEnd(first.job.number);
  EXPECT_TRUE(Must(submit("ann", "a3")).created);
  Must(submit("bob", "b2"));
  const absl::Status full = submit("cleo", "c1").status();
  EXPECT_THAT(std::string(full.message()), HasSubstr("4 jobs wait or run"));
}

TEST_F(JobManagerRequestTest, ARepetitionIsAnsweredWhenWhatItReadsIsGone) {
  JobSpec spec = Spec();
  spec.base = base_;
  const NewJob first = Must(Submit(spec, "key"));
  ASSERT_TRUE(
      jobs_->CallJob(first.job.number, JobCall::kCancel, "", Asked()).ok());
  ASSERT_TRUE(jobs_->Start().ok());
  AwaitEnd(first.job.number);
  ASSERT_TRUE(datasets_->DeleteDataset(spec.dataset, "", Asked()).ok());
  const std::string file = TinyWeightsFile(2);
  const auto session = Must(models_->Import(HeaderOf("tiny", file), Asked()));
  ASSERT_TRUE(session->Write(BytesOf(file)).ok());
  const VersionNumber next = Must(session->Finish()).version.row.version;
  Must(models_->SetAlias({.model = spec.model, .alias = "stable", .to = next},
                         false, Asked()));
  Must(models_->DeleteVersion(spec.model, base_, "", false, Asked()));
  EXPECT_EQ(ReasonOf(Submit(spec, "new").status()), "DATASET_NOT_FOUND");

  const NewJob again = Must(Submit(spec, "key"));
  EXPECT_FALSE(again.created);
  EXPECT_EQ(again.job.number, first.job.number);
  EXPECT_EQ(again.job.status.state, JobState::kCancelled);
  // Whatever became of what it reads: it is another request.
  EXPECT_EQ(
      ReasonOf(
          jobs_->CreateJob(spec, false, false, Asked("key", "else")).status()),
      "REQUEST_ID_CONFLICT");
  ASSERT_TRUE(jobs_->DeleteJob(first.job.number, "", Asked()).ok());
  EXPECT_EQ(ReasonOf(Submit(spec, "key").status()), "JOB_NOT_FOUND");
}

TEST_F(JobManagerRequestTest, ACallThatIsRepeatedIsAnsweredWithTheJobAsItIs) {
  const JobNumber number = Create(Spec());
  const std::string etag = Must(jobs_->GetJob(number)).etag;
  ASSERT_TRUE(
      jobs_->CallJob(number, JobCall::kPause, etag, Asked("pause")).ok());
  // The etag is stale by then and the state another one.
  const Job again =
      Must(jobs_->CallJob(number, JobCall::kPause, etag, Asked("pause")));
  EXPECT_EQ(again.status.state, JobState::kPaused);
  ASSERT_TRUE(jobs_->CallJob(number, JobCall::kResume, "", Asked()).ok());
  EXPECT_EQ(Must(jobs_->CallJob(number, JobCall::kPause, etag, Asked("pause")))
                .status.state,
            JobState::kQueued)
      << "it is not paused a second time";
  EXPECT_EQ(
      ReasonOf(
          jobs_->CallJob(number, JobCall::kPause, "", Asked("pause", "else"))
              .status()),
      "REQUEST_ID_CONFLICT");
}

TEST_F(JobManagerRequestTest, TheQueueIsNeverLongerThanItMayBe) {
  options_.limits.open = 5;
  Restart();
  std::atomic<int> taken{0};
  std::atomic<int> refused{0};
  {
    std::vector<Thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back("submit", [&, i] {
        for (int k = 0; k < 3; ++k) {
          const auto job = Submit(Spec(), absl::StrCat(i, "/", k));
          ++(job.ok() ? taken : refused);
          EXPECT_TRUE(job.ok() || ReasonOf(job.status()) == "QUEUE_FULL");
        }
      });
    }
  }
  EXPECT_EQ(taken, 5);
  EXPECT_EQ(refused, 7);
  EXPECT_THAT(Must(jobs_->ListJobs()), SizeIs(5));
}

// The first answer to each request. Thread-safe.
class FirstAnswers {
 public:
  // Whether `job` is the one that was answered before, or the first.
  bool Agrees(const std::string& id, JobNumber job)
      ABSL_LOCKS_EXCLUDED(mutex_) {
    const MutexLock lock(mutex_);
    return jobs_.emplace(id, job).first->second == job;
  }
  std::size_t size() ABSL_LOCKS_EXCLUDED(mutex_) {
    const MutexLock lock(mutex_);
    return jobs_.size();
  }

 private:
  Mutex mutex_;
  std::map<std::string, JobNumber> jobs_ ABSL_GUARDED_BY(mutex_);
};

struct Load {
  int requests = 0;
  int submits = 0;
  int restarts = 0;
};

Load LoadOfTheRun() {
  const bool is_long =
      std::getenv("RESNETD_TEST_LONG") !=
      nullptr;  // NOLINT(concurrency-mt-unsafe): before any thread
  return is_long ? Load{.requests = 100, .submits = 10'000, .restarts = 10}
                 : Load{.requests = 6, .submits = 600, .restarts = 2};
}

TEST_F(JobManagerRequestTest,
       ManySubmitsOfFewRequestsMakeAsManyJobsAndEachEndsOnce) {
  constexpr int kThreads = 8;
  const Load load = LoadOfTheRun();
  FirstAnswers answers;
  for (int round = 0; round <= load.restarts; ++round) {
    ASSERT_TRUE(jobs_->Start().ok());
    std::vector<Thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back("submit", [&, i, round] {
        const int submits = load.submits / kThreads / (load.restarts + 1);
        for (int k = 0; k <= submits; ++k) {
          // Some requests are new in each round, the others are repeated.
          const int some = load.requests * (round + 1) / (load.restarts + 1);
          const std::string id = absl::StrCat("r", (k * 7 + i) % some);
          const NewJob job = Must(Submit(Spec(2), id));
          EXPECT_TRUE(answers.Agrees(id, job.job.number));
        }
      });
    }
    threads.clear();
    // In the middle of what it does.
    Restart();
  }
  ASSERT_TRUE(jobs_->Start().ok());
  EXPECT_EQ(answers.size(), static_cast<std::size_t>(load.requests));
  const std::vector<Job> all = Must(jobs_->ListJobs());
  EXPECT_THAT(all, SizeIs(load.requests));
  for (const Job& job : all) {
    const Job done = AwaitEnd(job.number);
    EXPECT_EQ(done.status.state, JobState::kSucceeded)
        << (done.status.error ? done.status.error->text : "");
    const auto changes = EventsOf<StateChanged>(job.number);
    EXPECT_EQ(std::count_if(
                  changes.begin(), changes.end(),
                  [](const StateChanged& change) { return IsDone(change.to); }),
              1);
  }
}

}  // namespace
}  // namespace resnetd
