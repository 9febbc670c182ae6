#include "server/finetune/job_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "server/base/error.h"

namespace resnetd {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Pair;

constexpr JobCall kCalls[] = {JobCall::kStart, JobCall::kPause,
                              JobCall::kResume, JobCall::kCancel,
                              JobCall::kDelete};

// Every pair that the diagram of states draws, by name.
const std::map<std::string, std::set<std::string>>& Followers() {
  static const auto* const kFollowers =
      new std::map<std::string, std::set<std::string>>{
          {"CREATED", {"QUEUED", "CANCELLING"}},
          {"QUEUED", {"VALIDATING", "RUNNING", "PAUSED", "CANCELLING"}},
          {"VALIDATING", {"PREPARING", "RECOVERING", "FAILED", "CANCELLING"}},
          {"PREPARING", {"RUNNING", "RECOVERING", "FAILED", "CANCELLING"}},
          {"RUNNING",
           {"PAUSING", "EVALUATING", "RECOVERING", "FAILED", "CANCELLING"}},
          {"PAUSING", {"PAUSED", "FAILED", "CANCELLING"}},
          {"PAUSED", {"QUEUED", "CANCELLING"}},
          {"EVALUATING", {"SUCCEEDED", "RECOVERING", "FAILED", "CANCELLING"}},
          {"RECOVERING", {"QUEUED", "FAILED", "CANCELLING"}},
          {"CANCELLING", {"CANCELLED"}},
          {"SUCCEEDED", {}},
          {"FAILED", {}},
          {"CANCELLED", {}},
      };
  return *kFollowers;
}

TEST(JobStateTest, HasThirteenStatesWithNamesAndNumbersOfTheirOwn) {
  std::set<std::string> names;
  std::set<int> numbers;
  for (const JobState state : AllJobStates()) {
    names.emplace(JobStateName(state));
    numbers.insert(static_cast<int>(state));
    EXPECT_EQ(JobStateOf(static_cast<int>(state)), state);
  }
  EXPECT_EQ(names.size(), 13U);
  EXPECT_EQ(numbers.size(), 13U);
  EXPECT_EQ(names.count("UNKNOWN"), 0U);
}

TEST(JobStateTest, KeepsTheNumbersThatAreInDatabases) {
  int number = 1;
  for (const char* name :
       {"CREATED", "QUEUED", "VALIDATING", "PREPARING", "RUNNING", "PAUSING",
        "PAUSED", "EVALUATING", "RECOVERING", "CANCELLING", "SUCCEEDED",
        "FAILED", "CANCELLED"}) {
    EXPECT_EQ(JobStateName(JobStateOf(number).value()), name);
    ++number;
  }
}

TEST(JobStateTest, KnowsNoStateOfOtherNumbers) {
  EXPECT_FALSE(JobStateOf(0).has_value());
  EXPECT_FALSE(JobStateOf(-1).has_value());
  EXPECT_TRUE(JobStateOf(13).has_value());
  EXPECT_FALSE(JobStateOf(14).has_value());
}

TEST(JobStateTest, FollowsTheDiagramForEveryPair) {
  for (const JobState from : AllJobStates()) {
    const auto& allowed = Followers().at(std::string(JobStateName(from)));
    for (const JobState to : AllJobStates()) {
      EXPECT_EQ(CanFollow(from, to),
                allowed.count(std::string(JobStateName(to))) > 0)
          << JobStateName(from) << " -> " << JobStateName(to);
    }
  }
}

TEST(JobStateTest, ReachesAnEndFromEveryStateThatIsNotDone) {
  for (const JobState start : AllJobStates()) {
    std::set<JobState> reached = {start};
    for (std::size_t before = 0; before != reached.size();) {
      before = reached.size();
      for (const JobState from : std::set<JobState>(reached)) {
        for (const JobState to : AllJobStates()) {
          if (CanFollow(from, to)) {
            reached.insert(to);
          }
        }
      }
    }
    EXPECT_EQ(reached.count(JobState::kCancelled) > 0,
              !IsDone(start) || start == JobState::kCancelled)
        << JobStateName(start);
    EXPECT_EQ(reached.size() == 1, IsDone(start)) << JobStateName(start);
  }
}

// What each call does in each state: a state to go to, "nothing", "remove" or
// "refused".
std::string Outcome(JobState state, JobCall call) {
  const auto decision = DecideCall({7}, state, call);
  if (!decision.ok()) {
    return "refused";
  }
  switch (decision->effect) {
    case CallEffect::kChangeState:
      return std::string(JobStateName(decision->next));
    case CallEffect::kNothing:
      return "nothing";
    case CallEffect::kRemove:
      return "remove";
  }
  return "";
}

TEST(DecideCallTest, FollowsTheTableForEveryCallInEveryState) {
  const std::string no = "refused";
  const std::string stop = "CANCELLING";
  // start, pause, resume, cancel, delete
  const std::map<std::string, std::vector<std::string>> table = {
      {"CREATED", {"QUEUED", no, no, stop, no}},
      {"QUEUED", {no, "PAUSED", no, stop, no}},
      {"VALIDATING", {no, no, no, stop, no}},
      {"PREPARING", {no, no, no, stop, no}},
      {"RUNNING", {no, "PAUSING", no, stop, no}},
      {"PAUSING", {no, no, no, stop, no}},
      {"PAUSED", {no, no, "QUEUED", stop, no}},
      {"EVALUATING", {no, no, no, stop, no}},
      {"RECOVERING", {no, no, no, stop, no}},
      {"CANCELLING", {no, no, no, "nothing", no}},
      {"SUCCEEDED", {no, no, no, no, "remove"}},
      {"FAILED", {no, no, no, no, "remove"}},
      {"CANCELLED", {no, no, no, "nothing", "remove"}},
  };
  ASSERT_EQ(table.size(), AllJobStates().size());
  for (const JobState state : AllJobStates()) {
    std::size_t column = 0;
    for (const JobCall call : kCalls) {
      EXPECT_EQ(Outcome(state, call),
                table.at(std::string(JobStateName(state)))[column])
          << JobCallName(call) << " when " << JobStateName(state);
      ++column;
    }
  }
}

TEST(DecideCallTest, OnlyEverGoesWhereTheDiagramAllows) {
  for (const JobState state : AllJobStates()) {
    for (const JobCall call : kCalls) {
      const auto decision = DecideCall({7}, state, call);
      if (decision.ok() && decision->effect == CallEffect::kChangeState) {
        EXPECT_TRUE(CanFollow(state, decision->next))
            << JobCallName(call) << " when " << JobStateName(state);
      }
    }
  }
}

TEST(DecideCallTest, SaysWhichStatesAllowWhatItRefuses) {
  const absl::Status status =
      DecideCall({7}, JobState::kPreparing, JobCall::kPause).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.message(),
            "job 7 is PREPARING; pause needs QUEUED or RUNNING: try again when "
            "it is RUNNING");
  EXPECT_EQ(DetailsOf(status).resource,
            std::make_pair(std::string("job"), std::string("jobs/7")));
  EXPECT_EQ(DetailsOf(status).reason, "JOB_STATE");
  EXPECT_THAT(DetailsOf(status).metadata, Contains(Pair("state", "PREPARING")));
  EXPECT_THAT(
      DecideCall({7}, JobState::kQueued, JobCall::kDelete).status().message(),
      HasSubstr("SUCCEEDED or FAILED or CANCELLED"));
}

TEST(DecideCallTest, SaysWhatToDoInstead) {
  for (const JobState state : AllJobStates()) {
    for (const JobCall call : kCalls) {
      const absl::Status status = DecideCall({7}, state, call).status();
      if (!status.ok()) {
        EXPECT_EQ(status.message().find("go on") != std::string::npos ||
                      status.message().find("first") != std::string::npos ||
                      status.message().find("again") != std::string::npos ||
                      status.message().find("goes on") != std::string::npos ||
                      status.message().find("wait") != std::string::npos,
                  true)
            << status.message();
      }
    }
  }
}

}  // namespace
}  // namespace resnetd
