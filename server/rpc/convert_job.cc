#include "server/rpc/convert_job.h"

#include <type_traits>
#include <variant>

#include "absl/strings/str_cat.h"
#include "server/rpc/convert_gradient.h"
#include "server/rpc/convert_job_spec.h"
#include "server/rpc/convert_recipe.h"
#include "server/rpc/proto_time.h"
#include "server/rpc/resource_name.h"
#include "server/rpc/wire_enum.h"

namespace resnetd {
namespace {

// The protos number the states as the domain does.
static_assert(static_cast<int>(JobState::kCreated) == v1::JOB_STATE_CREATED);
static_assert(static_cast<int>(JobState::kQueued) == v1::JOB_STATE_QUEUED);
static_assert(static_cast<int>(JobState::kValidating) ==
              v1::JOB_STATE_VALIDATING);
static_assert(static_cast<int>(JobState::kPreparing) ==
              v1::JOB_STATE_PREPARING);
static_assert(static_cast<int>(JobState::kRunning) == v1::JOB_STATE_RUNNING);
static_assert(static_cast<int>(JobState::kPausing) == v1::JOB_STATE_PAUSING);
static_assert(static_cast<int>(JobState::kPaused) == v1::JOB_STATE_PAUSED);
static_assert(static_cast<int>(JobState::kEvaluating) ==
              v1::JOB_STATE_EVALUATING);
static_assert(static_cast<int>(JobState::kRecovering) ==
              v1::JOB_STATE_RECOVERING);
static_assert(static_cast<int>(JobState::kCancelling) ==
              v1::JOB_STATE_CANCELLING);
static_assert(static_cast<int>(JobState::kSucceeded) ==
              v1::JOB_STATE_SUCCEEDED);
static_assert(static_cast<int>(JobState::kFailed) == v1::JOB_STATE_FAILED);
static_assert(static_cast<int>(JobState::kCancelled) ==
              v1::JOB_STATE_CANCELLED);
static_assert(static_cast<int>(PromotionState::kNotRequested) + 1 ==
              v1::PROMOTION_STATE_NOT_REQUESTED);
static_assert(static_cast<int>(PromotionState::kPending) + 1 ==
              v1::PROMOTION_STATE_PENDING);
static_assert(static_cast<int>(PromotionState::kGateNotPassed) + 1 ==
              v1::PROMOTION_STATE_GATE_NOT_PASSED);
static_assert(static_cast<int>(PromotionState::kPromoted) + 1 ==
              v1::PROMOTION_STATE_PROMOTED);
static_assert(static_cast<int>(PromotionState::kRolledBack) + 1 ==
              v1::PROMOTION_STATE_ROLLED_BACK);

v1::JobState WireState(JobState state) {
  return static_cast<v1::JobState>(state);
}

void Fill(const StepMetrics& metrics, v1::StepMetrics& message) {
  message.set_step(metrics.step);
  message.set_steps(metrics.steps);
  message.set_loss(metrics.loss);
  message.set_accuracy(metrics.accuracy);
  message.set_gradient_norm(metrics.gradient_norm);
  message.set_learning_rate(metrics.learning_rate);
  message.set_examples_per_second(metrics.examples_per_second);
}

void Fill(const EvaluationMetrics& metrics, v1::EvaluationMetrics& message) {
  message.set_step(metrics.step);
  message.set_examples(metrics.examples);
  message.set_loss(metrics.loss);
  message.set_accuracy(metrics.accuracy);
  if (metrics.old_class_accuracy) {
    message.set_old_class_accuracy(*metrics.old_class_accuracy);
  }
  if (metrics.new_class_accuracy) {
    message.set_new_class_accuracy(*metrics.new_class_accuracy);
  }
  message.set_calibration_error(metrics.calibration_error);
  message.set_is_best(metrics.is_best);
}

void Fill(const GateVerdict& verdict, v1::GateVerdict& message) {
  message.set_passed(verdict.passed);
  message.set_is_better(verdict.is_better);
  for (const GateCriterion& criterion : verdict.criteria) {
    v1::GateCriterion& out = *message.add_criteria();
    out.set_name(criterion.name);
    if (criterion.value) {
      out.set_value(*criterion.value);
    }
    out.set_bound(criterion.bound);
    out.set_passed(criterion.passed);
    out.set_text(criterion.text);
  }
}

// What was measured.
void FillMeasured(const JobStatus& status, v1::FineTuneJobStatus& message) {
  if (status.last_step) {
    Fill(*status.last_step, *message.mutable_last_step());
  }
  if (status.last_evaluation) {
    Fill(*status.last_evaluation, *message.mutable_last_evaluation());
  }
  if (status.best_evaluation) {
    Fill(*status.best_evaluation, *message.mutable_best_evaluation());
  }
  message.set_result_version(status.result ? status.result->value : 0);
  if (status.gate) {
    Fill(*status.gate, *message.mutable_gate());
  }
  message.set_promotion(ToWire<v1::PromotionState>(status.promotion));
}

void Fill(const JobStatus& status, v1::FineTuneJobStatus& message) {
  message.set_state(WireState(status.state));
  message.set_step(status.step);
  message.set_total_steps(status.total_steps);
  message.set_attempt(status.attempt);
  message.set_setbacks(status.setbacks);
  if (status.started) {
    *message.mutable_start_time() = ToProto(*status.started);
  }
  if (status.ended) {
    *message.mutable_end_time() = ToProto(*status.ended);
  }
  if (status.error) {
    message.mutable_error()->set_reason(status.error->reason);
    message.mutable_error()->set_message(status.error->text);
  }
  if (status.recipe) {
    *message.mutable_recipe() = ToProto(*status.recipe);
  }
  message.set_config_hash(status.config_hash);
  message.set_dataset_digest(status.dataset_digest);
  message.set_base_weights_sha256(status.base_weights);
  FillMeasured(status, message);
  message.set_environment(status.environment);
  message.set_queue_position(status.queue_position);
  message.set_waiting_for(status.waiting_for);
  message.set_duty(status.duty);
  if (status.watch) {
    *message.mutable_watched_until() = ToProto(status.watch->until);
  }
  for (const ActiveAlarm& alarm : status.alarms) {
    *message.add_alarms() = ToProto(alarm);
  }
}

// Fills the part of an event's body that belongs to the alternative.
struct BodyWriter {
  v1::JobEvent& message;

  void operator()(const StateChanged& change) const {
    v1::StateChanged& out = *message.mutable_state_changed();
    out.set_from(WireState(change.from));
    out.set_to(WireState(change.to));
    out.set_message(change.text);
  }
  void operator()(const StepMetrics& metrics) const {
    Fill(metrics, *message.mutable_step_metrics());
  }
  void operator()(const EvaluationMetrics& metrics) const {
    Fill(metrics, *message.mutable_evaluation());
  }
  void operator()(const CheckpointSaved& saved) const {
    v1::CheckpointSaved& out = *message.mutable_checkpoint_saved();
    out.set_step(saved.step);
    out.set_size_bytes(saved.bytes);
    out.set_is_best(saved.is_best);
  }
  void operator()(const Recovered& recovered) const {
    v1::Recovered& out = *message.mutable_recovered();
    out.set_from_step(recovered.from_step);
    out.set_to_step(recovered.to_step);
    out.set_rate_factor(recovered.rate_factor);
    out.set_message(recovered.text);
  }
  void operator()(const Throttled& throttled) const {
    message.mutable_throttled()->set_duty(throttled.duty);
  }
  void operator()(const GateVerdict& verdict) const {
    Fill(verdict, *message.mutable_gate_verdict());
  }
  void operator()(const Promoted& promoted) const {
    v1::Promoted& out = *message.mutable_promoted();
    out.set_alias(promoted.alias);
    out.set_version(promoted.version.value);
    out.set_previous_version(promoted.previous ? promoted.previous->value : 0);
  }
  void operator()(const LogLine& line) const {
    message.mutable_log_line()->set_text(line.text);
    message.mutable_log_line()->set_is_warning(line.is_warning);
  }
  void operator()(const BlockGradients& gradients) const {
    *message.mutable_block_gradients()->mutable_sample() =
        ToProto(gradients.sample);
  }
  void operator()(const AlarmRaised& raised) const {
    *message.mutable_alarm_raised() = ToProto(raised);
  }
  void operator()(const AlarmCleared& cleared) const {
    *message.mutable_alarm_cleared() = ToProto(cleared);
  }
};

// The kind of each alternative is its place in the variant plus one.
template <typename Body, v1::JobEventKind kKind>
constexpr bool kIsKind =
    std::is_same_v<std::variant_alternative_t<kKind - 1, JobEventBody>, Body>;
static_assert(kIsKind<StateChanged, v1::JOB_EVENT_KIND_STATE_CHANGED>);
static_assert(kIsKind<StepMetrics, v1::JOB_EVENT_KIND_STEP_METRICS>);
static_assert(kIsKind<EvaluationMetrics, v1::JOB_EVENT_KIND_EVALUATION>);
static_assert(kIsKind<CheckpointSaved, v1::JOB_EVENT_KIND_CHECKPOINT_SAVED>);
static_assert(kIsKind<Recovered, v1::JOB_EVENT_KIND_RECOVERED>);
static_assert(kIsKind<Throttled, v1::JOB_EVENT_KIND_THROTTLED>);
static_assert(kIsKind<GateVerdict, v1::JOB_EVENT_KIND_GATE_VERDICT>);
static_assert(kIsKind<Promoted, v1::JOB_EVENT_KIND_PROMOTED>);
static_assert(kIsKind<LogLine, v1::JOB_EVENT_KIND_LOG_LINE>);
static_assert(kIsKind<BlockGradients, v1::JOB_EVENT_KIND_BLOCK_GRADIENTS>);
static_assert(kIsKind<AlarmRaised, v1::JOB_EVENT_KIND_ALARM_RAISED>);
static_assert(kIsKind<AlarmCleared, v1::JOB_EVENT_KIND_ALARM_CLEARED>);

}  // namespace

v1::GateVerdict ToProto(const GateVerdict& verdict) {
  v1::GateVerdict message;
  Fill(verdict, message);
  return message;
}

v1::FineTuneJob ToProto(const Job& job) {
  v1::FineTuneJob message;
  if (job.number.value > 0) {
    message.set_name(ResourceName(job.number));
    message.set_etag(job.etag);
    *message.mutable_create_time() = ToProto(job.created);
    *message.mutable_update_time() = ToProto(job.updated);
  }
  *message.mutable_spec() = ToProto(job.spec);
  Fill(job.status, *message.mutable_status());
  return message;
}

v1::JobEvent ToProto(const JobEvent& event) {
  v1::JobEvent message;
  message.set_sequence(event.sequence);
  *message.mutable_time() = ToProto(event.time);
  std::visit(BodyWriter{message}, event.body);
  return message;
}

v1::Checkpoint ToProto(JobNumber job, const Checkpoint& checkpoint) {
  v1::Checkpoint message;
  message.set_name(
      absl::StrCat(ResourceName(job), "/checkpoints/", checkpoint.step));
  message.set_step(checkpoint.step);
  message.set_size_bytes(checkpoint.bytes);
  *message.mutable_create_time() = ToProto(checkpoint.created);
  message.set_is_best(checkpoint.is_best);
  if (checkpoint.evaluation) {
    Fill(*checkpoint.evaluation, *message.mutable_evaluation());
  }
  return message;
}

v1::JobEventKind KindOf(const JobEventBody& body) {
  return static_cast<v1::JobEventKind>(body.index() + 1);
}

}  // namespace resnetd
