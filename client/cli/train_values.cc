#include "client/cli/train_values.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "client/cli/model_ref.h"
#include "client/cli/option_values.h"
#include "server/base/ids.h"
#include "server/base/quote.h"
#include "server/base/utf8.h"

namespace resnetd::cli {

std::string ParseJobStates(const std::string& text,
                           std::vector<client::JobState>& states) {
  std::vector<std::string> names;
  for (const client::JobState state : client::AllJobStates()) {
    names.emplace_back(client::JobStateName(state));
  }
  std::vector<client::JobState> found;
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    const std::string name = absl::AsciiStrToUpper(part);
    if (std::string problem = ParseChoice(name, names); !problem.empty()) {
      return problem;
    }
    const auto at = std::find(names.begin(), names.end(), name);
    found.push_back(
        client::AllJobStates()[static_cast<std::size_t>(at - names.begin())]);
  }
  states = std::move(found);
  return "";
}

std::string ParseDataset(const std::string& text, std::string& dataset) {
  const absl::string_view name = absl::StripPrefix(text, "datasets/");
  if (!DatasetName::Parse(name).ok()) {
    return absl::StrCat(Quoted(text),
                        " is not a name: 1 to 64 of a-z 0-9 . _ - with a "
                        "letter or digit at both ends and no \"..\"");
  }
  dataset = absl::StrCat("datasets/", name);
  return "";
}

std::string ParsePolicy(const std::string& text,
                        client::RecipeOptions& recipe) {
  recipe.first_stage.reset();
  if (absl::string_view stage = text; absl::ConsumePrefix(&stage, "stages:")) {
    int number = 0;
    if (!absl::SimpleAtoi(stage, &number) || number < 1) {
      return absl::StrCat(Quoted(text),
                          " names no stage: write for example stages:3");
    }
    recipe.layers = client::LayerPolicy::kStages;
    recipe.first_stage = number;
    return "";
  }
  if (text == "stages") {
    return "\"stages\" names no stage: write for example stages:3";
  }
  if (std::string problem =
          ParseChoice(text, {"auto", "all", "head", "stages:N", "auto-rgn"});
      !problem.empty()) {
    return problem;
  }
  recipe.layers = text == "all"        ? client::LayerPolicy::kAll
                  : text == "head"     ? client::LayerPolicy::kHead
                  : text == "auto-rgn" ? client::LayerPolicy::kAutoRgn
                                       : client::LayerPolicy::kUnknown;
  if (text == "auto") {
    recipe.layers.reset();
  }
  return "";
}

std::string ParseHead(const std::string& text, client::HeadPolicy& head) {
  const std::vector<std::string> choices = {"auto", "replace", "grow", "keep",
                                            "remap"};
  std::string problem = ParseChoice(text, choices);
  if (problem.empty()) {
    const auto at = std::find(choices.begin(), choices.end(), text);
    head = static_cast<client::HeadPolicy>(at - choices.begin() + 1);
  }
  return problem;
}

std::string ParsePromotion(const std::string& text, client::JobSpec& spec) {
  spec.alias.clear();
  if (text == "none" || text == "candidate") {
    spec.promotion = text == "none" ? client::PromotionKind::kNone
                                    : client::PromotionKind::kCandidate;
    return "";
  }
  std::string problem = ParseAliasName(text);
  if (problem.empty()) {
    spec.promotion = client::PromotionKind::kAlias;
    spec.alias = text;
  }
  return problem;
}

std::string ParsePositive(const std::string& text,
                          std::optional<double>& number) {
  double value = 0;
  // Written so that it also refuses what is not a number.
  if (!absl::SimpleAtod(text, &value) || !(value > 0) || std::isinf(value)) {
    return absl::StrCat(Quoted(text), " is not a number above 0");
  }
  number = value;
  return "";
}

std::string ParseLimit(const std::string& text, std::chrono::seconds& limit) {
  absl::Duration duration;
  std::int64_t seconds = 0;
  if (absl::SimpleAtoi(text, &seconds)) {
    duration = absl::Seconds(seconds);
  } else if (!absl::ParseDuration(text, &duration)) {
    return absl::StrCat(Quoted(text),
                        " is not a time; write for example 10m or 2h30m");
  }
  constexpr int kMaxDays = 365;
  if (duration < absl::Seconds(1) || duration > absl::Hours(24 * kMaxDays) ||
      duration % absl::Seconds(1) != absl::ZeroDuration()) {
    return absl::StrCat(Quoted(text),
                        " is not a whole number of seconds from "
                        "1 to those of ",
                        kMaxDays, " days");
  }
  limit = absl::ToChronoSeconds(duration);
  return "";
}

std::string ParseLatency(const std::string& text,
                         std::optional<std::chrono::milliseconds>& latency) {
  absl::Duration duration;
  constexpr int kMaxSeconds = 60;
  if (!absl::ParseDuration(text, &duration) ||
      duration < absl::Milliseconds(1) ||
      duration > absl::Seconds(kMaxSeconds) ||
      duration % absl::Milliseconds(1) != absl::ZeroDuration()) {
    return absl::StrCat(Quoted(text),
                        " is not a whole number of milliseconds from 1ms to ",
                        kMaxSeconds, "s; write for example 50ms");
  }
  latency = absl::ToChronoMilliseconds(duration);
  return "";
}

std::string ParseDisplayName(const std::string& text) {
  constexpr std::size_t kMaxBytes = 128;
  if (text.size() > kMaxBytes) {
    return absl::StrCat("the text has ", text.size(), " bytes, at most ",
                        kMaxBytes, " are accepted");
  }
  const bool plain = std::none_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_iscntrl(static_cast<unsigned char>(c));
  });
  return plain && IsUtf8(text) ? ""
                               : absl::StrCat(Quoted(text),
                                              " is not UTF-8 without control "
                                              "characters");
}

std::string ParseProbeEvery(const std::string& text,
                            std::optional<int>& probe_every) {
  constexpr std::int64_t kMost = 100'000;
  std::int64_t steps = 0;
  if (text != "off") {
    if (std::string problem = ParseNumber(text, 0, steps); !problem.empty()) {
      return problem;
    }
  }
  if (steps > kMost) {
    return absl::StrCat(Quoted(text), " is more than ", kMost);
  }
  probe_every = static_cast<int>(steps);
  return "";
}

namespace {

template <typename Value, typename NameOf>
std::optional<Value> FindNamed(const std::vector<Value>& all, NameOf name_of,
                               absl::string_view name) {
  const auto found = std::find_if(all.begin(), all.end(), [&](Value value) {
    return absl::EqualsIgnoreCase(name_of(value), name);
  });
  return found == all.end() ? std::nullopt : std::optional(*found);
}

template <typename Value, typename NameOf>
std::string NamesOf(const std::vector<Value>& all, NameOf name_of) {
  std::string names;
  for (const Value value : all) {
    absl::StrAppend(&names, names.empty() ? "" : ", ", name_of(value));
  }
  return names;
}

}  // namespace

std::string ParseAlarm(const std::string& text,
                       std::vector<client::AlarmSetting>& alarms) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos) {
    return absl::StrCat(Quoted(text), " is not KIND=ACTION");
  }
  const absl::string_view kind_name = absl::string_view(text).substr(0, equals);
  const auto action =
      FindNamed(client::AllAlarmActions(), client::AlarmActionName,
                absl::string_view(text).substr(equals + 1));
  if (!action) {
    return absl::StrCat(
        Quoted(text), " has no action: it is one of ",
        NamesOf(client::AllAlarmActions(), client::AlarmActionName));
  }
  const bool is_all = absl::EqualsIgnoreCase(kind_name, "all");
  const auto kind =
      FindNamed(client::AllAlarmKinds(), client::AlarmKindName, kind_name);
  if (!is_all && !kind) {
    return absl::StrCat(
        Quoted(text), " has no kind of an alarm: it is all or one of ",
        NamesOf(client::AllAlarmKinds(), client::AlarmKindName));
  }
  for (const client::AlarmKind one : client::AllAlarmKinds()) {
    if (is_all ? one == client::AlarmKind::kNonfinite &&
                     *action == client::AlarmAction::kWarn
               : one != *kind) {
      continue;  // Nothing goes on from a step that is not finite.
    }
    // The last word counts.
    std::erase_if(alarms, [one](const client::AlarmSetting& setting) {
      return setting.kind == one;
    });
    alarms.push_back({.kind = one, .action = *action});
  }
  return "";
}

}  // namespace resnetd::cli
