// A real store and real versions; a job that is done in a commit.
#include "server/finetune/promotion_watcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <variant>

#include "server/finetune/dataset_manager.h"
#include "server/finetune/job_json.h"
#include "tests/support/fake_clock.h"
#include "tests/unit/models/manager_fixture.h"

namespace resnetd {
namespace {

using ::testing::HasSubstr;

Mutation Asked() {
  Mutation mutation;
  mutation.method = "Test";
  return mutation;
}

class PromotionWatcherTest : public ::testing::Test {
 protected:
  void SetUp() override {
    store_ = Must(Store::Open({.folder = folder_.File("data")}, RealClock()));
    models_ =
        ModelManager::Create({}, *store_, loader_, registry_, RealClock());
    ASSERT_TRUE(models_->Start().ok());
    first_ = Import(1);
    second_ = Import(2);
    ledger_ = std::make_unique<JobLedger>(store_->jobs());
    Restart();
    job_ = PromotedJob();
  }

  void Restart() {
    watcher_ = std::make_unique<PromotionWatcher>(
        *ledger_, *models_, tallies_, NullTrainingMetrics(), clock_);
  }

  VersionNumber Import(int number) {
    const std::string file = TinyWeightsFile(number);
    const auto session = Must(models_->Import(HeaderOf("tiny", file), Asked()));
    EXPECT_TRUE(session->Write(BytesOf(file)).ok());
    return Must(session->Finish()).version.row.version;
  }

  AliasRow Move(VersionNumber to) {
    return Must(models_->Promote({.model = Named("tiny"),
                                  .alias = "stable",
                                  .to = to,
                                  .expected_version = std::nullopt,
                                  .etag = ""},
                                 {.allow_label_change = true}, false, Asked()));
  }

  // Done, and its version has taken over a second ago from one that was sure of
  // what it said.
  JobNumber PromotedJob() {
    const DatasetName dataset = DatasetName::Parse("data").value();
    const auto datasets =
        DatasetManager::Create({}, *store_, store_->datasets());
    EXPECT_TRUE(datasets->CreateDataset(dataset, {"a", "b"}, Asked()).ok());
    JobSpec spec{.model = Named("tiny"), .dataset = dataset};
    spec.promotion = {.kind = PromotionKind::kAlias, .alias = "stable"};
    const JobNumber job =
        Must(ledger_->Create(spec, {}, {}, Asked())).job.number;
    const AliasRow moved = Move(second_);
    for (const JobState state :
         {JobState::kValidating, JobState::kPreparing, JobState::kRunning,
          JobState::kEvaluating, JobState::kSucceeded}) {
      Must(ledger_->Change(job, [&](const Job& before) {
        JobEdit edit{.status = before.status};
        edit.status.state = state;
        if (state == JobState::kSucceeded) {
          edit.status.promotion = PromotionState::kPromoted;
          edit.status.watch = WatchedPromotion{
              .alias = "stable",
              .version = second_,
              .alias_etag = EtagOf(moved),
              .until = clock_.WallNow() + std::chrono::minutes(10),
              .answers_before = 1000,
              .confidence_before = 0.9};
        }
        return absl::StatusOr<JobEdit>(std::move(edit));
      }));
    }
    watcher_->Add(job);
    return job;
  }

  void Answer(int answers, double confidence, int failures = 0) {
    for (int i = 0; i < answers; ++i) {
      tallies_.CountAnswer(Named("tiny"), second_, confidence);
    }
    for (int i = 0; i < failures; ++i) {
      tallies_.CountFailure(Named("tiny"), second_);
    }
  }

  Job Now() { return Must(JobOfRow(Must(store_->jobs().GetJob(job_)))); }
  VersionNumber Serving() {
    return Must(registry_.Acquire({.name = Named("tiny")}))->facts.version;
  }
  std::string LastLine() {
    const auto rows = Must(store_->jobs().ListJobEvents(job_, 0, 1000));
    const JobEvent event = Must(ParseEvent(rows.back()));
    const auto* line = std::get_if<LogLine>(&event.body);
    return line == nullptr ? "no line" : line->text;
  }

  TempDir folder_;
  FakeLoader loader_;
  FakeClock clock_;
  VersionTallies tallies_;
  ModelRegistry registry_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<ModelManager> models_;
  std::unique_ptr<JobLedger> ledger_;
  std::unique_ptr<PromotionWatcher> watcher_;
  VersionNumber first_;
  VersionNumber second_;
  JobNumber job_;
};

TEST_F(PromotionWatcherTest, AGoodVersionStaysAndTheWatchEnds) {
  Answer(500, 0.85);
  watcher_->LookAtAll();
  EXPECT_TRUE(Now().status.watch.has_value());
  clock_.Advance(std::chrono::minutes(10));
  watcher_->LookAtAll();
  EXPECT_FALSE(Now().status.watch.has_value());
  EXPECT_EQ(Now().status.promotion, PromotionState::kPromoted);
  EXPECT_EQ(Serving(), second_);
  EXPECT_EQ(LastLine(),
            "the version has been watched: 500 answers, 0 failures, it stays");
}

TEST_F(PromotionWatcherTest, AVersionThatFailsIsRolledBack) {
  Answer(10, 0.9, 2);
  watcher_->LookAtAll();
  EXPECT_EQ(Serving(), first_);
  const Job job = Now();
  EXPECT_EQ(job.status.state, JobState::kSucceeded);
  EXPECT_EQ(job.status.promotion, PromotionState::kRolledBack);
  EXPECT_FALSE(job.status.watch.has_value());
  EXPECT_THAT(LastLine(), HasSubstr("rolled back: stable 2 -> 1, as 2 of 12 "
                                    "batches failed"));
  bool is_audited = false;
  for (const AuditRow& row : Must(store_->ListAudit(0, 1000))) {
    is_audited |= row.actor == "job" && row.method == "RollbackAlias";
  }
  EXPECT_TRUE(is_audited);
}

TEST_F(PromotionWatcherTest, AVersionThatIsUnsureIsRolledBack) {
  Answer(100, 0.5);
  watcher_->LookAtAll();
  EXPECT_EQ(Serving(), first_);
  EXPECT_EQ(Now().status.promotion, PromotionState::kRolledBack);
}

TEST_F(PromotionWatcherTest, WhatSomebodyMovedSinceStaysWhereItIs) {
  const VersionNumber third = Import(3);
  Move(third);
  Answer(10, 0.9, 5);
  watcher_->LookAtAll();
  EXPECT_EQ(Serving(), third);
  const Job job = Now();
  EXPECT_EQ(job.status.promotion, PromotionState::kPromoted);
  EXPECT_FALSE(job.status.watch.has_value());
  EXPECT_THAT(LastLine(), HasSubstr("and was not: "));
}

TEST_F(PromotionWatcherTest, ARestartGoesOnWithTheWatch) {
  Restart();
  watcher_->LookAtAll();
  EXPECT_TRUE(Now().status.watch.has_value());
  watcher_->Add(job_);
  Answer(0, 0, 2);
  watcher_->LookAtAll();
  EXPECT_EQ(Serving(), first_);
}

TEST_F(PromotionWatcherTest, ARollbackThatACrashInterruptedIsCarriedOutOnce) {
  // Decided, carried out, and not written down.
  Must(ledger_->Change(job_, [](const Job& before) {
    JobEdit edit{.status = before.status, .after_end = true};
    edit.status.watch->rolled_back_for = "it was bad";
    return absl::StatusOr<JobEdit>(std::move(edit));
  }));
  const Job decided = Now();
  watcher_->LookAtAll();
  EXPECT_EQ(Serving(), first_);
  const std::int64_t generation =
      Must(store_->GetAlias(Named("tiny"), "stable")).generation;
  Must(ledger_->Change(job_, [&decided](const Job&) {
    return absl::StatusOr<JobEdit>(
        JobEdit{.status = decided.status, .after_end = true});
  }));
  watcher_->Add(job_);
  watcher_->LookAtAll();
  EXPECT_EQ(Serving(), first_);
  EXPECT_EQ(Must(store_->GetAlias(Named("tiny"), "stable")).generation,
            generation);
  EXPECT_EQ(Now().status.promotion, PromotionState::kRolledBack);
}

TEST_F(PromotionWatcherTest, AJobThatWasDeletedIsNotWatched) {
  ASSERT_TRUE(store_->jobs().DeleteJob(job_, "", Asked()).ok());
  Answer(0, 0, 5);
  watcher_->LookAtAll();
  EXPECT_EQ(Serving(), second_);
}

TEST_F(PromotionWatcherTest, TheThreadLooksByItselfAndEndsAtOnce) {
  Answer(0, 0, 5);
  clock_.Advance(std::chrono::seconds(2));
  watcher_->Start();
  watcher_->Stop();
}

}  // namespace
}  // namespace resnetd
