#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <variant>
#include <vector>

#include "server/base/error.h"
#include "server/finetune/job_json.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;

// One of each kind, no member with its default.
std::vector<JobEventBody> OneOfEach() {
  return {
      StateChanged{
          .from = JobState::kQueued, .to = JobState::kRunning, .text = "t"},
      StepMetrics{.step = 3,
                  .steps = 2,
                  .loss = 0.1,
                  .accuracy = 0.2,
                  .gradient_norm = 0.3,
                  .learning_rate = 0.4,
                  .examples_per_second = 0.5},
      EvaluationMetrics{.step = 4,
                        .examples = 5,
                        .loss = 0.6,
                        .accuracy = 0.7,
                        .old_class_accuracy = 0.8,
                        .new_class_accuracy = 0.9,
                        .calibration_error = 0.05,
                        .is_best = true},
      CheckpointSaved{.step = 6, .bytes = 7, .is_best = true},
      Recovered{
          .from_step = 8, .to_step = 9, .rate_factor = 0.5, .text = "back"},
      Throttled{.duty = 0.25},
      GateVerdict{.passed = true,
                  .is_better = true,
                  .criteria = {{.name = "c",
                                .value = 1,
                                .bound = 2,
                                .passed = true,
                                .text = "x"}}},
      Promoted{.alias = "stable",
               .version = VersionNumber{2},
               .previous = VersionNumber{1}},
      LogLine{.text = "l", .is_warning = true},
      BlockGradients{.sample = {.step = 1, .examples = 2}},
      AlarmRaised{.kind = AlarmKind::kVanishing,
                  .step = 3,
                  .action = AlarmAction::kFail,
                  .value = 0.5,
                  .bound = 1,
                  .block = "layer1.00",
                  .text = "v"},
      AlarmCleared{.kind = AlarmKind::kVanishing, .step = 9, .raised_step = 3}};
}

TEST(JobJsonEventTest, EveryKindComesBackAsItWas) {
  const std::vector<JobEventBody> bodies = OneOfEach();
  ASSERT_EQ(bodies.size(), std::variant_size_v<JobEventBody>);
  for (std::size_t i = 0; i < bodies.size(); ++i) {
    JobEventRow row = FormatEvent(bodies[i]);
    // The numbers are in databases: they never change.
    EXPECT_EQ(row.kind, static_cast<int>(i) + 1);
    row.sequence = 12;
    const auto event = ParseEvent(row);
    ASSERT_TRUE(event.ok()) << event.status();
    EXPECT_EQ(event->sequence, 12);
    EXPECT_EQ(event->body.index(), i);
    EXPECT_EQ(FormatEvent(event->body).payload, row.payload);
  }
}

// In databases, too.
TEST(JobJsonEventTest, TheTextsStayWhatTheyAre) {
  std::vector<std::string> texts;
  for (const JobEventBody& body : OneOfEach()) {
    texts.push_back(FormatEvent(body).payload);
  }
  EXPECT_THAT(
      texts,
      ElementsAre(
          R"({"from":2,"text":"t","to":5})",
          R"({"accuracy":0.2,"examples_per_second":0.5,"gradient_norm":0.3,)"
          R"("learning_rate":0.4,"loss":0.1,"step":3,"steps":2})",
          R"({"accuracy":0.7,"calibration_error":0.05,"examples":5,)"
          R"("is_best":true,"loss":0.6,"new_class_accuracy":0.9,)"
          R"("old_class_accuracy":0.8,"step":4})",
          R"({"bytes":7,"is_best":true,"step":6})",
          R"({"from_step":8,"rate_factor":0.5,"text":"back","to_step":9})",
          R"({"duty":0.25})",
          R"({"criteria":[{"bound":2.0,"name":"c","passed":true,)"
          R"("text":"x","value":1.0}],"is_better":true,"passed":true})",
          R"({"alias":"stable","previous":1,"version":2})",
          R"({"is_warning":true,"text":"l"})",
          // 9 numbers of 8 bytes: 1, 1, 2, and zeros.
          R"({"sample":"AQAAAAAAAAABAAAAAAAAAAIA)"
          R"(AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA)"
          R"(AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})",
          R"({"action":4,"block":"layer1.00","bound":1.0,"kind":3,"step":3,)"
          R"("text":"v","value":0.5})",
          R"({"kind":3,"raised_step":3,"step":9})"));
}

TEST(JobJsonEventTest, AnUnknownKindOrADamagedPayloadIsDamage) {
  for (const JobEventBody& body : OneOfEach()) {
    JobEventRow row = FormatEvent(body);
    row.payload = "{}";
    EXPECT_EQ(DetailsOf(ParseEvent(row).status()).reason, "STORE_CORRUPT");
  }
  for (const int kind : {0, 13, -1}) {
    JobEventRow row = FormatEvent(LogLine{.text = "l"});
    row.kind = kind;
    EXPECT_EQ(ParseEvent(row).status().code(), absl::StatusCode::kDataLoss);
  }
}

}  // namespace
}  // namespace resnetd
