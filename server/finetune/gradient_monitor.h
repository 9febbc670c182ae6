#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "server/finetune/alarm.h"
#include "server/finetune/alarm_rules.h"
#include "server/finetune/gradient_sample.h"

namespace resnetd {

struct RuleState {
  // A rule of its kind was bad, and the alarm is not cleared since: it is not
  // acted on again.
  bool is_latched = false;
  // Good judgements in a row, GoodNeeded() at most.
  int good = 0;

  friend bool operator==(const RuleState&, const RuleState&) = default;
};

// All that a monitor remembers.
struct MonitorState {
  // One for each AlarmRule; empty: of a training that begins.
  std::vector<RuleState> rules;
  // In the order in which they were raised.
  std::vector<ActiveAlarm> active;
  // Of the training when it was saved.
  int setbacks = 0;
  LossHistory loss;
  NormHistory norm;
  SampleHistory sample;
  NoiseHistory noise;
  EvaluationHistory evaluation;

  friend bool operator==(const MonitorState&, const MonitorState&) = default;
};

using AlarmEvent = std::variant<AlarmRaised, AlarmCleared>;

struct Judgement {
  // In order. Of one kind they alternate, a raise first.
  std::vector<AlarmEvent> events;
  // What has to be done, the gravest of what was found: FAIL, ROLLBACK, PAUSE,
  // STOP. Absent: nothing. After a rollback it may be of an alarm that is
  // raised already.
  std::optional<AlarmRaised> action;
};

// Judges how a training goes by the numbers of its steps, samples and
// evaluations. The judgement follows from these numbers alone. An alarm is
// cleared when all rules of its kind were good often enough: 10 steps or
// samples, 2 evaluations. Not thread-safe.
class GradientMonitor {
 public:
  // `block_names`: of the blocks of samples, in their order; for texts.
  GradientMonitor(const AlarmFacts& facts, std::vector<AlarmSetting> settings,
                  std::vector<std::string> block_names);

  // A step that is not finite counts for NONFINITE alone.
  Judgement AddStep(const StepFacts& step);
  // `rate_share`: see JudgeSample().
  Judgement AddSample(const GradientSample& sample, double rate_share);
  Judgement AddEvaluation(const EvaluationFacts& evaluation);

  const MonitorState& state() const { return state_; }
  // Goes on from a state that was saved. `active`: the alarms that are raised
  // by what was told until now, which may be later than the state is.
  // `setbacks`: of the training now; when there were more since, the losses
  // before say nothing any more.
  void Restore(MonitorState state, std::vector<ActiveAlarm> active,
               int setbacks);

 private:
  void Take(const AlarmFinding& finding, std::int64_t step,
            Judgement& judgement);
  void Raise(const AlarmFinding& finding, std::int64_t step,
             Judgement& judgement);
  void Latch(AlarmKind kind, bool is_latched);
  void ClearIfGood(AlarmKind kind, std::int64_t step, Judgement& judgement);

  const AlarmFacts facts_;
  const std::vector<AlarmSetting> settings_;
  const std::vector<std::string> block_names_;
  MonitorState state_;
};

}  // namespace resnetd
