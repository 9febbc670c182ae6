#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/finetune/recipe_rules.h"

namespace resnetd {

// From `least` to `most`; an open end is not among the values.
struct ValueRange {
  double least = 0;
  double most = 0;
  bool is_open_below = false;
  bool is_open_above = false;

  // False for what is not a number.
  bool Has(double value) const {
    return (is_open_below ? value > least : value >= least) &&
           (is_open_above ? value < most : value <= most);
  }
  std::string Text() const {
    const std::string from = Number(least);
    const std::string to = Number(most);
    if (is_open_below) {
      return absl::StrCat("it must be above ", from, " and at most ", to);
    }
    return is_open_above
               ? absl::StrCat("it must be at least ", from, " and below ", to)
               : absl::StrCat("it must be ", from, " to ", to);
  }

 private:
  // All digits of an integer.
  static std::string Number(double value) {
    const auto whole = static_cast<std::int64_t>(value);
    return static_cast<double>(whole) == value ? absl::StrCat(whole)
                                               : absl::StrCat(value);
  }
};

inline constexpr ValueRange kShareBelowOne = {
    .least = 0, .most = 1, .is_open_above = true};
inline constexpr ValueRange kShare = {.least = 0, .most = 1};
// A rate of 10 destroys any network in one step.
inline constexpr ValueRange kRate = {
    .least = 0, .most = 10, .is_open_below = true};
inline constexpr ValueRange kSteps = {.least = 1, .most = kMostSteps};

// Collects what is wrong with a recipe. Not thread-safe.
class RecipeChecker {
 public:
  template <typename T>
  void InRange(absl::string_view member, const std::optional<T>& value,
               const ValueRange& range) {
    if (value && !range.Has(static_cast<double>(*value))) {
      Add(member, absl::StrCat("is ", *value, ", ", range.Text()));
    }
  }
  void Forbid(bool is_wrong, absl::string_view member, absl::string_view text) {
    if (is_wrong) {
      Add(member, text);
    }
  }
  void Add(absl::string_view member, absl::string_view text) {
    violations_.emplace_back(std::string(member), std::string(text));
  }
  RecipeViolations Take() { return std::move(violations_); }

 private:
  RecipeViolations violations_;
};

}  // namespace resnetd
