#include "client/cli/train_values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace resnetd::cli {
namespace {

using client::JobState;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(TrainValuesTest, ReadsStates) {
  std::vector<JobState> states;
  EXPECT_EQ(ParseJobStates("RUNNING,queued", states), "");
  EXPECT_THAT(states, ElementsAre(JobState::kRunning, JobState::kQueued));
  EXPECT_THAT(ParseJobStates("RUNING", states), HasSubstr("RUNNING"));
  EXPECT_NE(ParseJobStates("", states), "");
  EXPECT_NE(ParseJobStates("RUNNING,", states), "");
  EXPECT_EQ(states.size(), 2U);
}

TEST(TrainValuesTest, ReadsDatasets) {
  std::string dataset;
  EXPECT_EQ(ParseDataset("photos", dataset), "");
  EXPECT_EQ(dataset, "datasets/photos");
  EXPECT_EQ(ParseDataset("datasets/more", dataset), "");
  EXPECT_EQ(dataset, "datasets/more");
  EXPECT_NE(ParseDataset("Photos", dataset), "");
  EXPECT_NE(ParseDataset("./photos", dataset), "");
}

TEST(TrainValuesTest, ReadsPolicies) {
  client::RecipeOptions recipe;
  EXPECT_EQ(ParsePolicy("stages:3", recipe), "");
  EXPECT_EQ(recipe.layers, client::LayerPolicy::kStages);
  EXPECT_EQ(recipe.first_stage, 3);
  EXPECT_EQ(ParsePolicy("all", recipe), "");
  EXPECT_EQ(recipe.layers, client::LayerPolicy::kAll);
  EXPECT_FALSE(recipe.first_stage);
  EXPECT_EQ(ParsePolicy("head", recipe), "");
  EXPECT_EQ(recipe.layers, client::LayerPolicy::kHead);
  EXPECT_EQ(ParsePolicy("auto-rgn", recipe), "");
  EXPECT_EQ(recipe.layers, client::LayerPolicy::kAutoRgn);
  EXPECT_EQ(ParsePolicy("auto", recipe), "");
  EXPECT_FALSE(recipe.layers);
  for (const char* text : {"stages", "stages:", "stages:0", "stages:x",
                           "stages:N ", "everything", ""}) {
    EXPECT_NE(ParsePolicy(text, recipe), "") << text;
  }
}

TEST(TrainValuesTest, ReadsHeads) {
  client::HeadPolicy head = client::HeadPolicy::kUnknown;
  EXPECT_EQ(ParseHead("auto", head), "");
  EXPECT_EQ(head, client::HeadPolicy::kAuto);
  EXPECT_EQ(ParseHead("keep", head), "");
  EXPECT_EQ(head, client::HeadPolicy::kKeep);
  EXPECT_EQ(ParseHead("grow", head), "");
  EXPECT_EQ(head, client::HeadPolicy::kGrow);
  EXPECT_EQ(ParseHead("replace", head), "");
  EXPECT_EQ(head, client::HeadPolicy::kReplace);
  EXPECT_EQ(ParseHead("remap", head), "");
  EXPECT_EQ(head, client::HeadPolicy::kRemap);
  EXPECT_THAT(ParseHead("replce", head), HasSubstr("replace"));
}

TEST(TrainValuesTest, ReadsPromotions) {
  client::JobSpec spec;
  EXPECT_EQ(ParsePromotion("stable", spec), "");
  EXPECT_EQ(spec.promotion, client::PromotionKind::kAlias);
  EXPECT_EQ(spec.alias, "stable");
  EXPECT_EQ(ParsePromotion("candidate", spec), "");
  EXPECT_EQ(spec.promotion, client::PromotionKind::kCandidate);
  EXPECT_EQ(spec.alias, "");
  EXPECT_EQ(ParsePromotion("none", spec), "");
  EXPECT_EQ(spec.promotion, client::PromotionKind::kNone);
  EXPECT_NE(ParsePromotion("3", spec), "");
  EXPECT_NE(ParsePromotion("Not OK", spec), "");
}

TEST(TrainValuesTest, ReadsNumbersAboveZero) {
  std::optional<double> number;
  EXPECT_EQ(ParsePositive("0.001", number), "");
  EXPECT_EQ(number, 0.001);
  for (const char* text : {"0", "-1", "nan", "inf", "x", ""}) {
    EXPECT_NE(ParsePositive(text, number), "") << text;
  }
}

TEST(TrainValuesTest, ReadsLimitsOfTime) {
  std::chrono::seconds limit{0};
  EXPECT_EQ(ParseLimit("90", limit), "");
  EXPECT_EQ(limit, std::chrono::seconds(90));
  EXPECT_EQ(ParseLimit("2h30m", limit), "");
  EXPECT_EQ(limit, std::chrono::minutes(150));
  EXPECT_EQ(ParseLimit("8760h", limit), "");
  for (const char* text : {"0", "-1", "500ms", "1.5s", "8760h1s", "x", ""}) {
    EXPECT_NE(ParseLimit(text, limit), "") << text;
  }
}

TEST(TrainValuesTest, ReadsLatencies) {
  std::optional<std::chrono::milliseconds> latency;
  EXPECT_EQ(ParseLatency("1ms", latency), "");
  EXPECT_EQ(latency, std::chrono::milliseconds(1));
  EXPECT_EQ(ParseLatency("1.5s", latency), "");
  EXPECT_EQ(latency, std::chrono::milliseconds(1500));
  EXPECT_EQ(ParseLatency("60s", latency), "");
  for (const char* text : {"0", "50", "0.5ms", "-1ms", "60001ms", "x", ""}) {
    EXPECT_NE(ParseLatency(text, latency), "") << text;
  }
}

TEST(TrainValuesTest, ReadsHowOftenGradientsAreShown) {
  std::optional<int> every;
  EXPECT_EQ(ParseProbeEvery("1", every), "");
  EXPECT_EQ(every, 1);
  EXPECT_EQ(ParseProbeEvery("off", every), "");
  EXPECT_EQ(every, 0);
  EXPECT_EQ(ParseProbeEvery("100000", every), "");
  for (const char* text : {"-1", "100001", "x", "", "1.5"}) {
    EXPECT_NE(ParseProbeEvery(text, every), "") << text;
  }
  EXPECT_EQ(every, 100000);
}

TEST(TrainValuesTest, ReadsWhatIsDoneAboutAlarms) {
  std::vector<client::AlarmSetting> alarms;
  EXPECT_EQ(ParseAlarm("vanishing=fail", alarms), "");
  EXPECT_EQ(ParseAlarm("EXPLODING=Rollback", alarms), "");
  ASSERT_EQ(alarms.size(), 2U);
  EXPECT_EQ(alarms[0].kind, client::AlarmKind::kVanishing);
  EXPECT_EQ(alarms[1].action, client::AlarmAction::kRollback);
  // The last word counts, also after all of them.
  EXPECT_EQ(ParseAlarm("all=warn", alarms), "");
  EXPECT_EQ(alarms.size(), client::AllAlarmKinds().size() - 1)
      << "nothing goes on from a step that is not finite";
  EXPECT_EQ(ParseAlarm("overfit=pause", alarms), "");
  EXPECT_EQ(alarms.size(), client::AllAlarmKinds().size() - 1);
  EXPECT_EQ(alarms.back().kind, client::AlarmKind::kOverfit);
  for (const char* text : {"", "vanishing", "vanishing=", "=warn", "x=warn",
                           "overfit=x", "unknown=warn", "overfit=unknown"}) {
    EXPECT_NE(ParseAlarm(text, alarms), "") << text;
  }
}

TEST(TrainValuesTest, ReadsNamesOfJobs) {
  EXPECT_EQ(ParseDisplayName("Katzen für alle"), "");
  EXPECT_EQ(ParseDisplayName(std::string(128, 'a')), "");
  EXPECT_NE(ParseDisplayName(std::string(129, 'a')), "");
  EXPECT_NE(ParseDisplayName("a\nb"), "");
  EXPECT_NE(ParseDisplayName("\xff"), "");
}

}  // namespace
}  // namespace resnetd::cli
