// `resnetctl gradients` as a process of its own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/unit/client/resnetctl_fixture.h"

namespace resnetd::test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

std::string Read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

class GradientsTest : public ResnetctlTest {
 protected:
  FakeJobs& jobs() { return fake_.jobs(); }

  static void Fill(v1::GradientSample& sample, int step) {
    sample.set_step(step);
    sample.set_examples(64);
    sample.mutable_all()->set_gradient(0.5);
    sample.set_depth_ratio(2.5);
    for (int i = 0; i < 2; ++i) {
      v1::PathNorms& paths = *sample.add_blocks()->mutable_paths();
      paths.set_shortcut(1);
      paths.set_main(0.5);
      paths.set_input(1.2);
      paths.set_main_share(0.2);
    }
  }

  std::string AddJob(v1::JobState state = v1::JOB_STATE_RUNNING) {
    const std::string job = jobs().Add(state);
    v1::GradientReport report;
    report.add_blocks("layer1.00");
    report.add_blocks("layer1.01");
    Fill(*report.add_samples(), 1);
    Fill(*report.add_samples(), 11);
    report.set_samples_in_range(2);
    report.set_oldest_step(1);
    v1::ActiveAlarm& alarm = *report.add_alarms();
    alarm.set_kind(v1::ALARM_KIND_VANISHING);
    alarm.set_step(9);
    alarm.set_text("it is gone");
    jobs().SetGradients(job, report);
    return job;
  }
};

TEST_F(GradientsTest, ShowsBlocksAndAlarms) {
  AddJob();
  const ProcessResult result = Run({"gradients", "1"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("job 1: step 11, 64 pictures"));
  EXPECT_THAT(result.out, HasSubstr("layer1.01"));
  EXPECT_THAT(result.out, HasSubstr("both paths"));
  EXPECT_THAT(result.out,
              HasSubstr("alarm VANISHING since step 9: it is gone"));
}

TEST_F(GradientsTest, AsksForWhatItIsTold) {
  AddJob();
  const ProcessResult result =
      Run({"gradients", "jobs/1", "--from", "5", "--to", "90", "--blocks",
           "layer1.0,layer2.00", "--samples", "40"});
  EXPECT_EQ(result.code, 0) << result.err;
  const v1::GetGradientReportRequest asked = jobs().asked_gradients();
  EXPECT_EQ(asked.name(), "jobs/1");
  EXPECT_EQ(asked.first_step(), 5);
  EXPECT_EQ(asked.last_step(), 90);
  EXPECT_EQ(asked.max_samples(), 40);
  ASSERT_EQ(asked.blocks_size(), 2);
  EXPECT_EQ(asked.blocks(1), "layer2.00");
}

TEST_F(GradientsTest, IsJsonForPrograms) {
  AddJob();
  const json document = RunJson({"gradients", "1"});
  EXPECT_EQ(document["report"]["blocks"][0], "layer1.00");
  EXPECT_EQ(document["report"]["samples"][1]["step"], 11);
  EXPECT_EQ(document["report"]["samples"][1]["blocks"][0]["paths"]["main"],
            0.5);
  EXPECT_EQ(document["report"]["alarms"][0]["kind"], "VANISHING");
}

TEST_F(GradientsTest, WritesFilesAndReplacesNone) {
  AddJob();
  const std::string svg = folder_.File("run.svg");
  const std::string csv = folder_.File("run.csv");
  const ProcessResult result =
      Run({"gradients", "1", "--svg", svg, "--csv", csv});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("wrote "));
  EXPECT_THAT(Read(svg), testing::StartsWith("<svg "));
  EXPECT_THAT(Read(csv), testing::StartsWith("step,examples,block,"));
  const ProcessResult again = Run({"gradients", "1", "--svg", svg});
  EXPECT_NE(again.code, 0);
  EXPECT_THAT(again.err, HasSubstr(svg));
  EXPECT_EQ(Run({"gradients", "1", "--svg", svg, "--force"}).code, 0);
}

TEST_F(GradientsTest, WritesAnEventFileIntoANewFolder) {
  AddJob();
  const std::string folder = folder_.File("runs/7");
  ASSERT_EQ(Run({"gradients", "1", "--tensorboard", folder}).code, 0);
  EXPECT_THAT(Read(folder + "/events.out.tfevents.0.job-1"),
              HasSubstr("layer1.00/grad_main_l2"));
  EXPECT_NE(Run({"gradients", "1", "--tensorboard", folder}).code, 0);
}

TEST_F(GradientsTest, FollowsUntilTheJobIsDone) {
  const std::string job = AddJob();
  v1::JobEvent sampled;
  Fill(*sampled.mutable_block_gradients()->mutable_sample(), 11);
  jobs().Tell(job, sampled);
  v1::JobEvent raised;
  raised.mutable_alarm_raised()->set_kind(v1::ALARM_KIND_EXPLODING);
  raised.mutable_alarm_raised()->set_step(12);
  raised.mutable_alarm_raised()->set_action(v1::ALARM_ACTION_PAUSE);
  raised.mutable_alarm_raised()->set_text("too large");
  jobs().Tell(job, raised);
  v1::JobEvent cleared;
  cleared.mutable_alarm_cleared()->set_kind(v1::ALARM_KIND_EXPLODING);
  cleared.mutable_alarm_cleared()->set_step(30);
  cleared.mutable_alarm_cleared()->set_raised_step(12);
  jobs().Tell(job, cleared);
  jobs().Move(job, v1::JOB_STATE_SUCCEEDED);
  const ProcessResult result = Run({"gradients", "1", "--follow"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("gradients: step 11, 64 pictures"));
  EXPECT_THAT(result.out, HasSubstr("ALARM EXPLODING at step 12: too large; "
                                    "the job is paused"));
  EXPECT_THAT(result.out,
              HasSubstr("alarm EXPLODING of step 12 is over at step 30"));
  EXPECT_THAT(result.out, HasSubstr("layer1.01"));
  // And as a line of JSON each.
  const ProcessResult lines = Run({"gradients", "1", "-f", "-o", "json"});
  std::istringstream stream(lines.out);
  std::string line;
  std::vector<std::string> kinds;
  while (std::getline(stream, line)) {
    kinds.push_back(json::parse(line)["kind"]);
  }
  EXPECT_THAT(kinds, testing::IsSupersetOf(
                         {"BLOCK_GRADIENTS", "ALARM_RAISED", "ALARM_CLEARED"}));
}

TEST_F(GradientsTest, SaysWhatIsWrong) {
  EXPECT_EQ(Run({"gradients", "9"}).code, 4);
  EXPECT_EQ(Run({"gradients", "x"}).code, 2);
  EXPECT_EQ(Run({"gradients"}).code, 2);
  EXPECT_EQ(Run({"gradients", "1", "--blocks", ","}).code, 2);
  EXPECT_EQ(Run({"gradients", "1", "--samples", "0"}).code, 2);
  jobs().Add(v1::JOB_STATE_RUNNING);
  const ProcessResult none = Run({"gradients", "1"});
  EXPECT_NE(none.code, 0);
  EXPECT_THAT(none.err, HasSubstr("no samples"));
}

TEST_F(GradientsTest, TrainStartSaysWhatIsShownAndDone) {
  const ProcessResult result =
      Run({"train", "start", "--dataset", "photos", "--model", "digits",
           "--probe-every", "5", "--on-alarm", "vanishing=fail", "--on-alarm",
           "exploding=rollback"});
  EXPECT_EQ(result.code, 0) << result.err;
  const v1::FineTuneJobSpec spec = jobs().created().spec();
  EXPECT_EQ(spec.observation().probe_every(), 5);
  ASSERT_EQ(spec.alarms_size(), 2);
  EXPECT_EQ(spec.alarms(1).kind(), v1::ALARM_KIND_EXPLODING);
  EXPECT_EQ(spec.alarms(1).action(), v1::ALARM_ACTION_ROLLBACK);
  EXPECT_EQ(
      Run({"train", "start", "--dataset", "d", "--on-alarm", "x=warn"}).code,
      2);
}

}  // namespace
}  // namespace resnetd::test
