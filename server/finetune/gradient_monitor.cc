#include "server/finetune/gradient_monitor.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace resnetd {
namespace {

constexpr AlarmRule RuleAt(std::size_t index) {
  return static_cast<AlarmRule>(index);
}

std::vector<RuleState> FreshRules() {
  std::vector<RuleState> rules(kAlarmRules);
  for (std::size_t i = 0; i < kAlarmRules; ++i) {
    rules[i].good = GoodNeeded(RuleAt(i));
  }
  return rules;
}

auto FindActive(std::vector<ActiveAlarm>& active, AlarmKind kind) {
  return std::find_if(
      active.begin(), active.end(),
      [kind](const ActiveAlarm& alarm) { return alarm.kind == kind; });
}

}  // namespace

GradientMonitor::GradientMonitor(const AlarmFacts& facts,
                                 std::vector<AlarmSetting> settings,
                                 std::vector<std::string> block_names)
    : facts_(facts),
      settings_(std::move(settings)),
      block_names_(std::move(block_names)) {
  state_.rules = FreshRules();
}

Judgement GradientMonitor::AddStep(const StepFacts& step) {
  Judgement judgement;
  Take({.rule = AlarmRule::kFinite,
        .is_bad = !step.is_finite,
        .text = "loss, gradient or weights were not finite"},
       step.step, judgement);
  if (!step.is_finite) {
    return judgement;
  }
  state_.evaluation.correct += step.correct;
  state_.evaluation.examples += step.examples;
  for (const AlarmFinding& finding : JudgeLoss(facts_, step, state_.loss)) {
    Take(finding, step.step, judgement);
  }
  Take(JudgeNorm(step, state_.norm), step.step, judgement);
  return judgement;
}

Judgement GradientMonitor::AddSample(const GradientSample& sample,
                                     double rate_share) {
  Judgement judgement;
  for (const AlarmFinding& finding :
       JudgeSample(facts_, sample, rate_share, state_.sample)) {
    Take(finding, sample.step, judgement);
  }
  if (const auto noise = JudgeNoise(sample, state_.loss, state_.noise)) {
    Take(*noise, sample.step, judgement);
  }
  return judgement;
}

Judgement GradientMonitor::AddEvaluation(const EvaluationFacts& evaluation) {
  Judgement judgement;
  for (const AlarmFinding& finding :
       JudgeEvaluation(facts_, evaluation, state_.evaluation)) {
    Take(finding, evaluation.step, judgement);
  }
  return judgement;
}

void GradientMonitor::Take(const AlarmFinding& finding, std::int64_t step,
                           Judgement& judgement) {
  RuleState& rule = state_.rules[static_cast<std::size_t>(finding.rule)];
  if (!finding.is_bad) {
    rule.good = std::min(rule.good + 1, GoodNeeded(finding.rule));
    ClearIfGood(KindOf(finding.rule), step, judgement);
    return;
  }
  rule.good = 0;
  if (!rule.is_latched) {
    // All rules of its kind: they want the same to be done.
    Latch(KindOf(finding.rule), true);
    Raise(finding, step, judgement);
  }
}

void GradientMonitor::Latch(AlarmKind kind, bool is_latched) {
  for (std::size_t i = 0; i < kAlarmRules; ++i) {
    if (KindOf(RuleAt(i)) == kind) {
      state_.rules[i].is_latched = is_latched;
    }
  }
}

void GradientMonitor::Raise(const AlarmFinding& finding, std::int64_t step,
                            Judgement& judgement) {
  const AlarmKind kind = KindOf(finding.rule);
  AlarmRaised raised{.kind = kind,
                     .step = step,
                     .action = ActionOf(kind, settings_),
                     .value = finding.value,
                     .bound = finding.bound,
                     .block = "",
                     .text = ""};
  if (finding.block && *finding.block < block_names_.size()) {
    raised.block = block_names_[*finding.block];
  }
  raised.text = raised.block.empty()
                    ? finding.text
                    : absl::StrCat(raised.block, ": ", finding.text);
  if (FindActive(state_.active, kind) == state_.active.end()) {
    state_.active.push_back({.kind = kind, .step = step, .text = raised.text});
    judgement.events.emplace_back(raised);
  }
  const int before = judgement.action ? Gravity(judgement.action->action) : 0;
  if (Gravity(raised.action) > before) {
    judgement.action = std::move(raised);
  }
}

void GradientMonitor::ClearIfGood(AlarmKind kind, std::int64_t step,
                                  Judgement& judgement) {
  const auto found = FindActive(state_.active, kind);
  if (found == state_.active.end()) {
    return;
  }
  for (std::size_t i = 0; i < kAlarmRules; ++i) {
    if (KindOf(RuleAt(i)) == kind &&
        state_.rules[i].good < GoodNeeded(RuleAt(i))) {
      return;
    }
  }
  judgement.events.emplace_back(
      AlarmCleared{.kind = kind, .step = step, .raised_step = found->step});
  state_.active.erase(found);
  Latch(kind, false);
}

void GradientMonitor::Restore(MonitorState state,
                              std::vector<ActiveAlarm> active, int setbacks) {
  state_ = std::move(state);
  if (state_.rules.size() != kAlarmRules) {
    state_.rules = FreshRules();
  }
  if (setbacks > state_.setbacks) {
    // What made it go back may be in the last checkpoint already, and lower
    // rates need some steps to show.
    state_.loss.last.clear();
    state_.loss.over_best = 0;
    state_.norm.jumps = 0;
  }
  state_.setbacks = setbacks;
  for (std::size_t i = 0; i < kAlarmRules; ++i) {
    const AlarmKind kind = KindOf(RuleAt(i));
    RuleState& rule = state_.rules[i];
    const bool was_active =
        FindActive(state_.active, kind) != state_.active.end();
    const bool is_active = FindActive(active, kind) != active.end();
    if (!is_active) {
      rule.is_latched = false;
    } else if (!was_active && (i == 0 || KindOf(RuleAt(i - 1)) != kind)) {
      // Raised after it was saved: the first rule of its kind holds it, which
      // is the one that is judged most often.
      rule.good = 0;
    }
  }
  state_.active = std::move(active);
}

}  // namespace resnetd
