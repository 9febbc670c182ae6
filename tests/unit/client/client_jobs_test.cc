// The calls of the client library about fine-tuning jobs.
#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <variant>
#include <vector>

#include "client/client.h"
#include "client/job_convert.h"
#include "tests/unit/client/client_fixture.h"
#include "tests/unit/client/fake_server.h"

namespace resnetd::client {
namespace {

using ::testing::ElementsAre;

class ClientJobsTest : public ClientFixture<> {
 protected:
  static v1::JobEvent Step(std::int64_t step) {
    v1::JobEvent event;
    event.mutable_step_metrics()->set_step(step);
    event.mutable_step_metrics()->set_steps(1);
    return event;
  }

  JobWatchHandler Recording() {
    return {.on_event = [this](const JobEvent& event) {
      sequences_.push_back(event.sequence);
      return true;
    }};
  }

  Client client_ = Connect();
  std::vector<std::int64_t> sequences_;
};

TEST_F(ClientJobsTest, SendsEveryFieldOfANewJob) {
  JobSpec spec = {
      .model = "cats",
      .base_version = 2,
      .dataset = "photos",
      .split = SplitSpec{.validation = 0.3, .test = 0.1, .seed = 5},
      .head = HeadPolicy::kGrow,
      .promotion = PromotionKind::kAlias,
      .alias = "canary",
      .guard = {.max_p99 = std::chrono::milliseconds(1'050), .max_queue = 12},
      .max_duration = std::chrono::minutes(2),
      .display_name = "try"};
  spec.replay = {
      .exemplars_per_class = 7, .dataset = "old", .allow_forgetting = true};
  spec.recipe.rate = 0.5;
  spec.recipe.layers = LayerPolicy::kHead;
  spec.gate.alpha = 0.1;
  spec.gate.allow_label_change = true;
  const auto created =
      client_.CreateJob({.spec = spec, .manual = true, .request_id = "mine"});
  ASSERT_TRUE(created.ok()) << created.status();
  EXPECT_TRUE(created->created);
  EXPECT_EQ(created->job.name, "jobs/1");
  EXPECT_EQ(created->job.status.state, JobState::kCreated);
  const v1::CreateFineTuneJobRequest request = fake_.jobs().created();
  EXPECT_EQ(request.request_id(), "mine");
  EXPECT_EQ(request.start(), v1::JOB_START_MANUAL);
  EXPECT_FALSE(request.validate_only());
  EXPECT_EQ(request.spec().model(), "models/cats");
  EXPECT_EQ(request.spec().base_version(), 2);
  EXPECT_EQ(request.spec().dataset(), "datasets/photos");
  EXPECT_EQ(request.spec().split().validation(), 0.3);
  EXPECT_EQ(request.spec().split().test(), 0.1);
  EXPECT_EQ(request.spec().split().seed(), 5U);
  EXPECT_EQ(request.spec().head(), v1::HEAD_POLICY_GROW);
  EXPECT_EQ(request.spec().replay().exemplars_per_class(), 7);
  EXPECT_EQ(request.spec().replay().dataset(), "datasets/old");
  EXPECT_TRUE(request.spec().replay().allow_forgetting());
  EXPECT_EQ(request.spec().recipe().rate(), 0.5);
  EXPECT_EQ(request.spec().recipe().layers(), v1::LAYER_POLICY_HEAD);
  EXPECT_FALSE(request.spec().recipe().has_epochs());
  EXPECT_EQ(request.spec().gate().alpha(), 0.1);
  EXPECT_FALSE(request.spec().gate().has_margin());
  EXPECT_TRUE(request.spec().gate().allow_label_change());
  EXPECT_EQ(request.spec().promotion().kind(), v1::PROMOTION_KIND_ALIAS);
  EXPECT_EQ(request.spec().promotion().alias(), "canary");
  EXPECT_EQ(request.spec().serving_guard().max_p99().seconds(), 1);
  EXPECT_EQ(request.spec().serving_guard().max_p99().nanos(), 50'000'000);
  EXPECT_EQ(request.spec().serving_guard().max_queue(), 12);
  EXPECT_EQ(created->job.spec.guard.max_p99, std::chrono::milliseconds(1'050));
  EXPECT_EQ(created->job.spec.guard.max_queue, 12);
  EXPECT_EQ(request.spec().max_duration().seconds(), 120);
  EXPECT_EQ(request.spec().display_name(), "try");
}

TEST_F(ClientJobsTest, AFailedTryIsRepeatedUnderTheSameId) {
  std::atomic<int> tries = 0;
  fake_.jobs().before = [&tries](const std::string& method) {
    return method == "CancelFineTuneJob" && ++tries < 3
               ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "away")
               : grpc::Status::OK;
  };
  fake_.jobs().Add(v1::JOB_STATE_RUNNING);
  const auto job = client_.CancelJob({.name = "1"});
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->status.state, JobState::kCancelling);
  EXPECT_EQ(tries, 3);
  EXPECT_EQ(fake_.jobs().request_ids().size(), 1U);
  EXPECT_FALSE(fake_.jobs().request_ids()[0].empty());
}

TEST_F(ClientJobsTest, ChangesJobs) {
  fake_.jobs().Add(v1::JOB_STATE_CREATED);
  EXPECT_EQ(client_.StartJob({.name = "1"})->status.state, JobState::kQueued);
  EXPECT_EQ(client_.PauseJob({.name = "jobs/1"})->status.state,
            JobState::kPausing);
  EXPECT_EQ(client_.ResumeJob({.name = "1"})->status.state, JobState::kQueued);
  EXPECT_TRUE(client_.DeleteJob({.name = "1"}).ok());
  EXPECT_TRUE(absl::IsNotFound(client_.GetJob("1").status()));
  EXPECT_EQ(ErrorInfoOf(client_.GetJob("1").status()).reason, "JOB_NOT_FOUND");
}

TEST_F(ClientJobsTest, ReadsAllPages) {
  fake_.jobs().Add(v1::JOB_STATE_RUNNING);
  fake_.jobs().Add(v1::JOB_STATE_FAILED);
  fake_.jobs().Add(v1::JOB_STATE_QUEUED);
  const auto names = [](const std::vector<Job>& jobs) {
    std::vector<std::string> out;
    for (const Job& job : jobs) {
      out.push_back(job.name);
    }
    return out;
  };
  EXPECT_THAT(names(*client_.ListJobs()),
              ElementsAre("jobs/3", "jobs/2", "jobs/1"));
  EXPECT_THAT(names(*client_.ListJobs({JobState::kQueued, JobState::kRunning})),
              ElementsAre("jobs/3", "jobs/1"));
  for (int i = 1; i <= 4; ++i) {
    fake_.jobs().Tell("jobs/1", Step(i));
  }
  const auto all = client_.ListJobEvents({.job = "1"});
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(all->size(), 5U);
  EXPECT_EQ(client_
                .ListJobEvents({.job = "1",
                                .after_sequence = 2,
                                .kinds = {JobEventKind::kStepMetrics}})
                ->size(),
            3U);
  v1::Checkpoint checkpoint;
  checkpoint.set_step(5);
  checkpoint.mutable_evaluation()->set_accuracy(0.5);
  fake_.jobs().AddCheckpoint("jobs/1", checkpoint);
  const auto checkpoints = client_.ListCheckpoints("1");
  ASSERT_EQ(checkpoints->size(), 1U);
  EXPECT_EQ((*checkpoints)[0].step, 5);
  EXPECT_EQ((*checkpoints)[0].evaluation->accuracy, 0.5);
}

TEST_F(ClientJobsTest, UsesCheckpoints) {
  fake_.jobs().Add(v1::JOB_STATE_CANCELLED);
  v1::Checkpoint checkpoint;
  checkpoint.set_name("jobs/1/checkpoints/5");
  checkpoint.set_step(5);
  fake_.jobs().AddCheckpoint("jobs/1", checkpoint);
  EXPECT_EQ(client_.GetCheckpoint("1", 5)->step, 5);
  EXPECT_EQ(client_.GetCheckpoint("jobs/1", 6).status().code(),
            absl::StatusCode::kNotFound);
  const auto made = client_.PublishCheckpoint(
      {.job = "jobs/1", .step = 5, .request_id = "mine"});
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_TRUE(made->created);
  EXPECT_EQ(made->version.name, "models/digits/versions/5");
  EXPECT_EQ(fake_.jobs().request_ids().back(), "mine");
  EXPECT_TRUE(client_.DeleteCheckpoint({.job = "1", .step = 5}).ok());
  EXPECT_FALSE(fake_.jobs().request_ids().back().empty());
  EXPECT_EQ(client_.DeleteCheckpoint({.job = "1", .step = 5}).code(),
            absl::StatusCode::kNotFound);
}

TEST_F(ClientJobsTest, EstimatesJobs) {
  JobSpec spec;
  spec.model = "digits";
  spec.dataset = "photos";
  const auto estimate = client_.EstimateJob(spec);
  ASSERT_TRUE(estimate.ok()) << estimate.status();
  EXPECT_EQ(estimate->steps, 600);
  EXPECT_EQ(estimate->peak_bytes, 2 << 20);
  EXPECT_EQ(estimate->free_bytes, 8 << 20);
  EXPECT_EQ(estimate->duration_low, std::chrono::seconds(90));
  EXPECT_EQ(estimate->duration_high, std::chrono::seconds(120));
  EXPECT_EQ(estimate->measured_steps, 4);
  EXPECT_EQ(estimate->recipe.batch_size, 32);
}

TEST_F(ClientJobsTest, AWatchEndsWithTheJob) {
  fake_.jobs().Add(v1::JOB_STATE_RUNNING);
  fake_.jobs().Tell("jobs/1", Step(1));
  fake_.jobs().Move("jobs/1", v1::JOB_STATE_SUCCEEDED);
  ASSERT_TRUE(client_.WatchJob({.job = "1"}, Recording()).ok());
  EXPECT_THAT(sequences_, ElementsAre(1, 2, 3));
  sequences_.clear();
  ASSERT_TRUE(client_
                  .WatchJob({.job = "1",
                             .after_sequence = 1,
                             .kinds = {JobEventKind::kStateChanged}},
                            Recording())
                  .ok());
  EXPECT_THAT(sequences_, ElementsAre(3));
}

TEST_F(ClientJobsTest, AWatchGoesOnWhereItsConnectionBroke) {
  fake_.jobs().Add(v1::JOB_STATE_RUNNING);
  int connected = 0;
  ASSERT_TRUE(client_
                  .WatchJob({.job = "1"},
                            {.on_event =
                                 [&](const JobEvent& event) {
                                   sequences_.push_back(event.sequence);
                                   if (event.sequence < 4) {
                                     fake_.jobs().BreakWatches();
                                     fake_.jobs().Tell("jobs/1", Step(1));
                                   } else if (event.sequence == 4) {
                                     fake_.jobs().Move("jobs/1",
                                                       v1::JOB_STATE_FAILED);
                                   }
                                   return true;
                                 },
                             .on_connected =
                                 [&](std::int64_t after) {
                                   EXPECT_EQ(after, sequences_.empty()
                                                        ? 0
                                                        : sequences_.back());
                                   ++connected;
                                 }})
                  .ok());
  EXPECT_THAT(sequences_, ElementsAre(1, 2, 3, 4, 5));
  EXPECT_GE(connected, 2);
}

TEST_F(ClientJobsTest, AWatchEndsWhenTheHandlerHasEnough) {
  fake_.jobs().Add(v1::JOB_STATE_RUNNING);
  ASSERT_TRUE(client_
                  .WatchJob({.job = "1"}, {.on_event =
                                               [this](const JobEvent& event) {
                                                 sequences_.push_back(
                                                     event.sequence);
                                                 return false;
                                               }})
                  .ok());
  EXPECT_THAT(sequences_, ElementsAre(1));
}

TEST_F(ClientJobsTest, AWatchOfNoJobFails) {
  EXPECT_EQ(ErrorInfoOf(client_.WatchJob({.job = "9"}, Recording())).reason,
            "JOB_NOT_FOUND");
}

TEST(JobConvertTest, ARecipeOfAllFieldsComesBackAsItWas) {
  v1::RecipeOptions message;
  const auto* reflection = message.GetReflection();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const auto* field = message.GetDescriptor()->field(i);
    if (field->is_repeated()) {
      message.add_phases()->set_steps(3);
    } else if (field->cpp_type() == field->CPPTYPE_DOUBLE) {
      reflection->SetDouble(&message, field, i + 0.5);
    } else if (field->cpp_type() == field->CPPTYPE_INT32) {
      reflection->SetInt32(&message, field, i);
    } else if (field->cpp_type() == field->CPPTYPE_INT64) {
      reflection->SetInt64(&message, field, i);
    } else if (field->cpp_type() == field->CPPTYPE_ENUM) {
      reflection->SetEnumValue(&message, field, 2);
    } else {
      reflection->SetBool(&message, field, true);
    }
  }
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(
      ToProto(FromProto(message)), message));
}

TEST(JobConvertTest, ReadsEventsOfEveryKindAndThoseOfANewerServer) {
  const auto* body = v1::JobEvent::descriptor()->oneof_decl(0);
  for (int i = 0; i < body->field_count(); ++i) {
    v1::JobEvent message;
    message.set_sequence(7);
    message.GetReflection()->MutableMessage(&message, body->field(i));
    EXPECT_EQ(static_cast<int>(FromProto(message).kind()), i + 1);
    EXPECT_EQ(FromProto(message).sequence, 7);
  }
  EXPECT_EQ(FromProto(v1::JobEvent()).kind(), JobEventKind::kUnknown);
  v1::FineTuneJob job;
  job.mutable_status()->set_state(static_cast<v1::JobState>(99));
  EXPECT_EQ(FromProto(job).status.state, JobState::kUnknown);
}

TEST(JobConvertTest, NamesOfEnumsAreThoseOfTheProto) {
  for (const JobState state : AllJobStates()) {
    EXPECT_EQ("JOB_STATE_" + std::string(JobStateName(state)),
              v1::JobState_Name(static_cast<int>(state)));
  }
  for (int kind = 1; kind < v1::JobEventKind_ARRAYSIZE; ++kind) {
    EXPECT_EQ("JOB_EVENT_KIND_" + std::string(JobEventKindName(
                                      static_cast<JobEventKind>(kind))),
              v1::JobEventKind_Name(kind));
  }
  EXPECT_EQ(AllAlarmKinds().size() + 1,
            static_cast<std::size_t>(v1::AlarmKind_ARRAYSIZE));
  for (const AlarmKind kind : AllAlarmKinds()) {
    EXPECT_EQ("ALARM_KIND_" + std::string(AlarmKindName(kind)),
              v1::AlarmKind_Name(static_cast<int>(kind)));
  }
  EXPECT_EQ(AllAlarmActions().size() + 1,
            static_cast<std::size_t>(v1::AlarmAction_ARRAYSIZE));
  for (const AlarmAction action : AllAlarmActions()) {
    EXPECT_EQ("ALARM_ACTION_" + std::string(AlarmActionName(action)),
              v1::AlarmAction_Name(static_cast<int>(action)));
  }
  for (int state = 1; state < v1::PromotionState_ARRAYSIZE; ++state) {
    EXPECT_EQ("PROMOTION_STATE_" + std::string(PromotionStateName(
                                       static_cast<PromotionState>(state))),
              v1::PromotionState_Name(state));
  }
  EXPECT_EQ(JobStateName(static_cast<JobState>(99)), "UNKNOWN");
}

}  // namespace
}  // namespace resnetd::client
