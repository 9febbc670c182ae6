#include "server/finetune/job_ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/finetune/job_json.h"
#include "tests/unit/finetune/job_manager_fixture.h"

namespace resnetd {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Pair;

// The ledger of a manager that does nothing.
class JobLedgerTest : public JobManagerTest {
 protected:
  void SetUp() override {
    JobManagerTest::SetUp();
    ledger_ = std::make_unique<JobLedger>(store_->jobs());
    listening_ = ledger_->listeners().Add([this] { ++told_; });
    job_ = JobNumber{
        Must(ledger_->Create(Spec(), JobStatus(), {}, Asked())).job.number};
  }
  void TearDown() override {
    listening_.reset();
    ledger_.reset();
    JobManagerTest::TearDown();
  }

  absl::StatusOr<Job> GoTo(JobState state, const std::string& etag = "",
                           const std::optional<Mutation>& mutation = {}) {
    return ledger_->Change(
        job_,
        [state](const Job& job) -> absl::StatusOr<JobEdit> {
          JobEdit edit{.status = job.status};
          edit.status.state = state;
          edit.text = "why";
          return edit;
        },
        etag, mutation);
  }
  absl::StatusOr<Job> Progress() {
    return ledger_->Change(job_, [](const Job& job) -> absl::StatusOr<JobEdit> {
      JobEdit edit{.status = job.status};
      edit.status.step = job.status.step + 1;
      edit.events = {LogLine{.text = "on"}};
      return edit;
    });
  }

  std::unique_ptr<JobLedger> ledger_;
  std::unique_ptr<ChangeListeners::Handle> listening_;
  int told_ = 0;
  JobNumber job_;
};

TEST_F(JobLedgerTest, AChangeOfStateIsAnEventAndTold) {
  const int before = told_;
  const Job job = Must(GoTo(JobState::kPaused));
  EXPECT_EQ(job.status.state, JobState::kPaused);
  EXPECT_EQ(told_, before + 1);
  const auto changes = EventsOf<StateChanged>(job_);
  EXPECT_EQ(changes.back().from, JobState::kQueued);
  EXPECT_EQ(changes.back().to, JobState::kPaused);
  EXPECT_EQ(changes.back().text, "why");
}

TEST_F(JobLedgerTest, AStateThatCannotFollowIsABug) {
  EXPECT_EQ(GoTo(JobState::kSucceeded).status().code(),
            absl::StatusCode::kInternal);
  EXPECT_EQ(Must(jobs_->GetJob(job_)).status.state, JobState::kQueued);
}

TEST_F(JobLedgerTest, OnlyWhatSomebodyDecidesByChangesTheEtag) {
  const std::string first = Must(jobs_->GetJob(job_)).etag;
  EXPECT_EQ(Must(Progress()).etag, first);
  const Job paused = Must(GoTo(JobState::kPaused, first));
  EXPECT_NE(paused.etag, first);
  const absl::Status stale = GoTo(JobState::kQueued, first).status();
  EXPECT_EQ(stale.code(), absl::StatusCode::kAborted);
  EXPECT_THAT(DetailsOf(stale).metadata, Contains(Pair("etag", paused.etag)));
  EXPECT_THAT(DetailsOf(stale).metadata, Contains(Pair("state", "PAUSED")));
  // Back where it was, and still another one.
  EXPECT_NE(Must(GoTo(JobState::kQueued)).etag, first);
}

TEST_F(JobLedgerTest, ARepeatedRequestChangesNothing) {
  const std::string etag = Must(jobs_->GetJob(job_)).etag;
  Must(GoTo(JobState::kPaused, etag, Asked("key")));
  Must(GoTo(JobState::kQueued));
  const Job again = Must(GoTo(JobState::kPaused, etag, Asked("key")));
  EXPECT_EQ(again.status.state, JobState::kQueued);
  EXPECT_EQ(Must(ledger_->FindRepeated(Asked("key"))), job_);
  EXPECT_EQ(Must(ledger_->FindRepeated(Asked("new"))), std::nullopt);
  EXPECT_EQ(Must(ledger_->FindRepeated(Asked())), std::nullopt);
}

TEST_F(JobLedgerTest, ARequestThatMadeSomethingElseIsNoJob) {
  Mutation mutation = Asked("alias");
  Must(
      models_->SetAlias({.model = Named("tiny"), .alias = "other", .to = base_},
                        false, mutation));
  EXPECT_EQ(Must(ledger_->FindRepeated(mutation)), std::nullopt);
}

TEST_F(JobLedgerTest, AJobThatIsNotDoneIsNotDeleted) {
  const absl::Status status = ledger_->Delete(job_, "", Asked());
  EXPECT_EQ(ReasonOf(status), "JOB_STATE");
  EXPECT_THAT(DetailsOf(status).metadata, Contains(Pair("state", "QUEUED")));
  EXPECT_EQ(DetailsOf(status).resource->second, "jobs/1");
  EXPECT_THAT(std::string(status.message()), HasSubstr("cancel it first"));
}

TEST_F(JobLedgerTest, ADoneJobKeepsItsStatusAndLosesCheckpoints) {
  Must(ledger_->Change(job_, [](const Job& job) -> absl::StatusOr<JobEdit> {
    JobEdit edit{.status = job.status};
    edit.checkpoint = CheckpointRow{
        .step = 5, .manifest = FormatCheckpoint(CheckpointManifest())};
    return edit;
  }));
  EXPECT_EQ(Must(ledger_->FindCheckpoint(job_, 5)).step, 5);
  Must(GoTo(JobState::kCancelling));
  Must(GoTo(JobState::kCancelled));
  const Job job = Must(
      ledger_->Change(job_, [](const Job& done) -> absl::StatusOr<JobEdit> {
        JobEdit edit{.status = done.status};
        edit.remove_checkpoints = {5};
        return edit;
      }));
  EXPECT_EQ(job.status.state, JobState::kCancelled);
  const absl::Status gone = ledger_->FindCheckpoint(job_, 5).status();
  EXPECT_EQ(ReasonOf(gone), "CHECKPOINT_NOT_FOUND");
  EXPECT_EQ(DetailsOf(gone).resource->second, "jobs/1/checkpoints/5");
  EXPECT_TRUE(ledger_->Delete(job_, job.etag, Asked("gone")).ok());
  EXPECT_TRUE(ledger_->Delete(job_, job.etag, Asked("gone")).ok());
  EXPECT_EQ(ReasonOf(ledger_->Delete(job_, "", Asked())), "JOB_NOT_FOUND");
}

}  // namespace
}  // namespace resnetd
