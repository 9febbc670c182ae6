#include "client/job_types.h"

#include <array>

namespace resnetd::client {
namespace {

constexpr absl::string_view kUnknownName = "UNKNOWN";

// The name at the place of `value`; those beyond are of a newer server.
template <typename Enum, std::size_t kCount>
absl::string_view NameIn(const std::array<absl::string_view, kCount>& names,
                         Enum value) {
  const auto index = static_cast<std::size_t>(value);
  return index < kCount ? names[index] : kUnknownName;
}

constexpr std::array<absl::string_view, 14> kStates = {
    kUnknownName, "CREATED",   "QUEUED", "VALIDATING", "PREPARING",
    "RUNNING",    "PAUSING",   "PAUSED", "EVALUATING", "RECOVERING",
    "CANCELLING", "SUCCEEDED", "FAILED", "CANCELLED"};
constexpr std::array<absl::string_view, 6> kHeads = {
    kUnknownName, "AUTO", "REPLACE", "GROW", "KEEP", "REMAP"};
constexpr std::array<absl::string_view, 4> kPromotions = {kUnknownName, "NONE",
                                                          "CANDIDATE", "ALIAS"};
constexpr std::array<absl::string_view, 6> kPromotionStates = {
    kUnknownName,      "NOT_REQUESTED", "PENDING",
    "GATE_NOT_PASSED", "PROMOTED",      "ROLLED_BACK"};
constexpr std::array<absl::string_view, 13> kEventKinds = {
    kUnknownName,       "STATE_CHANGED", "STEP_METRICS",    "EVALUATION",
    "CHECKPOINT_SAVED", "RECOVERED",     "THROTTLED",       "GATE_VERDICT",
    "PROMOTED",         "LOG_LINE",      "BLOCK_GRADIENTS", "ALARM_RAISED",
    "ALARM_CLEARED"};

}  // namespace

const std::vector<JobState>& AllJobStates() {
  static const auto& states = *new std::vector<JobState>([] {
    std::vector<JobState> all;
    for (std::size_t i = 1; i < kStates.size(); ++i) {
      all.push_back(static_cast<JobState>(i));
    }
    return all;
  }());
  return states;
}

absl::string_view JobStateName(JobState state) {
  return NameIn(kStates, state);
}

bool IsDone(JobState state) {
  return state == JobState::kSucceeded || state == JobState::kFailed ||
         state == JobState::kCancelled;
}

absl::string_view HeadPolicyName(HeadPolicy head) {
  return NameIn(kHeads, head);
}

absl::string_view PromotionKindName(PromotionKind kind) {
  return NameIn(kPromotions, kind);
}

absl::string_view PromotionStateName(PromotionState state) {
  return NameIn(kPromotionStates, state);
}

absl::string_view JobEventKindName(JobEventKind kind) {
  return NameIn(kEventKinds, kind);
}

}  // namespace resnetd::client
