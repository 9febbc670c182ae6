#include "server/rpc/convert_job.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/fake_job_manager.h"

namespace resnetd {
namespace {

constexpr WallTime kTime = FakeJobManager::kTime;

EvaluationMetrics Evaluated() {
  return {.step = 20,
          .examples = 100,
          .loss = 0.25,
          .accuracy = 0.75,
          .old_class_accuracy = 0.5,
          .new_class_accuracy = 0.625,
          .calibration_error = 0.125,
          .is_best = true};
}

StepMetrics Stepped() {
  return {.step = 21,
          .steps = 3,
          .loss = 0.5,
          .accuracy = 0.25,
          .gradient_norm = 1.5,
          .learning_rate = 0.001,
          .examples_per_second = 640};
}

GateVerdict Judged() {
  return {.passed = false,
          .is_better = true,
          .criteria = {{.name = "min_examples",
                        .value = 49,
                        .bound = 50,
                        .passed = false,
                        .text = "49 examples, at least 50 are needed"},
                       {.name = "max_latency_ratio",
                        .bound = 1.5,
                        .passed = true,
                        .text = "not measured"}}};
}

Job FullJob() {
  Job job{.number = JobNumber{7},
          .spec = FakeJobSpec(),
          .etag = "j9",
          .created = kTime,
          .updated = kTime + std::chrono::seconds(5)};
  job.status = {.state = JobState::kRunning,
                .step = 21,
                .total_steps = 100,
                .attempt = 2,
                .setbacks = 1,
                .started = kTime + std::chrono::seconds(1),
                .ended = kTime + std::chrono::seconds(2),
                .error = JobError{.reason = "DIVERGED", .text = "it grew"},
                .recipe = Recipe{.batch_size = 32},
                .config_hash = "c0",
                .dataset_digest = "d0",
                .base_weights = "b0",
                .last_step = Stepped(),
                .last_evaluation = Evaluated(),
                .best_evaluation = Evaluated(),
                .result = VersionNumber{4},
                .gate = Judged(),
                .promotion = PromotionState::kGateNotPassed,
                .duty = 0.25,
                .environment = "LibTorch",
                .alarms = {{.kind = AlarmKind::kExploding,
                            .step = 20,
                            .text = "too large"}},
                .queue_position = 2,
                .waiting_for = "SLOT"};
  job.status.best_evaluation->step = 10;
  return job;
}

TEST(ConvertJobTest, TellsEverythingOfAJob) {
  const v1::FineTuneJob message = ToProto(FullJob());
  EXPECT_EQ(message.name(), "jobs/7");
  EXPECT_EQ(message.etag(), "j9");
  EXPECT_EQ(message.create_time().seconds(), 1767225600);
  EXPECT_EQ(message.update_time().seconds(), 1767225605);
  EXPECT_EQ(message.spec().model(), "models/digits");
  EXPECT_EQ(message.spec().dataset(), "datasets/photos");
  const v1::FineTuneJobStatus& status = message.status();
  EXPECT_EQ(status.state(), v1::JOB_STATE_RUNNING);
  EXPECT_EQ(status.step(), 21);
  EXPECT_EQ(status.total_steps(), 100);
  EXPECT_EQ(status.attempt(), 2);
  EXPECT_EQ(status.setbacks(), 1);
  EXPECT_EQ(status.start_time().seconds(), 1767225601);
  EXPECT_EQ(status.end_time().seconds(), 1767225602);
  EXPECT_EQ(status.error().reason(), "DIVERGED");
  EXPECT_EQ(status.error().message(), "it grew");
  EXPECT_EQ(status.recipe().batch_size(), 32);
  EXPECT_EQ(status.config_hash(), "c0");
  EXPECT_EQ(status.dataset_digest(), "d0");
  EXPECT_EQ(status.base_weights_sha256(), "b0");
  EXPECT_EQ(status.last_step().step(), 21);
  EXPECT_EQ(status.last_step().steps(), 3);
  EXPECT_EQ(status.last_step().loss(), 0.5);
  EXPECT_EQ(status.last_step().accuracy(), 0.25);
  EXPECT_EQ(status.last_step().gradient_norm(), 1.5);
  EXPECT_EQ(status.last_step().learning_rate(), 0.001);
  EXPECT_EQ(status.last_step().examples_per_second(), 640);
  EXPECT_EQ(status.last_evaluation().step(), 20);
  EXPECT_EQ(status.last_evaluation().examples(), 100);
  EXPECT_EQ(status.last_evaluation().loss(), 0.25);
  EXPECT_EQ(status.last_evaluation().accuracy(), 0.75);
  EXPECT_EQ(status.last_evaluation().old_class_accuracy(), 0.5);
  EXPECT_EQ(status.last_evaluation().new_class_accuracy(), 0.625);
  EXPECT_EQ(status.last_evaluation().calibration_error(), 0.125);
  EXPECT_TRUE(status.last_evaluation().is_best());
  EXPECT_EQ(status.best_evaluation().step(), 10);
  EXPECT_EQ(status.result_version(), 4);
  EXPECT_EQ(status.promotion(), v1::PROMOTION_STATE_GATE_NOT_PASSED);
  EXPECT_EQ(status.environment(), "LibTorch");
  EXPECT_EQ(status.queue_position(), 2);
  EXPECT_EQ(status.waiting_for(), "SLOT");
  EXPECT_EQ(status.duty(), 0.25);
  ASSERT_EQ(status.alarms_size(), 1);
  EXPECT_EQ(status.alarms(0).kind(), v1::ALARM_KIND_EXPLODING);
  EXPECT_EQ(status.alarms(0).step(), 20);
  EXPECT_EQ(status.alarms(0).text(), "too large");
  EXPECT_FALSE(status.has_watched_until());
}

TEST(ConvertJobTest, TellsEveryCriterionOfTheGate) {
  const v1::GateVerdict gate = ToProto(FullJob()).status().gate();
  EXPECT_FALSE(gate.passed());
  EXPECT_TRUE(gate.is_better());
  ASSERT_EQ(gate.criteria_size(), 2);
  EXPECT_EQ(gate.criteria(0).name(), "min_examples");
  EXPECT_TRUE(gate.criteria(0).has_value());
  EXPECT_EQ(gate.criteria(0).value(), 49);
  EXPECT_EQ(gate.criteria(0).bound(), 50);
  EXPECT_FALSE(gate.criteria(0).passed());
  EXPECT_EQ(gate.criteria(0).text(), "49 examples, at least 50 are needed");
  EXPECT_FALSE(gate.criteria(1).has_value());
  EXPECT_TRUE(gate.criteria(1).passed());
}

TEST(ConvertJobTest, LeavesOutWhatIsNotKnownYet) {
  const v1::FineTuneJobStatus status =
      ToProto(Job{.number = JobNumber{1}, .spec = FakeJobSpec()}).status();
  EXPECT_EQ(status.state(), v1::JOB_STATE_QUEUED);
  EXPECT_FALSE(status.has_start_time());
  EXPECT_FALSE(status.has_end_time());
  EXPECT_FALSE(status.has_error());
  EXPECT_FALSE(status.has_recipe());
  EXPECT_FALSE(status.has_last_step());
  EXPECT_FALSE(status.has_last_evaluation());
  EXPECT_FALSE(status.has_best_evaluation());
  EXPECT_FALSE(status.has_gate());
  EXPECT_EQ(status.result_version(), 0);
  EXPECT_EQ(status.promotion(), v1::PROMOTION_STATE_NOT_REQUESTED);
}

TEST(ConvertJobTest, AJobThatWasOnlyCheckedHasNoName) {
  Job job = FullJob();
  job.number.value = 0;
  const v1::FineTuneJob message = ToProto(job);
  EXPECT_EQ(message.name(), "");
  EXPECT_EQ(message.etag(), "");
  EXPECT_FALSE(message.has_create_time());
  EXPECT_FALSE(message.has_update_time());
  EXPECT_EQ(message.status().recipe().batch_size(), 32);
}

TEST(ConvertJobTest, EveryStateHasItsValue) {
  std::set<std::string> names;
  for (const JobState state : AllJobStates()) {
    Job job = FullJob();
    job.status.state = state;
    const std::string name = v1::JobState_Name(ToProto(job).status().state());
    EXPECT_EQ(name, "JOB_STATE_" + std::string(JobStateName(state)));
    names.insert(name);
  }
  EXPECT_EQ(static_cast<int>(names.size()) + 1,
            v1::JobState_descriptor()->value_count());
}

TEST(ConvertJobTest, EveryStateOfAPromotionHasItsValue) {
  for (const auto& [domain, wire] :
       std::vector<std::pair<PromotionState, v1::PromotionState>>{
           {PromotionState::kNotRequested, v1::PROMOTION_STATE_NOT_REQUESTED},
           {PromotionState::kPending, v1::PROMOTION_STATE_PENDING},
           {PromotionState::kGateNotPassed,
            v1::PROMOTION_STATE_GATE_NOT_PASSED},
           {PromotionState::kPromoted, v1::PROMOTION_STATE_PROMOTED},
           {PromotionState::kRolledBack, v1::PROMOTION_STATE_ROLLED_BACK}}) {
    Job job = FullJob();
    job.status.promotion = domain;
    EXPECT_EQ(ToProto(job).status().promotion(), wire);
  }
}

v1::JobEvent Told(JobEventBody body) {
  const JobEvent event{.sequence = 12, .time = kTime, .body = std::move(body)};
  v1::JobEvent message = ToProto(event);
  EXPECT_EQ(message.sequence(), 12);
  EXPECT_EQ(message.time().seconds(), 1767225600);
  // The kind names the part that is set.
  const auto* field = message.GetReflection()->GetOneofFieldDescriptor(
      message, v1::JobEvent::descriptor()->oneof_decl(0));
  std::string name = v1::JobEventKind_Name(KindOf(event.body));
  for (char& c : name) {
    c = static_cast<char>(std::tolower(c));
  }
  EXPECT_EQ("job_event_kind_" + field->name(), name);
  return message;
}

TEST(ConvertJobTest, TellsEventsOfEveryKind) {
  const v1::StateChanged change = Told(StateChanged{.from = JobState::kQueued,
                                                    .to = JobState::kPaused,
                                                    .text = "asked"})
                                      .state_changed();
  EXPECT_EQ(change.from(), v1::JOB_STATE_QUEUED);
  EXPECT_EQ(change.to(), v1::JOB_STATE_PAUSED);
  EXPECT_EQ(change.message(), "asked");
  EXPECT_EQ(Told(Stepped()).step_metrics().examples_per_second(), 640);
  EXPECT_EQ(Told(Evaluated()).evaluation().accuracy(), 0.75);
  const v1::CheckpointSaved saved =
      Told(CheckpointSaved{.step = 5, .bytes = 6, .is_best = true})
          .checkpoint_saved();
  EXPECT_EQ(saved.step(), 5);
  EXPECT_EQ(saved.size_bytes(), 6);
  EXPECT_TRUE(saved.is_best());
  const v1::Recovered recovered = Told(Recovered{.from_step = 40,
                                                 .to_step = 30,
                                                 .rate_factor = 0.5,
                                                 .text = "not finite"})
                                      .recovered();
  EXPECT_EQ(recovered.from_step(), 40);
  EXPECT_EQ(recovered.to_step(), 30);
  EXPECT_EQ(recovered.rate_factor(), 0.5);
  EXPECT_EQ(recovered.message(), "not finite");
  EXPECT_EQ(Told(Throttled{.duty = 0.25}).throttled().duty(), 0.25);
  EXPECT_EQ(Told(Judged()).gate_verdict().criteria_size(), 2);
  const v1::Promoted promoted = Told(Promoted{.alias = "stable",
                                              .version = VersionNumber{4},
                                              .previous = VersionNumber{3}})
                                    .promoted();
  EXPECT_EQ(promoted.alias(), "stable");
  EXPECT_EQ(promoted.version(), 4);
  EXPECT_EQ(promoted.previous_version(), 3);
  EXPECT_EQ(Told(Promoted{.alias = "a", .version = VersionNumber{1}})
                .promoted()
                .previous_version(),
            0);
  const v1::LogLine line =
      Told(LogLine{.text = "slow", .is_warning = true}).log_line();
  EXPECT_EQ(line.text(), "slow");
  EXPECT_TRUE(line.is_warning());
}

TEST(ConvertJobTest, TellsACheckpoint) {
  const v1::Checkpoint message =
      ToProto(JobNumber{7}, Checkpoint{.step = 20,
                                       .bytes = 1000,
                                       .created = kTime,
                                       .is_best = true,
                                       .evaluation = Evaluated()});
  EXPECT_EQ(message.name(), "jobs/7/checkpoints/20");
  EXPECT_EQ(message.step(), 20);
  EXPECT_EQ(message.size_bytes(), 1000);
  EXPECT_EQ(message.create_time().seconds(), 1767225600);
  EXPECT_TRUE(message.is_best());
  EXPECT_EQ(message.evaluation().accuracy(), 0.75);
  EXPECT_FALSE(ToProto(JobNumber{7}, Checkpoint{}).has_evaluation());
}

}  // namespace
}  // namespace resnetd
