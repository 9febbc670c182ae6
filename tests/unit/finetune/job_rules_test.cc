#include "server/finetune/job_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/base/error.h"

namespace resnetd {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

JobSpec Good() {
  return {.model = ModelName::Parse("m").value(),
          .dataset = DatasetName::Parse("d").value()};
}

std::vector<std::string> WrongFields(const JobSpec& spec) {
  std::vector<std::string> fields;
  for (const auto& [field, text] : DetailsOf(CheckSpec(spec)).violations) {
    fields.push_back(field);
  }
  return fields;
}

TEST(CheckSpecTest, TakesTheDefaults) { EXPECT_TRUE(CheckSpec(Good()).ok()); }

TEST(CheckSpecTest, NamesTheFieldThatIsWrong) {
  using Change = std::function<void(JobSpec&)>;
  for (const auto& [field, change] :
       std::vector<std::pair<std::string, Change>>{
           {"architecture",
            [](JobSpec& s) {
              s.base = VersionNumber{1};
              s.architecture = "resnet18";
            }},
           {"input_size", [](JobSpec& s) { s.input_size = 32; }},
           {"replay.exemplars_per_class",
            [](JobSpec& s) { s.replay.exemplars_per_class = -1; }},
           {"replay.exemplars_per_class",
            [](JobSpec& s) { s.replay.exemplars_per_class = 1001; }},
           {"promotion.watch.duration",
            [](JobSpec& s) {
              s.promotion.watch.duration = std::chrono::seconds(-1);
            }},
           {"promotion.watch.min_answers",
            [](JobSpec& s) { s.promotion.watch.min_answers = 0; }},
           {"promotion.watch.max_failure_rate",
            [](JobSpec& s) { s.promotion.watch.max_failure_rate = 1.01; }},
           {"promotion.watch.max_confidence_drop",
            [](JobSpec& s) { s.promotion.watch.max_confidence_drop = -0.01; }},
           {"serving_guard.max_p99",
            [](JobSpec& s) { s.guard.max_p99 = std::chrono::seconds(0); }},
           {"serving_guard.max_queue",
            [](JobSpec& s) { s.guard.max_queue = -1; }},
           {"max_duration",
            [](JobSpec& s) { s.max_duration = std::chrono::seconds(-1); }},
           {"display_name",
            [](JobSpec& s) { s.display_name = std::string(129, 'n'); }},
           {"display_name", [](JobSpec& s) { s.display_name = "\xff"; }},
           {"gate.alpha", [](JobSpec& s) { s.gate.alpha = 1.01; }},
           {"gate.margin",
            [](JobSpec& s) {
              s.gate.margin = std::numeric_limits<double>::quiet_NaN();
            }},
           {"gate.min_examples", [](JobSpec& s) { s.gate.min_examples = 0; }},
       }) {
    JobSpec spec = Good();
    change(spec);
    EXPECT_THAT(WrongFields(spec), ElementsAre(field));
  }
}

TEST(CheckSpecTest, TakesEveryLimitItself) {
  JobSpec spec = Good();
  spec.replay.exemplars_per_class = 1000;
  spec.display_name = std::string(128, 'n');
  spec.gate.margin = 0;
  spec.gate.min_examples = 1;
  spec.recipe.layers = LayerPolicy::kAutoRgn;
  EXPECT_TRUE(CheckSpec(spec).ok());
  spec.replay.exemplars_per_class = 0;
  EXPECT_TRUE(CheckSpec(spec).ok());
}

TEST(CheckSpecTest, NamesAllAtOnce) {
  JobSpec spec = Good();
  spec.input_size = 1;
  spec.gate.alpha = 2;
  spec.promotion = {.kind = PromotionKind::kAlias, .alias = "../x"};
  EXPECT_EQ(WrongFields(spec).size(), 3U);
}

TEST(StatesAfterRestartTest, InterruptedWorkGoesBackToTheQueue) {
  for (const JobState state : {JobState::kValidating, JobState::kPreparing,
                               JobState::kRunning, JobState::kEvaluating}) {
    EXPECT_THAT(StatesAfterRestart(state),
                ElementsAre(JobState::kRecovering, JobState::kQueued));
  }
}

TEST(StatesAfterRestartTest, EveryStepMayFollowTheOneBefore) {
  for (JobState state : AllJobStates()) {
    for (const JobState next : StatesAfterRestart(state)) {
      EXPECT_TRUE(CanFollow(state, next))
          << JobStateName(state) << " " << JobStateName(next);
      state = next;
    }
  }
}

TEST(StatesAfterRestartTest, NothingIsLeftHalfWay) {
  for (const JobState state : AllJobStates()) {
    const std::vector<JobState> path = StatesAfterRestart(state);
    const JobState end = path.empty() ? state : path.back();
    EXPECT_TRUE(IsDone(end) || end == JobState::kQueued ||
                end == JobState::kPaused || end == JobState::kCreated)
        << JobStateName(state);
    if (IsDone(state)) {
      EXPECT_THAT(path, IsEmpty());
    }
  }
}

absl::Status Broken() {
  return Error(absl::StatusCode::kUnavailable, Reason::kBackendUnavailable,
               "the device failed");
}

TEST(TroubleTest, OfTheServerAreItsStoreAndADeviceThatBroke) {
  EXPECT_TRUE(IsTroubleOfServer(Broken()));
  EXPECT_TRUE(IsTroubleOfServer(
      Error(absl::StatusCode::kUnavailable, Reason::kStoreFailed, "disk")));
  EXPECT_FALSE(IsTroubleOfServer(absl::OkStatus()));
  EXPECT_FALSE(IsTroubleOfServer(ServerStopping()));
  EXPECT_FALSE(IsTroubleOfServer(absl::UnavailableError("no reason")));
  // No plug-in, or no such device.
  EXPECT_FALSE(
      IsTroubleOfServer(Error(absl::StatusCode::kFailedPrecondition,
                              Reason::kBackendUnavailable, "no plug-in")));
}

TEST(TroubleTest, AJobUnderWhichADeviceKeepsBreakingFailsInItsThirdAttempt) {
  struct Case {
    int attempt;
    bool has_saved;
    bool fails;
  };
  for (const Case& one :
       {Case{0, false, false}, Case{1, false, false}, Case{2, false, false},
        Case{3, false, true}, Case{4, false, true}, Case{3, true, false},
        Case{100, true, false}}) {
    const absl::Status status =
        AfterTrouble(Broken(), one.attempt, one.has_saved);
    EXPECT_EQ(IsTroubleOfServer(status), !one.fails) << one.attempt;
    if (one.fails) {
      EXPECT_EQ(DetailsOf(status).reason, "BACKEND_UNAVAILABLE");
      EXPECT_THAT(
          std::string(status.message()),
          testing::HasSubstr(absl::StrCat("broke in attempt ", one.attempt)));
    }
  }
  const absl::Status disk =
      Error(absl::StatusCode::kUnavailable, Reason::kStoreFailed, "disk");
  EXPECT_EQ(AfterTrouble(disk, 9, false), disk);
  EXPECT_TRUE(AfterTrouble(absl::OkStatus(), 9, false).ok());
}

TEST(DeadlineOfTest, IsWhatTheRunsBeforeLeftOfTheLimit) {
  using std::chrono::seconds;
  const SteadyTime now = SteadyTime(std::chrono::hours(5));
  EXPECT_EQ(DeadlineOf(now, seconds(0), seconds(7)), kNoDeadline);
  EXPECT_EQ(DeadlineOf(now, seconds(10), seconds(0)), now + seconds(10));
  EXPECT_EQ(DeadlineOf(now, seconds(10), seconds(9)), now + seconds(1));
  EXPECT_EQ(DeadlineOf(now, seconds(10), seconds(10)), now);
  EXPECT_EQ(DeadlineOf(now, seconds(10), seconds(11)), now);
}

}  // namespace
}  // namespace resnetd
