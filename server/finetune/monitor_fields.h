#pragma once

#include "server/finetune/gradient_monitor.h"
#include "server/finetune/json_fields.h"

namespace resnetd {

// The members of what checkpoints have of a GradientMonitor: see job_fields.h.

template <typename Fields, typename AnyState>
OnlyFor<AnyState, RuleState> ListFields(Fields& fields, AnyState& state) {
  fields("latched", state.is_latched);
  fields("good", state.good);
}

template <typename Fields, typename AnyHistory>
OnlyFor<AnyHistory, LossHistory> ListFields(Fields& fields,
                                            AnyHistory& history) {
  fields("last", history.last);
  fields("first", history.first);
  fields("best", history.best);
  fields("seen", history.seen);
  fields("over_best", history.over_best);
}

template <typename Fields, typename AnyHistory>
OnlyFor<AnyHistory, NormHistory> ListFields(Fields& fields,
                                            AnyHistory& history) {
  fields("phase", history.phase);
  fields("last", history.last);
  fields("first", history.first);
  fields("jumps", history.jumps);
}

template <typename Fields, typename AnyHistory>
OnlyFor<AnyHistory, BlockHistory> ListFields(Fields& fields,
                                             AnyHistory& history) {
  fields("frozen_bits", history.frozen_bits);
  fields("frozen_known", history.frozen_known);
  fields("dead", history.dead);
}

template <typename Fields, typename AnyHistory>
OnlyFor<AnyHistory, SampleHistory> ListFields(Fields& fields,
                                              AnyHistory& history) {
  fields("seen", history.seen);
  fields("depth_low", history.depth_low);
  fields("depth_high", history.depth_high);
  fields("blocks", history.blocks);
  fields("rate_low_bits", history.rate_low_bits);
  fields("rate_high_bits", history.rate_high_bits);
  fields("rate_known", history.rate_known);
}

template <typename Fields, typename AnyHistory>
OnlyFor<AnyHistory, NoiseHistory> ListFields(Fields& fields,
                                             AnyHistory& history) {
  fields("signal", history.signal);
  fields("noise", history.noise);
  fields("seen", history.seen);
  fields("windows", history.windows);
  fields("scale", history.scale);
}

template <typename Fields, typename AnyHistory>
OnlyFor<AnyHistory, EvaluationHistory> ListFields(Fields& fields,
                                                  AnyHistory& history) {
  fields("correct", history.correct);
  fields("examples", history.examples);
  fields("loss", history.loss);
  fields("rising", history.rising);
  fields("best_old_accuracy", history.best_old_accuracy);
}

template <typename Fields, typename AnyAlarm>
OnlyFor<AnyAlarm, ActiveAlarm> ListFields(Fields& fields, AnyAlarm& alarm) {
  fields("kind", alarm.kind);
  fields("step", alarm.step);
  fields("text", alarm.text);
}

template <typename Fields, typename AnyState>
OnlyFor<AnyState, MonitorState> ListFields(Fields& fields, AnyState& state) {
  fields("rules", state.rules);
  fields("active", state.active);
  fields("setbacks", state.setbacks);
  fields("loss", state.loss);
  fields("norm", state.norm);
  fields("sample", state.sample);
  fields("noise", state.noise);
  fields("evaluation", state.evaluation);
}

}  // namespace resnetd
