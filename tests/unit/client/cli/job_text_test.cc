#include "client/cli/job_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace resnetd::cli {
namespace {

using client::JobState;
using client::PromotionState;
using ::testing::HasSubstr;

client::Job SomeJob(JobState state = JobState::kRunning) {
  client::Job job;
  job.name = "jobs/7";
  job.spec.model = "models/digits";
  job.spec.base_version = 3;
  job.spec.dataset = "datasets/photos";
  job.status.state = state;
  return job;
}

std::string Text(client::JobEventBody body) {
  return EventText({.sequence = 1, .body = std::move(body)});
}

TEST(JobRefTest, ReadsNumbersAndNames) {
  std::string job;
  EXPECT_EQ(ParseJobRef("7", job), "");
  EXPECT_EQ(job, "jobs/7");
  EXPECT_EQ(ParseJobRef("jobs/12", job), "");
  EXPECT_EQ(job, "jobs/12");
  for (const char* text : {"", "0", "-1", "x", "jobs/", "models/7"}) {
    EXPECT_THAT(ParseJobRef(text, job), HasSubstr("train list")) << text;
  }
}

TEST(EventTextTest, TellsEveryKindInWords) {
  EXPECT_EQ(Text(client::StateChanged{.to = JobState::kRunning}), "RUNNING");
  EXPECT_EQ(
      Text(client::StateChanged{.to = JobState::kFailed, .message = "it grew"}),
      "FAILED: it grew");
  EXPECT_EQ(Text(client::StepMetrics{.step = 20,
                                     .steps = 1,
                                     .loss = 0.12345,
                                     .accuracy = 0.9625,
                                     .gradient_norm = 1.5,
                                     .learning_rate = 0.001,
                                     .examples_per_second = 640}),
            "step 20: loss 0.1235, accuracy 96.25 %, gradient 1.5, rate 0.001, "
            "640 pictures/s");
  EXPECT_THAT(Text(client::StepMetrics{.step = 20, .steps = 10}),
              HasSubstr("steps 11-20: "));
  EXPECT_EQ(Text(client::EvaluationMetrics{.step = 100,
                                           .examples = 1360,
                                           .loss = 0.25,
                                           .accuracy = 0.975,
                                           .old_class_accuracy = 0.98,
                                           .new_class_accuracy = 0.95,
                                           .calibration_error = 0.02,
                                           .is_best = true}),
            "validation: 97.50 % of 1,360 pictures at step 100, loss 0.25, "
            "calibration error 0.02, old classes 98.00 %, new classes 95.00 %, "
            "the best so far");
  EXPECT_EQ(Text(client::CheckpointSaved{.step = 5, .size_bytes = 2048}),
            "checkpoint at step 5, 2.0 KiB");
  EXPECT_EQ(Text(client::Recovered{.from_step = 40,
                                   .to_step = 30,
                                   .rate_factor = 0.5,
                                   .message = "not finite"}),
            "went back from step 40 to step 30, rates x 0.5: not finite");
  EXPECT_EQ(Text(client::Recovered{.from_step = 40, .to_step = 30}),
            "went back from step 40 to step 30");
  EXPECT_EQ(Text(client::Throttled{.duty = 0.25}),
            "trains 25 % of the time: serving comes first");
  EXPECT_EQ(Text(client::Throttled{.duty = 1}), "trains all the time again");
  EXPECT_EQ(Text(client::Promoted{
                .alias = "stable", .version = 4, .previous_version = 3}),
            "stable 3 -> 4");
  EXPECT_EQ(Text(client::Promoted{.alias = "stable", .version = 4}),
            "stable -> 4");
  EXPECT_EQ(Text(client::LogLine{.text = "slow", .is_warning = true}),
            "warning: slow");
  EXPECT_EQ(Text(client::LogLine{.text = "begun"}), "begun");
  EXPECT_EQ(Text(std::monostate()),
            "an event that this resnetctl does not know");
}

TEST(EventTextTest, NamesWhatTheGateDidNotPass) {
  client::GateVerdict verdict;
  verdict.criteria = {{.name = "margin", .passed = true},
                      {.name = "min_examples",
                       .value = 49,
                       .bound = 50,
                       .text = "49 examples, at least 50 are needed"},
                      {.name = "alpha"}};
  EXPECT_EQ(Text(verdict),
            "gate not passed: 49 examples, at least 50 are needed; alpha");
  verdict.passed = true;
  EXPECT_EQ(Text(verdict), "gate passed");
  verdict.is_better = true;
  EXPECT_EQ(Text(verdict), "gate passed: better than before");
}

TEST(EventLineTest, IsOneLineWhateverTheServerSays) {
  EXPECT_EQ(EventLine({.sequence = 3,
                       .body = client::LogLine{.text = "a\nb\x1b[31m"}}),
            "1970-01-01 00:00:00  3  a\\nb\\x1b[31m");
}

TEST(GateTableTest, ShowsEachCriterionWithValueAndBound) {
  client::GateVerdict verdict;
  verdict.criteria = {{.name = "min_examples",
                       .value = 49,
                       .bound = 50,
                       .text = "49 examples, at least 50 are needed"},
                      {.name = "max_size_ratio", .bound = 1.5, .passed = true}};
  EXPECT_EQ(
      GateTable(verdict).Render(),
      "CRITERION       VALUE  BOUND  PASSED  WHY\n"
      "min_examples       49     50  NO      49 examples, at least 50 are "
      "needed\n"
      "max_size_ratio      -    1.5  yes\n");
}

TEST(OutcomeTest, TellsWhatBecameOfTheJobAndWhatComesNext) {
  client::Job job = SomeJob(JobState::kSucceeded);
  job.status.result_version = 4;
  job.status.best_evaluation =
      client::EvaluationMetrics{.examples = 360, .accuracy = 0.975};
  EXPECT_EQ(OutcomeText(job),
            "job 7 made digits@4: 97.50 % of 360 validation pictures");
  EXPECT_EQ(NextCommand(job), "resnetctl models promote digits@4");
  EXPECT_TRUE(IsSuccess(job));

  job.spec.promotion = client::PromotionKind::kAlias;
  job.spec.alias = "stable";
  job.status.promotion = PromotionState::kGateNotPassed;
  EXPECT_THAT(OutcomeText(job), HasSubstr("not promoted"));
  // A promotion would be refused: look why.
  job.status.gate = client::GateVerdict{.passed = false};
  EXPECT_EQ(NextCommand(job),
            "resnetctl models evaluate digits@4 --dataset photos");
  EXPECT_FALSE(IsSuccess(job));
  job.status.gate->passed = true;
  EXPECT_EQ(NextCommand(job), "resnetctl models promote digits@4");
  job.status.promotion = PromotionState::kPromoted;
  EXPECT_THAT(OutcomeText(job), HasSubstr("; alias stable names it"));
  EXPECT_EQ(NextCommand(job), "resnetctl classify -m digits PICTURE");
  EXPECT_TRUE(IsSuccess(job));
  job.status.promotion = PromotionState::kRolledBack;
  EXPECT_THAT(OutcomeText(job), HasSubstr("rolled back"));
  EXPECT_FALSE(IsSuccess(job));

  client::Job failed = SomeJob(JobState::kFailed);
  failed.status.error =
      client::JobError{.reason = "DIVERGED", .message = "the loss grew"};
  EXPECT_EQ(OutcomeText(failed), "job 7 failed (DIVERGED): the loss grew");
  EXPECT_EQ(NextCommand(failed), "resnetctl train logs 7");
  EXPECT_FALSE(IsSuccess(failed));

  client::Job cancelled = SomeJob(JobState::kCancelled);
  cancelled.status.step = 12;
  EXPECT_EQ(OutcomeText(cancelled), "job 7 was cancelled at step 12");
  EXPECT_FALSE(IsSuccess(cancelled));
}

TEST(NextCommandTest, FitsTheState) {
  EXPECT_EQ(NextCommand(SomeJob(JobState::kCreated)), "resnetctl train run 7");
  EXPECT_EQ(NextCommand(SomeJob(JobState::kPaused)),
            "resnetctl train resume 7");
  EXPECT_EQ(NextCommand(SomeJob(JobState::kRunning)),
            "resnetctl train watch 7");
}

TEST(AddJobTest, ShowsWhatIsKnown) {
  client::Job job = SomeJob();
  job.spec.display_name = "try";
  job.status.step = 1200;
  job.status.total_steps = 5000;
  job.status.attempt = 3;
  job.status.setbacks = 1;
  job.status.queue_position = 2;
  job.status.waiting_for = "SLOT";
  job.status.environment = "LibTorch on cpu";
  Table table({{}, {}});
  AddJob(job, table);
  const std::string text = table.Render();
  for (const char* part :
       {"job           7", "name          try", "state         RUNNING",
        "base          digits@3", "dataset       photos",
        "in the queue  place 2", "waits for     SLOT",
        "step          1,200 of 5,000", "restarts      2", "setbacks      1",
        "computed by   LibTorch on cpu"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
}

TEST(FormatBaseTest, TellsFineTuningFromScratch) {
  EXPECT_EQ(FormatBase(SomeJob().spec), "digits@3");
  client::JobSpec spec = SomeJob().spec;
  spec.base_version = 0;
  EXPECT_EQ(FormatBase(spec), "digits");
  spec.architecture = "resnet18";
  EXPECT_EQ(FormatBase(spec), "digits (resnet18 from scratch)");
}

}  // namespace
}  // namespace resnetd::cli
