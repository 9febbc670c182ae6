#include "server/finetune/alarm.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/base/error.h"

namespace resnetd {
namespace {

struct KindFacts {
  AlarmKind kind;
  absl::string_view name;
  AlarmAction action;
};

constexpr std::array<KindFacts, 11> kKinds = {{
    {AlarmKind::kNonfinite, "NONFINITE", AlarmAction::kRollback},
    {AlarmKind::kFrozenUpdates, "FROZEN_UPDATES", AlarmAction::kWarn},
    {AlarmKind::kVanishing, "VANISHING", AlarmAction::kWarn},
    {AlarmKind::kExploding, "EXPLODING", AlarmAction::kPause},
    {AlarmKind::kLrSuspect, "LR_SUSPECT", AlarmAction::kWarn},
    {AlarmKind::kDeadBlock, "DEAD_BLOCK", AlarmAction::kWarn},
    {AlarmKind::kSnrCollapse, "SNR_COLLAPSE", AlarmAction::kWarn},
    {AlarmKind::kLossDiverged, "LOSS_DIVERGED", AlarmAction::kRollback},
    {AlarmKind::kNotLearning, "NOT_LEARNING", AlarmAction::kWarn},
    {AlarmKind::kForgetting, "FORGETTING", AlarmAction::kWarn},
    {AlarmKind::kOverfit, "OVERFIT", AlarmAction::kStop},
}};

constexpr std::array<absl::string_view, 5> kActionNames = {
    "WARN", "PAUSE", "ROLLBACK", "FAIL", "STOP"};

const KindFacts& FactsOf(AlarmKind kind) {
  return kKinds[static_cast<std::size_t>(kind) - 1];
}

absl::Status Invalid(
    const std::vector<std::pair<std::string, std::string>>& found) {
  std::vector<std::string> texts;
  texts.reserve(found.size());
  for (const auto& [member, text] : found) {
    texts.push_back(text);
  }
  Error error(absl::StatusCode::kInvalidArgument, Reason::kRecipeInvalid,
              absl::StrJoin(texts, "; "));
  for (const auto& [member, text] : found) {
    error.AddViolation(member, text);
  }
  return error;
}

}  // namespace

const std::vector<AlarmKind>& AllAlarmKinds() {
  static const auto* const all = [] {
    auto* kinds = new std::vector<AlarmKind>();
    for (const KindFacts& facts : kKinds) {
      kinds->push_back(facts.kind);
    }
    return kinds;
  }();
  return *all;
}

absl::string_view AlarmName(AlarmKind kind) { return FactsOf(kind).name; }

const std::vector<AlarmAction>& AllAlarmActions() {
  static const auto* const all = new std::vector<AlarmAction>{
      AlarmAction::kWarn, AlarmAction::kPause, AlarmAction::kRollback,
      AlarmAction::kFail, AlarmAction::kStop};
  return *all;
}

absl::string_view AlarmActionName(AlarmAction action) {
  return kActionNames[static_cast<std::size_t>(action) - 1];
}

const std::vector<AlarmKind>& NumbersOf(AlarmKind /*unused*/) {
  return AllAlarmKinds();
}

const std::vector<AlarmAction>& NumbersOf(AlarmAction /*unused*/) {
  return AllAlarmActions();
}

AlarmAction DefaultAction(AlarmKind kind) { return FactsOf(kind).action; }

int Gravity(AlarmAction action) {
  switch (action) {
    case AlarmAction::kWarn:
      return 0;
    case AlarmAction::kStop:
      return 1;
    case AlarmAction::kPause:
      return 2;
    case AlarmAction::kRollback:
      return 3;
    case AlarmAction::kFail:
      return 4;
  }
  return 0;
}

AlarmAction ActionOf(AlarmKind kind,
                     const std::vector<AlarmSetting>& settings) {
  const auto found = std::find_if(
      settings.rbegin(), settings.rend(),
      [kind](const AlarmSetting& setting) { return setting.kind == kind; });
  return found == settings.rend() ? DefaultAction(kind) : found->action;
}

absl::Status Validate(const std::vector<AlarmSetting>& settings) {
  std::vector<std::pair<std::string, std::string>> found;
  for (std::size_t i = 0; i < settings.size(); ++i) {
    const AlarmSetting& setting = settings[i];
    const std::string member = absl::StrCat("alarms[", i, "]");
    if (setting.kind == AlarmKind::kNonfinite &&
        setting.action == AlarmAction::kWarn) {
      found.emplace_back(
          member, absl::StrCat(member,
                               " sets NONFINITE to WARN: nothing can go on "
                               "from a step that is not finite; give PAUSE, "
                               "ROLLBACK, FAIL or STOP"));
    }
    const auto before = std::find_if(
        settings.begin(), settings.begin() + static_cast<std::ptrdiff_t>(i),
        [&setting](const AlarmSetting& other) {
          return other.kind == setting.kind;
        });
    if (before != settings.begin() + static_cast<std::ptrdiff_t>(i)) {
      found.emplace_back(member,
                         absl::StrCat(member, " sets ", AlarmName(setting.kind),
                                      " a second time"));
    }
  }
  return found.empty() ? absl::OkStatus() : Invalid(found);
}

absl::Status Validate(const ObservationSpec& observation) {
  if (observation.probe_every >= 0 &&
      observation.probe_every <= kMaxProbeEvery) {
    return absl::OkStatus();
  }
  return Invalid(
      {{"observation.probe_every",
        absl::StrCat("observation.probe_every ", observation.probe_every,
                     " is not a number of steps from 1 to ", kMaxProbeEvery,
                     ", or 0 for no samples")}});
}

bool IsGateAlarm(AlarmKind kind) {
  return kind == AlarmKind::kNonfinite || kind == AlarmKind::kExploding ||
         kind == AlarmKind::kLossDiverged;
}

}  // namespace resnetd
