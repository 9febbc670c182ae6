#include "client/cli/job_json.h"

#include <google/protobuf/util/json_util.h>

#include <optional>
#include <string>
#include <variant>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/cli/gradients_data.h"
#include "client/job_convert.h"

namespace resnetd::cli {
namespace {

// An enum of which this client knows the names in order, from 1 on.
std::string NameOf(int value, std::initializer_list<const char*> names) {
  return value < 1 || value > static_cast<int>(names.size())
             ? "UNKNOWN"
             : *(names.begin() + value - 1);
}

template <typename Enum>
int Number(Enum value) {
  return static_cast<int>(value);
}

Json PhasesJson(const client::Recipe& recipe) {
  Json phases = Json::array();
  for (const client::TrainingPhase& phase : recipe.phases) {
    phases.push_back({{"steps", phase.steps},
                      {"trained_parts", phase.trained_parts},
                      {"rates", phase.rates},
                      {"auto_rgn", phase.auto_rgn},
                      {"plain", phase.plain}});
  }
  return phases;
}

Json OptimizerJson(const client::OptimizerSettings& optimizer) {
  return {{"kind", NameOf(Number(optimizer.kind), {"SGD", "ADAMW"})},
          {"momentum", optimizer.momentum},
          {"nesterov", optimizer.nesterov},
          {"beta1", optimizer.beta1},
          {"beta2", optimizer.beta2},
          {"epsilon", optimizer.epsilon},
          {"weight_decay", optimizer.weight_decay}};
}

Json AugmentationJson(const client::AugmentationSettings& settings) {
  return {{"least_scale", settings.least_scale},
          {"most_ratio", settings.most_ratio},
          {"flip", settings.flip},
          {"brightness", settings.brightness},
          {"contrast", settings.contrast},
          {"saturation", settings.saturation}};
}

Json RecipeJson(const client::Recipe& recipe) {
  return {{"phases", PhasesJson(recipe)},
          {"optimizer", OptimizerJson(recipe.optimizer)},
          {"batch_size", recipe.batch_size},
          {"accumulation", recipe.accumulation},
          {"replay_share", recipe.replay_share},
          {"warmup", recipe.warmup},
          {"schedule", NameOf(Number(recipe.schedule), {"CONSTANT", "COSINE"})},
          {"norms",
           NameOf(Number(recipe.norms), {"TRAIN", "FREEZE", "REESTIMATE"})},
          {"label_smoothing", recipe.label_smoothing},
          {"mixup", recipe.mixup},
          {"l2_sp", recipe.l2_sp},
          {"ema", recipe.ema},
          {"clip_norm", recipe.clip_norm},
          {"stochastic_depth", recipe.stochastic_depth},
          {"zero_init_residual", recipe.zero_init_residual},
          {"augmentation", AugmentationJson(recipe.augmentation)},
          {"balance",
           NameOf(Number(recipe.balance), {"NONE", "WEIGHTS", "SAMPLER"})},
          {"evaluate_every", recipe.evaluate_every},
          {"checkpoint_every", recipe.checkpoint_every},
          {"early_stopping",
           {{"patience", recipe.patience},
            {"min_delta", recipe.min_delta},
            {"min_steps", recipe.min_steps}}},
          {"seed", recipe.seed},
          {"precision", NameOf(Number(recipe.precision), {"FP32", "BF16"})}};
}

Json StepJson(const client::StepMetrics& metrics) {
  return {{"step", metrics.step},
          {"steps", metrics.steps},
          {"loss", metrics.loss},
          {"accuracy", metrics.accuracy},
          {"gradient_norm", metrics.gradient_norm},
          {"learning_rate", metrics.learning_rate},
          {"examples_per_second", metrics.examples_per_second}};
}

Json EvaluationJson(const client::EvaluationMetrics& metrics) {
  Json out = {{"step", metrics.step},
              {"examples", metrics.examples},
              {"loss", metrics.loss},
              {"accuracy", metrics.accuracy}};
  if (metrics.old_class_accuracy) {
    out["old_class_accuracy"] = *metrics.old_class_accuracy;
  }
  if (metrics.new_class_accuracy) {
    out["new_class_accuracy"] = *metrics.new_class_accuracy;
  }
  out["calibration_error"] = metrics.calibration_error;
  out["is_best"] = metrics.is_best;
  return out;
}

// A message in the JSON of protobuf, under the names of the proto.
Json ProtoJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(message, &text, options)
           .ok()) {
    return Json::object();
  }
  return Json::parse(text, nullptr, /*allow_exceptions=*/false);
}

void AddMeasured(const client::JobStatus& status, Json& out) {
  if (status.last_step) {
    out["last_step"] = StepJson(*status.last_step);
  }
  if (status.last_evaluation) {
    out["last_evaluation"] = EvaluationJson(*status.last_evaluation);
  }
  if (status.best_evaluation) {
    out["best_evaluation"] = EvaluationJson(*status.best_evaluation);
  }
  out["result_version"] = status.result_version;
  if (status.gate) {
    out["gate"] = VerdictJson(*status.gate);
  }
  out["promotion"] = client::PromotionStateName(status.promotion);
}

Json StatusJson(const client::JobStatus& status) {
  Json out = {{"state", client::JobStateName(status.state)},
              {"step", status.step},
              {"total_steps", status.total_steps},
              {"attempt", status.attempt},
              {"setbacks", status.setbacks}};
  if (status.start_time) {
    out["start_time"] = TimeText(*status.start_time);
  }
  if (status.end_time) {
    out["end_time"] = TimeText(*status.end_time);
  }
  if (status.error) {
    out["error"] = {{"reason", status.error->reason},
                    {"message", status.error->message}};
  }
  if (status.recipe) {
    out["recipe"] = RecipeJson(*status.recipe);
  }
  out["config_hash"] = status.config_hash;
  out["dataset_digest"] = status.dataset_digest;
  out["base_weights_sha256"] = status.base_weights_sha256;
  AddMeasured(status, out);
  out["environment"] = status.environment;
  out["queue_position"] = status.queue_position;
  out["waiting_for"] = status.waiting_for;
  out["duty"] = status.duty;
  if (status.watched_until) {
    out["watched_until"] = TimeText(*status.watched_until);
  }
  Json alarms = Json::array();
  for (const client::ActiveAlarm& alarm : status.alarms) {
    alarms.push_back(ActiveAlarmJson(alarm));
  }
  out["alarms"] = alarms;
  return out;
}

struct BodyJson {
  Json operator()(const std::monostate&) const { return Json::object(); }
  Json operator()(const client::StateChanged& change) const {
    return {{"from", client::JobStateName(change.from)},
            {"to", client::JobStateName(change.to)},
            {"message", change.message}};
  }
  Json operator()(const client::StepMetrics& metrics) const {
    return StepJson(metrics);
  }
  Json operator()(const client::EvaluationMetrics& metrics) const {
    return EvaluationJson(metrics);
  }
  Json operator()(const client::CheckpointSaved& saved) const {
    return {{"step", saved.step},
            {"size_bytes", saved.size_bytes},
            {"is_best", saved.is_best}};
  }
  Json operator()(const client::Recovered& recovered) const {
    return {{"from_step", recovered.from_step},
            {"to_step", recovered.to_step},
            {"rate_factor", recovered.rate_factor},
            {"message", recovered.message}};
  }
  Json operator()(const client::Throttled& throttled) const {
    return {{"duty", throttled.duty}};
  }
  Json operator()(const client::GateVerdict& verdict) const {
    return VerdictJson(verdict);
  }
  Json operator()(const client::Promoted& promoted) const {
    return {{"alias", promoted.alias},
            {"version", promoted.version},
            {"previous_version", promoted.previous_version}};
  }
  Json operator()(const client::LogLine& line) const {
    return {{"text", line.text}, {"is_warning", line.is_warning}};
  }
  Json operator()(const client::BlockGradients& gradients) const {
    return {{"sample", GradientSampleJson(gradients.sample)}};
  }
  Json operator()(const client::AlarmRaised& raised) const {
    return AlarmRaisedJson(raised);
  }
  Json operator()(const client::AlarmCleared& cleared) const {
    return {{"kind", client::AlarmKindName(cleared.kind)},
            {"step", cleared.step},
            {"raised_step", cleared.raised_step}};
  }
};

}  // namespace

Json VerdictJson(const client::GateVerdict& verdict) {
  Json criteria = Json::array();
  for (const client::GateCriterion& criterion : verdict.criteria) {
    criteria.push_back(
        {{"name", criterion.name},
         {"value", criterion.value ? Json(*criterion.value) : Json()},
         {"bound", criterion.bound},
         {"passed", criterion.passed},
         {"text", criterion.text}});
  }
  return {{"passed", verdict.passed},
          {"is_better", verdict.is_better},
          {"criteria", criteria}};
}

Json JobJson(const client::Job& job) {
  Json out = {{"name", job.name},
              {"spec", ProtoJson(client::ToProto(job.spec))},
              {"status", StatusJson(job.status)},
              {"etag", job.etag}};
  if (!job.name.empty()) {
    out["create_time"] = TimeText(job.create_time);
    out["update_time"] = TimeText(job.update_time);
  }
  return out;
}

Json JobEventJson(const client::JobEvent& event) {
  const std::string kind(client::JobEventKindName(event.kind()));
  Json out = {{"sequence", event.sequence},
              {"time", TimeText(event.time)},
              {"kind", kind}};
  out[absl::AsciiStrToLower(kind)] = std::visit(BodyJson(), event.body);
  return out;
}

Json CheckpointJson(const client::Checkpoint& checkpoint) {
  Json out = {{"name", checkpoint.name},
              {"step", checkpoint.step},
              {"size_bytes", checkpoint.size_bytes},
              {"create_time", TimeText(checkpoint.create_time)},
              {"is_best", checkpoint.is_best}};
  if (checkpoint.evaluation) {
    out["evaluation"] = EvaluationJson(*checkpoint.evaluation);
  }
  return out;
}

Json EstimateJson(const client::JobEstimate& estimate) {
  const auto seconds = [](std::chrono::nanoseconds duration) {
    return std::chrono::duration<double>(duration).count();
  };
  Json out = {{"steps", estimate.steps},
              {"peak_bytes", estimate.peak_bytes},
              {"seconds_low", seconds(estimate.duration_low)},
              {"seconds_high", seconds(estimate.duration_high)},
              {"measured_steps", estimate.measured_steps},
              {"recipe", RecipeJson(estimate.recipe)}};
  if (estimate.free_bytes > 0) {
    out["free_bytes"] = estimate.free_bytes;
  }
  return out;
}

Json CreateJobJson(const client::CreateJobRequest& request) {
  Json out = {{"spec", ProtoJson(client::ToProto(request.spec))}};
  if (request.manual) {
    out["start"] = "JOB_START_MANUAL";
  }
  out["request_id"] = request.request_id;
  if (request.validate_only) {
    out["validate_only"] = true;
  }
  return out;
}

}  // namespace resnetd::cli
