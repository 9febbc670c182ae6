#include "server/finetune/alarm.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "server/base/error.h"

namespace resnetd {
namespace {

TEST(AlarmTest, EveryKindHasANameOfItsOwnAndTheActionOfTheTable) {
  std::set<std::string> names;
  for (const AlarmKind kind : AllAlarmKinds()) {
    names.emplace(AlarmName(kind));
  }
  EXPECT_EQ(names.size(), 11U);
  EXPECT_EQ(DefaultAction(AlarmKind::kNonfinite), AlarmAction::kRollback);
  EXPECT_EQ(DefaultAction(AlarmKind::kLossDiverged), AlarmAction::kRollback);
  EXPECT_EQ(DefaultAction(AlarmKind::kExploding), AlarmAction::kPause);
  EXPECT_EQ(DefaultAction(AlarmKind::kOverfit), AlarmAction::kStop);
  for (const AlarmKind kind :
       {AlarmKind::kFrozenUpdates, AlarmKind::kVanishing, AlarmKind::kLrSuspect,
        AlarmKind::kDeadBlock, AlarmKind::kSnrCollapse, AlarmKind::kNotLearning,
        AlarmKind::kForgetting}) {
    EXPECT_EQ(DefaultAction(kind), AlarmAction::kWarn) << AlarmName(kind);
  }
}

TEST(AlarmTest, TheLastSettingOfAKindCounts) {
  const std::vector<AlarmSetting> settings = {
      {AlarmKind::kVanishing, AlarmAction::kFail},
      {AlarmKind::kVanishing, AlarmAction::kPause}};
  EXPECT_EQ(ActionOf(AlarmKind::kVanishing, settings), AlarmAction::kPause);
  EXPECT_EQ(ActionOf(AlarmKind::kExploding, settings), AlarmAction::kPause);
  EXPECT_EQ(ActionOf(AlarmKind::kOverfit, {}), AlarmAction::kStop);
}

TEST(AlarmTest, AKindTwiceAndNonfiniteAsAWarningAreRefused) {
  EXPECT_TRUE(Validate(std::vector<AlarmSetting>{
                           {AlarmKind::kNonfinite, AlarmAction::kFail},
                           {AlarmKind::kOverfit, AlarmAction::kWarn}})
                  .ok());
  const absl::Status twice = Validate(
      std::vector<AlarmSetting>{{AlarmKind::kOverfit, AlarmAction::kWarn},
                                {AlarmKind::kOverfit, AlarmAction::kStop}});
  ASSERT_EQ(DetailsOf(twice).violations.size(), 1U);
  EXPECT_EQ(DetailsOf(twice).violations[0].first, "alarms[1]");
  const absl::Status warned = Validate(
      std::vector<AlarmSetting>{{AlarmKind::kNonfinite, AlarmAction::kWarn}});
  EXPECT_EQ(DetailsOf(warned).reason, "RECIPE_INVALID");
  EXPECT_THAT(std::string(warned.message()), testing::HasSubstr("NONFINITE"));
}

TEST(AlarmTest, SamplesAreTakenAtMostEvery100000Steps) {
  for (const int every : {0, 1, kMaxProbeEvery}) {
    EXPECT_TRUE(Validate(ObservationSpec{.probe_every = every}).ok()) << every;
  }
  for (const int every : {-1, kMaxProbeEvery + 1}) {
    EXPECT_FALSE(Validate(ObservationSpec{.probe_every = every}).ok()) << every;
  }
}

TEST(AlarmTest, TheGateLooksAtThreeKinds) {
  int count = 0;
  for (const AlarmKind kind : AllAlarmKinds()) {
    count += IsGateAlarm(kind) ? 1 : 0;
  }
  EXPECT_EQ(count, 3);
  EXPECT_TRUE(IsGateAlarm(AlarmKind::kExploding));
}

}  // namespace
}  // namespace resnetd
