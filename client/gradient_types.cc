#include "client/gradient_types.h"

#include <array>
#include <cstddef>

namespace resnetd::client {
namespace {

constexpr std::array<absl::string_view, 12> kKinds = {
    "UNKNOWN",       "NONFINITE",    "FROZEN_UPDATES", "VANISHING",
    "EXPLODING",     "LR_SUSPECT",   "DEAD_BLOCK",     "SNR_COLLAPSE",
    "LOSS_DIVERGED", "NOT_LEARNING", "FORGETTING",     "OVERFIT"};
constexpr std::array<absl::string_view, 6> kActions = {
    "UNKNOWN", "WARN", "PAUSE", "ROLLBACK", "FAIL", "STOP"};

template <typename Value>
std::vector<Value> AllBut0(std::size_t count) {
  std::vector<Value> all;
  for (std::size_t i = 1; i < count; ++i) {
    all.push_back(static_cast<Value>(i));
  }
  return all;
}

}  // namespace

const std::vector<AlarmKind>& AllAlarmKinds() {
  static const auto& all =
      *new std::vector<AlarmKind>(AllBut0<AlarmKind>(kKinds.size()));
  return all;
}

absl::string_view AlarmKindName(AlarmKind kind) {
  return kKinds.at(static_cast<std::size_t>(kind));
}

const std::vector<AlarmAction>& AllAlarmActions() {
  static const auto& all =
      *new std::vector<AlarmAction>(AllBut0<AlarmAction>(kActions.size()));
  return all;
}

absl::string_view AlarmActionName(AlarmAction action) {
  return kActions.at(static_cast<std::size_t>(action));
}

}  // namespace resnetd::client
