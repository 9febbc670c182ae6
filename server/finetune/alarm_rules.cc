#include "server/finetune/alarm_rules.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace resnetd {
namespace {

namespace limits = alarm_limits;

// Upper median; at least one value.
double MedianOf(std::vector<double> values) {
  const auto middle =
      values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

void Push(double value, std::size_t most, std::vector<double>& last) {
  if (last.size() == most) {
    last.erase(last.begin());
  }
  last.push_back(value);
}

double GuessingLoss(const AlarmFacts& facts) {
  return std::log(static_cast<double>(std::max(facts.classes, 2)));
}

std::string Percent(double share) {
  return absl::StrFormat("%.1f %%", 100 * share);
}

}  // namespace

AlarmKind KindOf(AlarmRule rule) {
  switch (rule) {
    case AlarmRule::kFinite:
      return AlarmKind::kNonfinite;
    case AlarmRule::kLossRunaway:
    case AlarmRule::kLossOverBest:
      return AlarmKind::kLossDiverged;
    case AlarmRule::kNormJump:
    case AlarmRule::kDepthHigh:
    case AlarmRule::kUpdateHuge:
      return AlarmKind::kExploding;
    case AlarmRule::kFrozenUpdates:
      return AlarmKind::kFrozenUpdates;
    case AlarmRule::kVanishing:
      return AlarmKind::kVanishing;
    case AlarmRule::kLearningRate:
      return AlarmKind::kLrSuspect;
    case AlarmRule::kDeadBlock:
      return AlarmKind::kDeadBlock;
    case AlarmRule::kNoise:
      return AlarmKind::kSnrCollapse;
    case AlarmRule::kNotLearning:
      return AlarmKind::kNotLearning;
    case AlarmRule::kForgetting:
      return AlarmKind::kForgetting;
    case AlarmRule::kOverfit:
      return AlarmKind::kOverfit;
  }
  return AlarmKind::kNonfinite;
}

int GoodNeeded(AlarmRule rule) {
  constexpr int kGood = 10;
  constexpr int kGoodWindows = kGood / limits::kNoiseWindow;
  constexpr int kGoodEvaluations = 2;
  if (rule == AlarmRule::kNoise) {
    return kGoodWindows;
  }
  return rule >= AlarmRule::kNotLearning ? kGoodEvaluations : kGood;
}

std::vector<AlarmFinding> JudgeLoss(const AlarmFacts& facts,
                                    const StepFacts& step,
                                    LossHistory& history) {
  ++history.seen;
  const double guessing = GuessingLoss(facts);
  const bool is_over = history.best && step.loss > guessing &&
                       step.loss > limits::kLossOverBest * *history.best;
  history.over_best = is_over ? history.over_best + 1 : 0;
  std::vector<AlarmFinding> found = {
      {.rule = AlarmRule::kLossRunaway},
      {.rule = AlarmRule::kLossOverBest,
       .is_bad = history.over_best >= limits::kOverBestSteps}};
  if (found[1].is_bad) {
    found[1].value = step.loss;
    found[1].bound = limits::kLossOverBest * *history.best;
    found[1].text = absl::StrFormat(
        "the loss was over twice its best, %.3g, for %d steps: it is %.3g",
        *history.best, limits::kOverBestSteps, step.loss);
  }
  Push(step.loss, limits::kLossWindow, history.last);
  if (history.last.size() < limits::kLossWindow) {
    return found;
  }
  const double median = MedianOf(history.last);
  if (!history.first) {
    history.first = median;
  }
  history.best = std::min(history.best.value_or(median), median);
  AlarmFinding& runaway = found[0];
  if (history.seen >= static_cast<std::int64_t>(2 * limits::kLossWindow) &&
      median > limits::kLossGrowth * *history.first &&
      median > limits::kLossOverGuessing * guessing) {
    runaway.is_bad = true;
    runaway.value = median;
    runaway.bound = std::max(limits::kLossGrowth * *history.first,
                             limits::kLossOverGuessing * guessing);
    runaway.text = absl::StrFormat(
        "the loss ran away: %.3g, %.3g in the beginning, %.3g by guessing",
        median, *history.first, guessing);
  }
  return found;
}

AlarmFinding JudgeNorm(const StepFacts& step, NormHistory& history) {
  if (step.phase != history.phase) {
    history = NormHistory();
    history.phase = step.phase;
  }
  AlarmFinding found{.rule = AlarmRule::kNormJump};
  if (history.last.size() >= limits::kLeastNorms) {
    const double median = MedianOf(history.last);
    if (!history.first) {
      history.first = median;
    }
    const double bound = std::max(limits::kNormJump * median, *history.first);
    history.jumps = step.gradient_norm > bound ? history.jumps + 1 : 0;
    if (history.jumps >= limits::kNormSteps) {
      found.is_bad = true;
      found.value = step.gradient_norm;
      found.bound = bound;
      found.text = absl::StrFormat(
          "the gradient's norm is %.3g, its median %.3g: over %g times that "
          "for %d steps",
          step.gradient_norm, median, limits::kNormJump, limits::kNormSteps);
    }
  }
  Push(step.gradient_norm, limits::kNormWindow, history.last);
  return found;
}

namespace {

AlarmFinding JudgeLearning(const AlarmFacts& facts,
                           const EvaluationFacts& evaluation) {
  AlarmFinding found{.rule = AlarmRule::kNotLearning};
  const double done = facts.total_steps > 0
                          ? static_cast<double>(evaluation.step) /
                                static_cast<double>(facts.total_steps)
                          : 0;
  if (done >= limits::kNotLearningShare &&
      evaluation.accuracy < facts.majority_share) {
    found.is_bad = true;
    found.value = evaluation.accuracy;
    found.bound = facts.majority_share;
    found.text = absl::StrCat(
        "accuracy ", Percent(evaluation.accuracy), " after ", Percent(done),
        " of the steps: always guessing the most frequent class "
        "reaches ",
        Percent(facts.majority_share));
  }
  return found;
}

AlarmFinding JudgeForgetting(const EvaluationFacts& evaluation,
                             EvaluationHistory& history) {
  AlarmFinding found{.rule = AlarmRule::kForgetting};
  if (!evaluation.old_class_accuracy) {
    return found;
  }
  const double now = *evaluation.old_class_accuracy;
  const double best = std::max(history.best_old_accuracy.value_or(now), now);
  history.best_old_accuracy = best;
  const double error = std::sqrt(
      best * (1 - best) /
      static_cast<double>(std::max<std::int64_t>(evaluation.examples, 1)));
  // Shares are quotients of counts: 0.95 - 0.93 may be a little over 0.02.
  constexpr double kRounding = 1e-9;
  const double bound = std::max(limits::kForgotten, 2 * error);
  if (best - now > bound + kRounding) {
    found.is_bad = true;
    found.value = best - now;
    found.bound = bound;
    found.text = absl::StrCat("accuracy on the old classes fell from ",
                              Percent(best), " to ", Percent(now));
  }
  return found;
}

AlarmFinding JudgeOverfit(const EvaluationFacts& evaluation,
                          EvaluationHistory& history) {
  AlarmFinding found{.rule = AlarmRule::kOverfit};
  history.rising =
      history.loss && evaluation.loss > *history.loss ? history.rising + 1 : 0;
  history.loss = evaluation.loss;
  if (history.examples == 0) {
    return found;
  }
  const double training = static_cast<double>(history.correct) /
                          static_cast<double>(history.examples);
  history.correct = 0;
  history.examples = 0;
  constexpr double kRounding = 1e-9;
  const double gap = training - evaluation.accuracy;
  if (gap > limits::kOverfitGap + kRounding &&
      history.rising >= limits::kOverfitEvaluations) {
    found.is_bad = true;
    found.value = gap;
    found.bound = limits::kOverfitGap;
    found.text = absl::StrCat("accuracy ", Percent(training), " in training, ",
                              Percent(evaluation.accuracy),
                              " in validation, whose loss rose ",
                              limits::kOverfitEvaluations, " times in a row");
  }
  return found;
}

}  // namespace

std::vector<AlarmFinding> JudgeEvaluation(const AlarmFacts& facts,
                                          const EvaluationFacts& evaluation,
                                          EvaluationHistory& history) {
  return {JudgeLearning(facts, evaluation),
          JudgeForgetting(evaluation, history),
          JudgeOverfit(evaluation, history)};
}

}  // namespace resnetd
