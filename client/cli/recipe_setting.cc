#include "client/cli/recipe_setting.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "client/cli/option_values.h"
#include "server/base/quote.h"

namespace resnetd::cli {
namespace {

using client::RecipeOptions;

template <typename Value>
using Member = std::optional<Value> RecipeOptions::*;

// A name with the member that it sets.
struct Setting {
  const char* name;
  std::variant<Member<double>, Member<int>, Member<std::int64_t>, Member<bool>,
               Member<client::OptimizerKind>, Member<client::RateSchedule>,
               Member<client::NormPolicy>, Member<client::ClassBalance>,
               Member<client::TrainingPrecision>>
      member;
};

// Those that options of their own set (--lr, --policy, ...) are here too; the
// phases have no short form.
constexpr Setting kSettings[] = {
    {"accumulation", &RecipeOptions::accumulation},
    {"balance", &RecipeOptions::balance},
    {"batch_size", &RecipeOptions::batch_size},
    {"beta1", &RecipeOptions::beta1},
    {"beta2", &RecipeOptions::beta2},
    {"brightness", &RecipeOptions::brightness},
    {"checkpoint_every", &RecipeOptions::checkpoint_every},
    {"clip_norm", &RecipeOptions::clip_norm},
    {"contrast", &RecipeOptions::contrast},
    {"ema", &RecipeOptions::ema},
    {"epochs", &RecipeOptions::epochs},
    {"epsilon", &RecipeOptions::epsilon},
    {"evaluate_every", &RecipeOptions::evaluate_every},
    {"flip", &RecipeOptions::flip},
    {"head_rate", &RecipeOptions::head_rate},
    {"l2_sp", &RecipeOptions::l2_sp},
    {"label_smoothing", &RecipeOptions::label_smoothing},
    {"least_scale", &RecipeOptions::least_scale},
    {"max_steps", &RecipeOptions::max_steps},
    {"min_delta", &RecipeOptions::min_delta},
    {"min_steps", &RecipeOptions::min_steps},
    {"mixup", &RecipeOptions::mixup},
    {"momentum", &RecipeOptions::momentum},
    {"most_ratio", &RecipeOptions::most_ratio},
    {"nesterov", &RecipeOptions::nesterov},
    {"norms", &RecipeOptions::norms},
    {"optimizer", &RecipeOptions::optimizer},
    {"patience", &RecipeOptions::patience},
    {"precision", &RecipeOptions::precision},
    {"rate", &RecipeOptions::rate},
    {"saturation", &RecipeOptions::saturation},
    {"schedule", &RecipeOptions::schedule},
    {"seed", &RecipeOptions::seed},
    {"stochastic_depth", &RecipeOptions::stochastic_depth},
    {"warmup", &RecipeOptions::warmup},
    {"weight_decay", &RecipeOptions::weight_decay},
};

// The values of an enum in order, from 1 on: 0 is none.
const std::vector<std::string>& Names(client::OptimizerKind /*tag*/) {
  static const auto& names = *new std::vector<std::string>{"sgd", "adamw"};
  return names;
}
const std::vector<std::string>& Names(client::RateSchedule /*tag*/) {
  static const auto& names =
      *new std::vector<std::string>{"constant", "cosine"};
  return names;
}
const std::vector<std::string>& Names(client::NormPolicy /*tag*/) {
  static const auto& names =
      *new std::vector<std::string>{"train", "freeze", "reestimate"};
  return names;
}
const std::vector<std::string>& Names(client::ClassBalance /*tag*/) {
  static const auto& names =
      *new std::vector<std::string>{"none", "weights", "sampler"};
  return names;
}
const std::vector<std::string>& Names(client::TrainingPrecision /*tag*/) {
  static const auto& names = *new std::vector<std::string>{"fp32", "bf16"};
  return names;
}

std::string Parse(const std::string& text, double& value) {
  return absl::SimpleAtod(text, &value) && std::isfinite(value)
             ? ""
             : absl::StrCat(Quoted(text), " is not a number");
}
template <typename Number>
std::string ParseWhole(const std::string& text, Number& value) {
  return absl::SimpleAtoi(text, &value)
             ? ""
             : absl::StrCat(Quoted(text), " is not a whole number");
}
std::string Parse(const std::string& text, int& value) {
  return ParseWhole(text, value);
}
std::string Parse(const std::string& text, std::int64_t& value) {
  return ParseWhole(text, value);
}
std::string Parse(const std::string& text, bool& value) {
  return absl::SimpleAtob(text, &value)
             ? ""
             : absl::StrCat(Quoted(text), " is neither true nor false");
}
template <typename Enum>
std::string Parse(const std::string& text, Enum& value) {
  const std::string name = absl::AsciiStrToLower(text);
  const std::vector<std::string>& names = Names(value);
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) {
      value = static_cast<Enum>(i + 1);
      return "";
    }
  }
  return ParseChoice(name, names);
}

}  // namespace

std::string ParseSetting(const std::string& text,
                         client::RecipeOptions& recipe) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos) {
    return absl::StrCat(Quoted(text),
                        " sets nothing: write NAME=VALUE, e.g. flip=0.5");
  }
  const absl::string_view name = absl::string_view(text).substr(0, equals);
  std::vector<std::string> known;
  for (const Setting& setting : kSettings) {
    if (setting.name != name) {
      known.emplace_back(setting.name);
      continue;
    }
    return std::visit(
        [&](auto member) {
          typename std::decay_t<decltype(recipe.*member)>::value_type value{};
          std::string problem = Parse(text.substr(equals + 1), value);
          if (problem.empty()) {
            recipe.*member = value;
            return problem;
          }
          return absl::StrCat(name, ": ", problem);
        },
        setting.member);
  }
  return ParseChoice(std::string(name), known);
}

}  // namespace resnetd::cli
