#include "server/finetune/gate.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "server/base/error.h"

namespace resnetd {
namespace {

// Shares are quotients of counts: 0.02 - 0.01 may be a little over 0.01.
constexpr double kRounding = 1e-9;

std::string Percent(double share) {
  return absl::StrFormat("%.1f %%", 100 * share);
}

GateCriterion AtLeast(absl::string_view name, double value, double bound,
                      std::string text) {
  return {.name = std::string(name),
          .value = value,
          .bound = bound,
          .passed = value >= bound - kRounding,
          .text = std::move(text)};
}

GateCriterion AtMost(absl::string_view name, double value, double bound,
                     std::string text) {
  return {.name = std::string(name),
          .value = value,
          .bound = bound,
          // Also refuses what is not a number.
          .passed = value <= bound + kRounding,
          .text = std::move(text)};
}

GateCriterion MinExamples(const GateRules& rules,
                          const EvaluationReport& candidate) {
  return AtLeast("min_examples", static_cast<double>(candidate.examples),
                 static_cast<double>(rules.min_examples),
                 absl::StrCat(candidate.examples, " examples, at least ",
                              rules.min_examples, " are needed"));
}

GateCriterion Finite(const EvaluationReport& candidate,
                     const GateFacts& facts) {
  GateCriterion finite =
      AtMost("finite", static_cast<double>(candidate.nonfinite_examples), 0,
             absl::StrCat(candidate.nonfinite_examples,
                          " examples with logits that are not finite"));
  if (!facts.is_finite) {
    finite.passed = false;
    finite.text = "weights or gradients are not finite";
  }
  return finite;
}

GateCriterion Alarms(const GateFacts& facts) {
  return AtMost("alarms", static_cast<double>(facts.alarms.size()), 0,
                facts.alarms.empty()
                    ? "no alarm is raised"
                    : absl::StrCat("alarms are raised: ",
                                   absl::StrJoin(facts.alarms, ", ")));
}

GateCriterion NotInferior(const GateRules& rules, const PairedReport& paired) {
  const double champion = ChampionAccuracy(paired.all);
  const double candidate = CandidateAccuracy(paired.all);
  return AtLeast("not_inferior", candidate - champion, -rules.margin,
                 absl::StrCat("accuracy ", Percent(candidate), ", champion ",
                              Percent(champion), ", at most ",
                              Percent(rules.margin), " less is allowed"));
}

bool CandidateIsWorse(const PairedReport& paired) {
  return paired.all.only_champion > paired.all.only_candidate;
}

std::string PairedText(const PairedReport& paired) {
  return absl::StrFormat(
      "%d right with the champion alone, %d with the candidate alone, p = %.3g",
      paired.all.only_champion, paired.all.only_candidate, paired.p_value);
}

// Passed unless the candidate has fewer right and chance does not explain it.
GateCriterion NotWorse(const GateRules& rules, const PairedReport& paired) {
  return {.name = "not_worse",
          .value = paired.p_value,
          .bound = rules.alpha,
          .passed = !CandidateIsWorse(paired) || paired.p_value >= rules.alpha,
          .text = PairedText(paired)};
}

GateCriterion Better(const GateRules& rules, const PairedReport& paired) {
  return {.name = "better",
          .value = paired.p_value,
          .bound = rules.alpha,
          .passed = !CandidateIsWorse(paired) && paired.p_value < rules.alpha,
          .text = PairedText(paired)};
}

GateCriterion RecallDrop(const GateRules& rules, const PairedReport& paired) {
  double worst = 0;
  std::string text = "no class has lost recall";
  for (const PairedClass& of_class : paired.per_class) {
    if (!of_class.is_old ||
        Examples(of_class.counts) < rules.min_class_examples) {
      continue;
    }
    const double drop =
        ChampionAccuracy(of_class.counts) - CandidateAccuracy(of_class.counts);
    if (drop > worst) {
      worst = drop;
      text = absl::StrCat("class ", of_class.label, " fell from ",
                          Percent(ChampionAccuracy(of_class.counts)), " to ",
                          Percent(CandidateAccuracy(of_class.counts)),
                          ", at most ", Percent(rules.max_recall_drop),
                          " less is allowed");
    }
  }
  return AtMost("recall_drop", worst, rules.max_recall_drop, std::move(text));
}

GateCriterion Forgetting(const GateRules& rules, const PairedReport& paired) {
  const double before = ChampionAccuracy(paired.old_classes);
  const double after = CandidateAccuracy(paired.old_classes);
  return AtMost(
      "forgetting", before - after, rules.max_forgetting,
      absl::StrCat("old classes: ", Percent(after), ", champion ",
                   Percent(before), ", at most ", Percent(rules.max_forgetting),
                   " less is allowed"));
}

GateCriterion Ratio(absl::string_view name, std::optional<double> ratio,
                    double bound) {
  if (!ratio) {
    return {.name = std::string(name),
            .value = std::nullopt,
            .bound = bound,
            .passed = true,
            .text = "not measured"};
  }
  return AtMost(name, *ratio, bound,
                absl::StrFormat("%.2f times the champion's, at most %.2f times "
                                "is allowed",
                                *ratio, bound));
}

GateCriterion SameLabels(const GateRules& rules, const GateFacts& facts) {
  return AtMost("same_labels", facts.labels_changed ? 1 : 0,
                rules.allow_label_change ? 1 : 0,
                !facts.labels_changed ? "the labels are the champion's"
                : rules.allow_label_change
                    ? "the labels differ from the champion's, which is allowed"
                    : "the labels differ from the champion's; "
                      "allow_label_change allows it");
}

void AddPaired(const GateRules& rules, const PairedReport& paired,
               const GateFacts& facts, GateVerdict& verdict) {
  const GateCriterion better = Better(rules, paired);
  verdict.is_better = better.passed;
  std::vector<GateCriterion>& criteria = verdict.criteria;
  criteria.push_back(SameLabels(rules, facts));
  criteria.push_back(NotInferior(rules, paired));
  criteria.push_back(NotWorse(rules, paired));
  if (rules.require_better) {
    criteria.push_back(better);
  }
  criteria.push_back(RecallDrop(rules, paired));
  // Without new classes nothing else can be forgotten for them.
  if (Examples(paired.new_classes) > 0 && Examples(paired.old_classes) > 0) {
    criteria.push_back(Forgetting(rules, paired));
  }
  criteria.push_back(
      Ratio("latency_ratio", facts.latency_ratio, rules.max_latency_ratio));
  criteria.push_back(
      Ratio("size_ratio", facts.size_ratio, rules.max_size_ratio));
}

struct RuleRange {
  const char* member;
  double value;
  double least;
  double most;
  bool is_open = false;  // neither end is allowed
};

std::vector<RuleRange> RangesOf(const GateRules& rules) {
  constexpr double kMostExamples = 1e9;
  constexpr double kMostRatio = 1e6;
  return {{"min_examples", static_cast<double>(rules.min_examples), 1,
           kMostExamples},
          {"min_accuracy", rules.min_accuracy, 0, 1},
          {"margin", rules.margin, 0, 1},
          {"alpha", rules.alpha, 0, 1, true},
          {"max_recall_drop", rules.max_recall_drop, 0, 1},
          {"min_class_examples", static_cast<double>(rules.min_class_examples),
           0, kMostExamples},
          {"max_forgetting", rules.max_forgetting, 0, 1},
          {"max_calibration_error", rules.max_calibration_error, 0, 1},
          {"max_latency_ratio", rules.max_latency_ratio, 0, kMostRatio, true},
          {"max_size_ratio", rules.max_size_ratio, 0, kMostRatio, true}};
}

}  // namespace

absl::Status Validate(const GateRules& rules) {
  std::vector<std::pair<std::string, std::string>> violations;
  std::vector<std::string> texts;
  for (const RuleRange& range : RangesOf(rules)) {
    const bool fits =
        range.is_open ? range.value > range.least && range.value < range.most
                      : range.value >= range.least && range.value <= range.most;
    if (fits) {
      continue;
    }
    violations.emplace_back(
        absl::StrCat("gate.", range.member),
        absl::StrCat("is ", range.value, ", it must be ",
                     range.is_open ? "between " : "", range.least,
                     range.is_open ? " and " : " to ", range.most));
    texts.push_back(absl::StrCat(range.member, " ", violations.back().second));
  }
  if (violations.empty()) {
    return absl::OkStatus();
  }
  Error error(absl::StatusCode::kInvalidArgument, Reason::kRecipeInvalid,
              absl::StrCat("gate: ", absl::StrJoin(texts, "; ")));
  for (const auto& [member, text] : violations) {
    error.AddViolation(member, text);
  }
  return error;
}

GateVerdict DecidePromotion(const GateRules& rules,
                            const EvaluationReport& candidate,
                            const std::optional<PairedReport>& paired,
                            const GateFacts& facts) {
  GateVerdict verdict;
  verdict.criteria = {
      MinExamples(rules, candidate), Finite(candidate, facts), Alarms(facts),
      AtLeast(
          "min_accuracy", candidate.accuracy, rules.min_accuracy,
          absl::StrCat("accuracy ", Percent(candidate.accuracy), ", at least ",
                       Percent(rules.min_accuracy), " is needed")),
      AtMost("calibration_error", candidate.calibration_error,
             rules.max_calibration_error,
             absl::StrFormat("calibration error %.3f, at most %.3f is allowed",
                             candidate.calibration_error,
                             rules.max_calibration_error))};
  if (paired) {
    AddPaired(rules, *paired, facts, verdict);
  }
  verdict.passed =
      std::all_of(verdict.criteria.begin(), verdict.criteria.end(),
                  [](const GateCriterion& one) { return one.passed; });
  return verdict;
}

absl::Status ToStatus(const GateVerdict& verdict) {
  if (verdict.passed) {
    return absl::OkStatus();
  }
  std::vector<std::string> failed;
  for (const GateCriterion& criterion : verdict.criteria) {
    if (!criterion.passed) {
      failed.push_back(absl::StrCat(criterion.name, ": ", criterion.text));
    }
  }
  Error error(absl::StatusCode::kFailedPrecondition, Reason::kGateNotPassed,
              absl::StrCat("the version is not good enough to be promoted: ",
                           absl::StrJoin(failed, "; ")));
  for (const GateCriterion& criterion : verdict.criteria) {
    if (!criterion.passed) {
      error.AddViolation(criterion.name, criterion.text);
    }
  }
  return error;
}

}  // namespace resnetd
