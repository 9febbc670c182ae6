// What changes jobs: CreateJob, ChangeJob and DeleteJob, and what they refuse.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/thread.h"
#include "tests/unit/store/dataset_fixture.h"

namespace resnetd {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

std::string ReasonOf(const absl::Status& status) {
  return DetailsOf(status).reason;
}

JobEventRow Event(int kind, absl::string_view payload = "{}") {
  return {.kind = kind, .payload = std::string(payload)};
}

class JobChangesTest : public ::testing::Test {
 protected:
  JobChangesTest() { CreateAnimals(*store_); }
  JobCatalog& jobs() { return store_->jobs(); }
  JobRow Row() {
    return {.state = 1,
            .spec = R"({"epochs":3})",
            .status = R"({"step":0})",
            .dataset = Dataset("animals")};
  }
  JobRow Change(const JobChange& change) {
    return Must(jobs().ChangeJob(change, std::nullopt));
  }
  absl::Status Refused(const JobChange& change) {
    return jobs().ChangeJob(change, std::nullopt).status();
  }
  CheckpointRow Checkpoint(std::int64_t step) {
    return {.step = step,
            .manifest = absl::StrCat("{\"step\":", step, "}"),
            .blobs = {PutBlob(*store_, absl::StrCat("weights ", step)),
                      PutBlob(*store_, absl::StrCat("optimiser ", step))},
            .bytes = 20 + step};
  }
  std::vector<std::int64_t> StepsOf(JobNumber job) {
    std::vector<std::int64_t> steps;
    for (const CheckpointRow& row : Must(jobs().ListCheckpoints(job))) {
      steps.push_back(row.step);
    }
    return steps;
  }

  OpenedStore store_;
};

TEST_F(JobChangesTest, ANewJobHasTheNextNumberAndItsFirstEvents) {
  store_.clock().Advance(std::chrono::seconds(7));
  const CreatedJob made = Must(jobs().CreateJob(
      Row(), {Event(3, "a"), Event(4, "b")}, kManyJobs,
      {.actor = "ann", .method = "CreateJob", .request_id = "r"}));
  EXPECT_TRUE(made.created);
  EXPECT_EQ(made.job.number, JobNumber{1});
  EXPECT_EQ(made.job.generation, 1);
  EXPECT_EQ(EtagOf(made.job), "j1");
  EXPECT_EQ(made.job.created, store_.clock().WallNow());
  EXPECT_EQ(made.job.updated, made.job.created);
  store_.Open();
  const JobRow got = Must(jobs().GetJob({1}));
  EXPECT_EQ(got.spec, Row().spec);
  EXPECT_EQ(got.status, Row().status);
  EXPECT_EQ(got.state, 1);
  EXPECT_EQ(got.dataset, Dataset("animals"));
  EXPECT_FALSE(got.is_done);
  const auto events = Must(jobs().ListJobEvents({1}, 0, 10));
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_EQ(events[1].sequence, 2);
  EXPECT_EQ(events[1].kind, 4);
  EXPECT_EQ(events[1].payload, "b");
  EXPECT_EQ(events[1].time, made.job.created);
  const auto audit = Must(store_->ListAudit(1, 10));
  ASSERT_THAT(audit, SizeIs(1));
  EXPECT_EQ(audit[0].actor, "ann");
  EXPECT_EQ(audit[0].resource, "jobs/1");
  EXPECT_EQ(CreateJobOver(*store_, "animals").number, JobNumber{2});
  EXPECT_THAT(Must(store_->Verify()), IsEmpty());
}

TEST_F(JobChangesTest, AJobNeedsADatasetThatIsThere) {
  JobRow row = Row();
  row.dataset = Dataset("plants");
  EXPECT_EQ(ReasonOf(jobs().CreateJob(row, {}, kManyJobs, {}).status()),
            "DATASET_NOT_FOUND");
  Must(store_->datasets().DeleteDataset(Dataset("animals"), "", {}));
  EXPECT_EQ(ReasonOf(jobs().CreateJob(Row(), {}, kManyJobs, {}).status()),
            "DATASET_NOT_FOUND");
  EXPECT_THAT(Must(jobs().ListJobs()), IsEmpty());
}

TEST_F(JobChangesTest, ARepeatedRequestMakesOneJob) {
  const Mutation mutation{.method = "CreateJob", .request_id = "r"};
  Must(jobs().CreateJob(Row(), {}, kManyJobs, mutation));
  Change({.job = {1}, .state = 5});
  const CreatedJob again =
      Must(jobs().CreateJob(Row(), {Event(1)}, kManyJobs, mutation));
  EXPECT_FALSE(again.created);
  EXPECT_EQ(again.job.state, 5);
  EXPECT_THAT(Must(jobs().ListJobEvents({1}, 0, 10)), IsEmpty());
  Mutation other = mutation;
  other.request_hash = "other";
  EXPECT_EQ(ReasonOf(jobs().CreateJob(Row(), {}, kManyJobs, other).status()),
            "REQUEST_ID_CONFLICT");
  EndJob(*store_, {1});
  Must(jobs().DeleteJob({1}, "", {}));
  EXPECT_EQ(ReasonOf(jobs().CreateJob(Row(), {}, kManyJobs, mutation).status()),
            "JOB_NOT_FOUND");
}

TEST_F(JobChangesTest, JobsThatAreNotDoneAreLimited) {
  EXPECT_EQ(ReasonOf(jobs().CreateJob(Row(), {}, {.open = 0}, {}).status()),
            "QUEUE_FULL");
  const Mutation mutation{.method = "CreateJob", .request_id = "r"};
  Must(jobs().CreateJob(Row(), {}, {.open = 2}, mutation));
  Must(jobs().CreateJob(Row(), {}, {.open = 2}, {}));
  const absl::Status full =
      jobs().CreateJob(Row(), {}, {.open = 2}, {}).status();
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(DetailsOf(full).retry_after.has_value());
  EXPECT_FALSE(
      Must(jobs().CreateJob(Row(), {}, {.open = 2}, mutation)).created);
  EndJob(*store_, {1});
  Must(jobs().CreateJob(Row(), {}, {.open = 2}, {}));
}

struct RoomCase {
  OpenJobs open;
  // The limit that is named; empty: there is room.
  std::string refused_by;
  std::string limit;
};

TEST(CheckRoomTest, ThereIsRoomBelowBothLimits) {
  const JobLimits limits{.open = 5, .open_per_creator = 3};
  const std::vector<RoomCase> cases = {
      {{.all = 0, .of_creator = 0}, "", ""},
      {{.all = 4, .of_creator = 2}, "", ""},
      {{.all = 4, .of_creator = 3}, "max-jobs-per-client", "3"},
      {{.all = 4, .of_creator = 4}, "max-jobs-per-client", "3"},
      {{.all = 5, .of_creator = 2}, "max-jobs", "5"},
      {{.all = 6, .of_creator = 0}, "max-jobs", "5"},
      // Of both the one that the caller can do something about.
      {{.all = 5, .of_creator = 3}, "max-jobs-per-client", "3"}};
  for (const RoomCase& one : cases) {
    SCOPED_TRACE(
        absl::StrCat(one.open.all, " jobs, ", one.open.of_creator, " own"));
    const absl::Status room = CheckRoom(one.open, limits);
    ASSERT_EQ(room.ok(), one.refused_by.empty()) << room;
    if (room.ok()) {
      continue;
    }
    EXPECT_EQ(room.code(), absl::StatusCode::kResourceExhausted);
    const ErrorDetails details = DetailsOf(room);
    EXPECT_EQ(details.reason, "QUEUE_FULL");
    EXPECT_THAT(details.metadata, Contains(Pair("limit_name", one.refused_by)));
    EXPECT_THAT(details.metadata, Contains(Pair("limit", one.limit)));
    EXPECT_TRUE(details.retry_after.has_value());
  }
}

TEST(CheckRoomTest, TheTextSaysHowManyAndWhatToDo) {
  const JobLimits limits{.open = 5, .open_per_creator = 3};
  EXPECT_EQ(CheckRoom({.all = 4, .of_creator = 3}, limits).message(),
            "you have 3 jobs that wait or run, at most 3 are accepted for one "
            "caller: wait until one is done, or cancel one");
  EXPECT_EQ(CheckRoom({.all = 5, .of_creator = 1}, limits).message(),
            "5 jobs wait or run, at most 5 are accepted: wait until one is "
            "done");
}

TEST_F(JobChangesTest, JobsOfOneCallerAreLimited) {
  const JobLimits two{.open = 100, .open_per_creator = 2};
  const Mutation first{
      .actor = "ann", .method = "CreateJob", .request_id = "r"};
  const Mutation ann{.actor = "ann", .method = "CreateJob"};
  const Mutation bob{.actor = "bob", .method = "CreateJob"};
  Must(jobs().CreateJob(Row(), {}, two, first));
  Must(jobs().CheckRoom(two, ann));
  Must(jobs().CreateJob(Row(), {}, two, ann));
  for (const absl::Status& full :
       {jobs().CheckRoom(two, ann),
        jobs().CreateJob(Row(), {}, two, ann).status()}) {
    EXPECT_EQ(ReasonOf(full), "QUEUE_FULL");
    EXPECT_THAT(DetailsOf(full).metadata,
                Contains(Pair("limit_name", "max-jobs-per-client")));
  }
  // Another caller has room of its own, and a repetition needs none.
  Must(jobs().CheckRoom(two, bob));
  Must(jobs().CreateJob(Row(), {}, two, bob));
  EXPECT_FALSE(Must(jobs().CreateJob(Row(), {}, two, first)).created);
  // Whose a job is is kept, and one that is done counts no more.
  store_.Open();
  EXPECT_EQ(ReasonOf(jobs().CheckRoom(two, ann)), "QUEUE_FULL");
  EndJob(*store_, {1});
  Must(jobs().CreateJob(Row(), {}, two, ann));
  EXPECT_EQ(ReasonOf(jobs().CheckRoom(two, ann)), "QUEUE_FULL");
  EXPECT_THAT(Must(jobs().ListJobs()), SizeIs(4));
  EXPECT_THAT(Must(store_->Verify()), IsEmpty());
}

TEST_F(JobChangesTest, CallersWhoAreNotToldApartShareTheLimitOfAll) {
  const JobLimits limits{.open = 4, .open_per_creator = 1};
  for (int i = 0; i < 4; ++i) {
    Must(jobs().CreateJob(Row(), {}, limits, {.method = "CreateJob"}));
  }
  const absl::Status full = jobs().CreateJob(Row(), {}, limits, {}).status();
  EXPECT_THAT(DetailsOf(full).metadata,
              Contains(Pair("limit_name", "max-jobs")));
  EndJob(*store_, {1});
  // Nobody's jobs are not those of somebody who is known.
  Must(jobs().CreateJob(Row(), {}, limits, {.actor = "ann"}));
}

TEST_F(JobChangesTest, ARequestIsFoundAsLongAsItIsRemembered) {
  const Mutation mutation{.method = "CreateJob", .request_id = "r"};
  EXPECT_EQ(Must(jobs().FindRequest(mutation)), std::nullopt);
  EXPECT_EQ(Must(jobs().FindRequest({})), std::nullopt);
  Must(jobs().CreateJob(Row(), {}, kManyJobs, mutation));
  EXPECT_EQ(Must(jobs().FindRequest(mutation)), "jobs/1");
  Mutation other = mutation;
  other.request_hash = "other";
  EXPECT_EQ(ReasonOf(jobs().FindRequest(other).status()),
            "REQUEST_ID_CONFLICT");
}

TEST_F(JobChangesTest, EveryChangeAddsOneToTheGeneration) {
  CreateJobOver(*store_, "animals");
  store_.clock().Advance(std::chrono::seconds(3));
  const JobRow changed = Change({.job = {1},
                                 .expected_generation = 1,
                                 .state = 4,
                                 .status = R"({"step":5})",
                                 .events = {Event(2), Event(3)}});
  EXPECT_EQ(changed.generation, 2);
  EXPECT_EQ(changed.state, 4);
  EXPECT_EQ(changed.status, R"({"step":5})");
  EXPECT_EQ(changed.updated, store_.clock().WallNow());
  EXPECT_EQ(changed.created + std::chrono::seconds(3), changed.updated);
  EXPECT_EQ(Change({.job = {1}, .events = {Event(2)}}).generation, 3);
  const JobRow last = Must(jobs().GetJob({1}));
  EXPECT_EQ(last.generation, 3);
  EXPECT_EQ(last.state, 4);
  // No audit row: the server's own doing.
  EXPECT_THAT(Must(store_->ListAudit(0, 10)), SizeIs(2));
}

TEST_F(JobChangesTest, AnotherGenerationIsAborted) {
  CreateJobOver(*store_, "animals");
  for (const std::int64_t generation : {0, 2}) {
    const absl::Status refused =
        Refused({.job = {1}, .expected_generation = generation, .state = 4});
    EXPECT_EQ(refused.code(), absl::StatusCode::kAborted);
    EXPECT_EQ(ReasonOf(refused), "ETAG_MISMATCH");
    EXPECT_THAT(DetailsOf(refused).metadata, Contains(Pair("etag", "j1")));
  }
  EXPECT_EQ(Must(jobs().GetJob({1})).state, 1);
}

TEST_F(JobChangesTest, AnEmptyChangeIsNone) {
  CreateJobOver(*store_, "animals");
  EXPECT_EQ(Change({.job = {1}}).generation, 1);
  EXPECT_EQ(Change({.job = {1}, .remove_checkpoints = {7}}).generation, 1);
  Must(jobs().ChangeJob({.job = {1}},
                        Mutation{.method = "Cancel", .request_id = "r"}));
  EXPECT_THAT(Must(store_->ListAudit(0, 10)), SizeIs(2));
  EXPECT_EQ(*Must(store_->Remembered({.method = "Cancel", .request_id = "r"})),
            "jobs/1");
}

TEST_F(JobChangesTest, ADoneJobChangesOnlyItsCheckpoints) {
  CreateJobOver(*store_, "animals");
  Change({.job = {1}, .checkpoint = Checkpoint(10)});
  EXPECT_TRUE(EndJob(*store_, {1}).is_done);
  const std::vector<JobChange> changes = {
      {.job = {1}, .state = 4},
      {.job = {1}, .is_done = true},
      {.job = {1}, .status = "{}"},
      {.job = {1}, .events = {Event(1)}},
      {.job = {1}, .state = 4, .remove_checkpoints = {10}}};
  for (const JobChange& change : changes) {
    const absl::Status refused = Refused(change);
    EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(ReasonOf(refused), "JOB_STATE");
    EXPECT_THAT(DetailsOf(refused).metadata, Contains(Pair("state", "9")));
  }
  EXPECT_EQ(Change({.job = {1}}).generation, 3);
  const JobRow row = Change(
      {.job = {1}, .checkpoint = Checkpoint(20), .remove_checkpoints = {10}});
  EXPECT_TRUE(row.is_done);
  EXPECT_EQ(row.generation, 4);
  EXPECT_THAT(StepsOf({1}), ElementsAre(20));
}

TEST_F(JobChangesTest, WhatBecomesOfTheResultOfADoneJobIsWrittenDown) {
  CreateJobOver(*store_, "animals");
  EXPECT_TRUE(EndJob(*store_, {1}).is_done);
  const JobRow row = Change({.job = {1},
                             .status = R"({"promotion":4})",
                             .events = {Event(1)},
                             .after_end = true});
  EXPECT_TRUE(row.is_done);
  EXPECT_EQ(row.state, 9);
  EXPECT_EQ(row.status, R"({"promotion":4})");
  // It is not begun again.
  EXPECT_EQ(ReasonOf(Refused({.job = {1}, .state = 4, .after_end = true})),
            "JOB_STATE");
}

TEST_F(JobChangesTest, CheckpointsComeBackAsTheyWereGiven) {
  CreateJobOver(*store_, "animals");
  const CheckpointRow twenty = Checkpoint(20);
  Change({.job = {1}, .checkpoint = twenty});
  Change({.job = {1}, .checkpoint = Checkpoint(10)});
  store_.Open();
  EXPECT_THAT(StepsOf({1}), ElementsAre(10, 20));
  const CheckpointRow got = Must(jobs().ListCheckpoints({1}))[1];
  EXPECT_EQ(got.manifest, twenty.manifest);
  EXPECT_EQ(got.blobs, twenty.blobs);
  EXPECT_EQ(got.bytes, 40);
  EXPECT_EQ(got.created, store_.clock().WallNow());
  EXPECT_THAT(Must(store_->Verify()), IsEmpty());
}

TEST_F(JobChangesTest, OneStepHasOneCheckpoint) {
  CreateJobOver(*store_, "animals");
  Change({.job = {1}, .checkpoint = Checkpoint(10)});
  CheckpointRow other = Checkpoint(11);
  other.step = 10;
  Change({.job = {1}, .checkpoint = other});
  EXPECT_THAT(StepsOf({1}), ElementsAre(10));
  EXPECT_EQ(Must(jobs().ListCheckpoints({1}))[0].blobs, other.blobs);
  // Removed first, then added.
  Change({.job = {1},
          .checkpoint = Checkpoint(10),
          .remove_checkpoints = {10, 99}});
  EXPECT_THAT(StepsOf({1}), ElementsAre(10));
  EXPECT_THAT(Must(store_->Verify()), IsEmpty());
}

TEST_F(JobChangesTest, ACheckpointNeedsItsBlobs) {
  CreateJobOver(*store_, "animals");
  CheckpointRow missing = Checkpoint(10);
  missing.blobs.push_back(std::string(64, 'a'));
  const absl::Status refused =
      Refused({.job = {1}, .state = 4, .checkpoint = missing});
  EXPECT_EQ(refused.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ReasonOf(refused), "BLOB_NOT_FOUND");
  EXPECT_EQ(Must(jobs().GetJob({1})).generation, 1);
  EXPECT_THAT(StepsOf({1}), IsEmpty());
}

TEST_F(JobChangesTest, AMutationHasAnAuditRowAndHappensOnce) {
  CreateJobOver(*store_, "animals");
  const Mutation mutation{
      .actor = "bob", .method = "PauseJob", .request_id = "r"};
  const JobChange pause{.job = {1}, .state = 6, .events = {Event(1)}};
  EXPECT_EQ(Must(jobs().ChangeJob(pause, mutation)).generation, 2);
  Change({.job = {1}, .state = 2});
  EXPECT_EQ(Must(jobs().ChangeJob(pause, mutation)).state, 2);
  EXPECT_THAT(Must(jobs().ListJobEvents({1}, 0, 10)), SizeIs(1));
  const auto audit = Must(store_->ListAudit(2, 10));
  ASSERT_THAT(audit, SizeIs(1));
  EXPECT_EQ(audit[0].actor, "bob");
  EXPECT_EQ(audit[0].method, "PauseJob");
  EXPECT_EQ(audit[0].resource, "jobs/1");
  EXPECT_EQ(audit[0].outcome, "state 6, generation 2");
  Mutation other = mutation;
  other.request_hash = "other";
  EXPECT_EQ(ReasonOf(jobs().ChangeJob(pause, other).status()),
            "REQUEST_ID_CONFLICT");
}

TEST_F(JobChangesTest, OnlyADoneJobIsDeletedAndItsNumberIsNotGivenAgain) {
  CreateJobOver(*store_, "animals", {Event(1), Event(2)});
  Change({.job = {1}, .checkpoint = Checkpoint(10)});
  const absl::Status open = jobs().DeleteJob({1}, "", {});
  EXPECT_EQ(open.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(open), "JOB_STATE");
  EXPECT_THAT(DetailsOf(open).metadata, Contains(Pair("state", "1")));
  EndJob(*store_, {1});
  EXPECT_EQ(ReasonOf(jobs().DeleteJob({1}, "j2", {})), "ETAG_MISMATCH");
  const Mutation mutation{.method = "DeleteJob", .request_id = "r"};
  Must(jobs().DeleteJob({1}, "j3", mutation));
  Must(jobs().DeleteJob({1}, "j3", mutation));
  for (const absl::Status& status :
       {jobs().GetJob({1}).status(), jobs().ListJobEvents({1}, 0, 1).status(),
        jobs().ListCheckpoints({1}).status(), jobs().DeleteJob({1}, "", {}),
        Refused({.job = {1}})}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(ReasonOf(status), "JOB_NOT_FOUND");
  }
  store_.Open();
  EXPECT_EQ(CreateJobOver(*store_, "animals").number, JobNumber{2});
  EXPECT_THAT(Must(store_->Verify()), IsEmpty());
}

TEST_F(JobChangesTest, EventsOfSeveralThreadsHaveNoGap) {
  CreateJobOver(*store_, "animals");
  constexpr int kThreads = 2;
  constexpr int kChanges = 50;
  {
    std::vector<Thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back("events", [this, i] {
        for (int k = 0; k < kChanges; ++k) {
          Change({.job = {1}, .events = {Event(i), Event(i)}});
        }
      });
    }
  }
  const auto events = Must(jobs().ListJobEvents({1}, 0, 1000));
  ASSERT_THAT(events, SizeIs(2 * kThreads * kChanges));
  std::int64_t of_first = 0;
  for (std::size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i].sequence, static_cast<std::int64_t>(i) + 1);
    of_first += events[i].kind == 0 ? 1 : 0;
    // What was appended together stays together.
    EXPECT_EQ(events[i].kind, events[i - i % 2].kind);
  }
  EXPECT_EQ(of_first, 2 * kChanges);
  EXPECT_EQ(Must(jobs().GetJob({1})).generation, 1 + kThreads * kChanges);
}

TEST_F(JobChangesTest, ManySubmitsOfFewRequestsMakeAsManyJobsAsRequests) {
  constexpr int kRequests = 20;
  {
    std::vector<Thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back("submit", [this, i] {
        for (int k = 0; k < 2 * kRequests; ++k) {
          Must(jobs().CreateJob(
              Row(), {Event(1)}, kManyJobs,
              {.method = "CreateJob",
               .request_id = absl::StrCat((k * 7 + i) % kRequests)}));
        }
      });
    }
  }
  EXPECT_THAT(Must(jobs().ListJobs()), SizeIs(kRequests));
  EXPECT_THAT(Must(store_->Verify()), IsEmpty());
}

}  // namespace
}  // namespace resnetd
