#include "server/rpc/job_watches.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "server/base/error.h"
#include "tests/unit/rpc/jobs_fixture.h"

namespace resnetd {
namespace {

using testing::ElementsAre;
using testing::Key;
using testing::UnorderedElementsAre;

// Later than the beginning of every watch here.
WallTime Live() {
  return std::chrono::system_clock::now() + std::chrono::hours(24);
}

v1::WatchFineTuneJobRequest After(
    std::int64_t sequence, const std::vector<v1::JobEventKind>& kinds = {},
    const std::string& name = "jobs/1") {
  v1::WatchFineTuneJobRequest request;
  request.set_name(name);
  request.set_after_sequence(sequence);
  for (const v1::JobEventKind kind : kinds) {
    request.add_kinds(kind);
  }
  return request;
}

StepMetrics Step(std::int64_t step, double loss = 1) {
  return {.step = step,
          .steps = 1,
          .loss = loss,
          .accuracy = 0.5,
          .gradient_norm = 2,
          .learning_rate = 0.1 / static_cast<double>(step),
          .examples_per_second = 100};
}

// One call of WatchFineTuneJob.
class Watching {
 public:
  Watching(v1::FineTuneService::Stub& stub,
           const v1::WatchFineTuneJobRequest& request) {
    // A test that would wait for ever fails instead.
    context_.set_deadline(std::chrono::system_clock::now() +
                          std::chrono::seconds(20));
    reader_ = stub.WatchFineTuneJob(&context_, request);
  }

  // Until the server has taken the call.
  void AwaitOpen() { reader_->WaitForInitialMetadata(); }
  // The sequence of the next event; 0: the stream has ended.
  std::int64_t Next() {
    v1::WatchFineTuneJobResponse message;
    if (!reader_->Read(&message)) {
      return 0;
    }
    event_ = message.event();
    return event_.sequence();
  }
  std::vector<std::int64_t> All() {
    std::vector<std::int64_t> sequences;
    while (const std::int64_t next = Next()) {
      sequences.push_back(next);
    }
    return sequences;
  }
  const v1::JobEvent& event() const { return event_; }
  grpc::Status Finish() { return reader_->Finish(); }
  void Cancel() { context_.TryCancel(); }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::WatchFineTuneJobResponse>> reader_;
  v1::JobEvent event_;
};

class JobWatchesTest : public JobsTest {
 protected:
  grpc::Status ErrorOf(const v1::WatchFineTuneJobRequest& request) {
    Watching watch(*jobs_, request);
    EXPECT_EQ(watch.Next(), 0);
    return watch.Finish();
  }
};

TEST_F(JobWatchesTest, TellsWhatHasHappenedAndThenWhatHappens) {
  ListenReady();
  const JobNumber job = job_manager_.Add(JobState::kQueued);
  Watching watch(*jobs_, After(0));
  ASSERT_EQ(watch.Next(), 1);
  EXPECT_EQ(watch.event().state_changed().to(), v1::JOB_STATE_QUEUED);
  EXPECT_TRUE(watch.event().has_time());
  job_manager_.Move(job, JobState::kRunning);
  ASSERT_EQ(watch.Next(), 2);
  EXPECT_EQ(watch.event().state_changed().to(), v1::JOB_STATE_RUNNING);
  job_manager_.Tell(job, Step(1, 0.75));
  ASSERT_EQ(watch.Next(), 3);
  EXPECT_EQ(watch.event().step_metrics().loss(), 0.75);
}

TEST_F(JobWatchesTest, EndsWellBehindTheEventWithWhichTheJobIsDone) {
  ListenReady();
  for (const JobState end :
       {JobState::kSucceeded, JobState::kFailed, JobState::kCancelled}) {
    const JobNumber job = job_manager_.Add(JobState::kRunning);
    Watching watch(*jobs_, After(0, {}, "jobs/" + std::to_string(job.value)));
    ASSERT_EQ(watch.Next(), 1);
    job_manager_.Move(job, end);
    EXPECT_EQ(watch.Next(), 2);
    EXPECT_EQ(watch.Next(), 0);
    EXPECT_TRUE(watch.Finish().ok());
  }
}

TEST_F(JobWatchesTest, TellsADoneJobFromAnyPlace) {
  ListenReady();
  const JobNumber job = job_manager_.Add(JobState::kRunning);
  job_manager_.TellMany(job, LogLine{.text = "x"}, 198);
  job_manager_.Move(job, JobState::kSucceeded);
  for (const std::int64_t after : {0, 1, 63, 64, 65, 100, 199, 200}) {
    Watching watch(*jobs_, After(after));
    for (std::int64_t i = after + 1; i <= 200; ++i) {
      ASSERT_EQ(watch.Next(), i);
    }
    EXPECT_EQ(watch.Next(), 0);
    EXPECT_TRUE(watch.Finish().ok());
  }
  const grpc::Status beyond = ErrorOf(After(201));
  EXPECT_EQ(beyond.error_code(), grpc::StatusCode::OUT_OF_RANGE);
  EXPECT_EQ(ReasonOf(beyond), "EVENTS_EXPIRED");
}

TEST_F(JobWatchesTest, WhatComesWhileTheJobBecomesDoneIsTold) {
  ListenReady();
  const JobNumber job = job_manager_.Add(JobState::kRunning);
  Watching watch(*jobs_, After(1));
  watch.AwaitOpen();
  // The watch has read everything and asks whether the job is done: then both
  // happen at once.
  job_manager_.Hold("GetJob");
  job_manager_.Tell(job, LogLine{.text = "a"});
  ASSERT_EQ(watch.Next(), 2);
  job_manager_.AwaitCalls("GetJob", job_manager_.calls("GetJob"));
  job_manager_.Tell(job, LogLine{.text = "b"});
  job_manager_.Move(job, JobState::kSucceeded);
  job_manager_.Release();
  EXPECT_THAT(watch.All(), ElementsAre(3, 4));
  EXPECT_TRUE(watch.Finish().ok());
}

TEST_F(JobWatchesTest, TellsOfTheKindsNamedOnly) {
  ListenReady();
  const JobNumber job = job_manager_.Add(JobState::kRunning);
  job_manager_.TellMany(job, Step(1), 300);
  job_manager_.Tell(job, LogLine{.text = "x"});
  job_manager_.Tell(job, Throttled{.duty = 0.5});
  job_manager_.Tell(job, Promoted{.alias = "stable"});
  job_manager_.Move(job, JobState::kSucceeded);
  Watching watch(*jobs_, After(0, {v1::JOB_EVENT_KIND_LOG_LINE,
                                   v1::JOB_EVENT_KIND_PROMOTED}));
  EXPECT_THAT(watch.All(), ElementsAre(302, 304));
  EXPECT_TRUE(watch.Finish().ok());
}

TEST_F(JobWatchesTest, RefusesEveryWrongFieldAtOnce) {
  ListenReady();
  const grpc::Status status = ErrorOf(
      After(-1,
            {v1::JOB_EVENT_KIND_LOG_LINE, v1::JOB_EVENT_KIND_UNSPECIFIED,
             static_cast<v1::JobEventKind>(13)},
            "1"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(ViolationsOf(status),
              UnorderedElementsAre(Key("name"), Key("after_sequence"),
                                   Key("kinds[1]"), Key("kinds[2]")));
}

TEST_F(JobWatchesTest, EndsForAJobThatThereIsNot) {
  ListenReady();
  EXPECT_EQ(ReasonOf(ErrorOf(After(0))), "JOB_NOT_FOUND");
  const JobNumber job = job_manager_.Add(JobState::kFailed);
  job_manager_.Hold("Events");
  Watching watch(*jobs_, After(0));
  watch.AwaitOpen();
  job_manager_.Release();
  EXPECT_EQ(watch.Next(), 1);
  ASSERT_TRUE(
      Call(&Stub::DeleteFineTuneJob, Named<v1::DeleteFineTuneJobRequest>(job))
          .ok());
  EXPECT_EQ(ReasonOf(ErrorOf(After(0))), "JOB_NOT_FOUND");
}

TEST_F(JobWatchesTest, AnErrorOfTheStoreEndsTheStream) {
  ListenReady();
  job_manager_.Add(JobState::kRunning);
  job_manager_.Fail("Events", Error(absl::StatusCode::kDataLoss,
                                    Reason::kStoreCorrupt, "damaged"));
  EXPECT_EQ(ReasonOf(ErrorOf(After(0))), "STORE_CORRUPT");
}

TEST_F(JobWatchesTest, WhatHappenedBeforeComesWhole) {
  ListenReady();
  const JobNumber job = job_manager_.Add(JobState::kRunning);
  job_manager_.TellMany(job, Step(1), 1000);
  job_manager_.Move(job, JobState::kSucceeded);
  Watching watch(*jobs_, After(0));
  EXPECT_EQ(watch.All().size(), 1002U);
}

TEST_F(JobWatchesTest, ASlowClientGetsStepsAsMeansAndEverythingElseWhole) {
  ListenReady();
  const JobNumber job = job_manager_.Add(JobState::kRunning);
  constexpr int kRounds = 300;
  constexpr int kSteps = 200;
  Watching watch(*jobs_, After(1));
  watch.AwaitOpen();
  const WallTime live = Live();
  // Nothing is read meanwhile; this is more than gRPC holds for it.
  for (int round = 0; round < kRounds; ++round) {
    job_manager_.TellMany(job, Step(1), kSteps, live);
    job_manager_.Tell(job, CheckpointSaved{.step = round}, live);
  }
  job_manager_.Move(job, JobState::kSucceeded, live);
  std::int64_t messages = 0;
  std::int64_t last = 1;
  std::int64_t steps = 0;
  std::int64_t saved = 0;
  while (const std::int64_t next = watch.Next()) {
    EXPECT_GT(next, last);
    const v1::JobEvent& event = watch.event();
    if (event.has_step_metrics()) {
      // What is joined is adjacent: nothing else lies between.
      EXPECT_EQ(event.step_metrics().steps(), next - last);
      EXPECT_EQ(event.step_metrics().loss(), 1);
      steps += event.step_metrics().steps();
    } else {
      EXPECT_EQ(next, last + 1);
      if (event.has_checkpoint_saved()) {
        EXPECT_EQ(event.checkpoint_saved().step(), saved);
        ++saved;
      }
    }
    last = next;
    ++messages;
  }
  EXPECT_TRUE(watch.Finish().ok());
  EXPECT_EQ(steps, kRounds * kSteps);
  EXPECT_EQ(saved, kRounds);
  EXPECT_EQ(last, kRounds * (kSteps + 1) + 2);
  EXPECT_LT(messages, kRounds * kSteps / 2);
}

TEST_F(JobWatchesTest, AClientThatKeepsUpGetsEveryStep) {
  ListenReady();
  const JobNumber job = job_manager_.Add(JobState::kRunning);
  Watching watch(*jobs_, After(1));
  watch.AwaitOpen();
  const WallTime live = Live();
  for (std::int64_t i = 2; i < 200; ++i) {
    job_manager_.Tell(job, Step(i), live);
    ASSERT_EQ(watch.Next(), i);
    EXPECT_EQ(watch.event().step_metrics().steps(), 1);
  }
}

TEST_F(JobWatchesTest, ADrainEndsWatchesOfEveryKind) {
  ListenReady();
  const JobNumber job = job_manager_.Add(JobState::kRunning);
  Watching idle(*jobs_, After(1));
  idle.AwaitOpen();
  job_manager_.TellMany(job, LogLine{.text = std::string(200, 'x')}, 20'000);
  // Has not read; the events fill what gRPC holds for it.
  Watching slow(*jobs_, After(0));
  slow.AwaitOpen();
  // Would wait for the slow one for an hour.
  server_->Drain(Duration::zero(), std::chrono::hours(1));
  idle.All();
  const grpc::Status status = idle.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  slow.All();
  EXPECT_FALSE(slow.Finish().ok());
  EXPECT_EQ(telemetry_.in_flight(), 0);
}

TEST_F(JobWatchesTest, AnIdleWatchLearnsThatTheServerDrains) {
  ListenReady();
  job_manager_.Add(JobState::kRunning);
  Watching watch(*jobs_, After(1));
  watch.AwaitOpen();
  job_manager_.AwaitCalls("GetJob", 1);
  server_->Drain(Duration::zero(), std::chrono::hours(1));
  EXPECT_EQ(watch.Next(), 0);
  const grpc::Status status = watch.Finish();
  EXPECT_EQ(ReasonOf(status), "DRAINING");
  EXPECT_TRUE(DetailOf<google::rpc::RetryInfo>(status).has_value());
}

TEST_F(JobWatchesTest, ManyWatchersSeeEveryEvent) {
  ListenReady();
  const JobNumber job = job_manager_.Add(JobState::kRunning);
  std::vector<std::unique_ptr<Watching>> watches;
  for (int i = 0; i < 50; ++i) {
    watches.push_back(std::make_unique<Watching>(*jobs_, After(0)));
  }
  auto changer = std::async(std::launch::async, [this, job] {
    for (int i = 0; i < 50; ++i) {
      job_manager_.Tell(job, LogLine{.text = "x"});
    }
    job_manager_.Move(job, JobState::kFailed);
  });
  for (const auto& watch : watches) {
    EXPECT_EQ(watch->All().size(), 52U);
    EXPECT_TRUE(watch->Finish().ok());
  }
  changer.get();
}

TEST_F(JobWatchesTest, CancelsAtAnyTimeLeaveNothing) {
  ListenReady();
  const JobNumber job = job_manager_.Add(JobState::kRunning);
  auto changer = std::async(std::launch::async, [this, job] {
    for (int i = 0; i < 1000; ++i) {
      job_manager_.Tell(job, Step(1));
    }
  });
  for (int i = 0; i < 60; ++i) {
    Watching watch(*jobs_, After(0));
    if (i % 3 > 0) {
      watch.AwaitOpen();
    }
    if (i % 3 > 1) {
      watch.Next();
    }
    watch.Cancel();
    EXPECT_EQ(watch.Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  changer.get();
  while (telemetry_.in_flight() > 0) {
  }
  EXPECT_EQ(telemetry_.ended().size(), 60U);
}

TEST(CoalesceStepsTest, JoinsAdjacentStepsByTheirNumber) {
  const WallTime time = FakeJobManager::kTime;
  std::deque<JobEvent> events;
  const auto add = [&events, time](JobEventBody body) {
    const auto sequence = static_cast<std::int64_t>(events.size()) + 1;
    events.push_back({.sequence = sequence,
                      .time = time + std::chrono::seconds(sequence),
                      .body = std::move(body)});
  };
  add(LogLine{.text = "a"});
  add(StepMetrics{.step = 10,
                  .steps = 10,
                  .loss = 2,
                  .accuracy = 0.25,
                  .gradient_norm = 4,
                  .learning_rate = 0.5,
                  .examples_per_second = 100});
  add(StepMetrics{.step = 40,
                  .steps = 30,
                  .loss = 1,
                  .accuracy = 0.75,
                  .gradient_norm = 8,
                  .learning_rate = 0.25,
                  .examples_per_second = 200});
  add(Throttled{.duty = 0.5});
  add(Step(41));
  const std::deque<JobEvent> out = CoalesceSteps(events);
  ASSERT_EQ(out.size(), 4U);
  EXPECT_EQ(out[0].sequence, 1);
  EXPECT_EQ(out[1].sequence, 3);
  EXPECT_EQ(out[1].time, time + std::chrono::seconds(3));
  const auto& joined = std::get<StepMetrics>(out[1].body);
  EXPECT_EQ(joined.step, 40);
  EXPECT_EQ(joined.steps, 40);
  // (10 * 2 + 30 * 1) / 40 and so on.
  EXPECT_EQ(joined.loss, 1.25);
  EXPECT_EQ(joined.accuracy, 0.625);
  EXPECT_EQ(joined.gradient_norm, 7);
  EXPECT_EQ(joined.learning_rate, 0.25);
  EXPECT_EQ(joined.examples_per_second, 175);
  EXPECT_EQ(out[2].sequence, 4);
  EXPECT_EQ(out[3].sequence, 5);
  EXPECT_EQ(std::get<StepMetrics>(out[3].body).steps, 1);
}

TEST(CoalesceStepsTest, LeavesNothingAsItIs) {
  EXPECT_TRUE(CoalesceSteps({}).empty());
}

}  // namespace
}  // namespace resnetd
