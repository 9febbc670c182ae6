#include "server/finetune/job_json.h"

#include <utility>
#include <vector>

#include "server/base/status_macros.h"
#include "server/finetune/job_json_fields.h"
#include "server/finetune/recipe_json.h"

namespace resnetd {
namespace {

using Json = nlohmann::json;

Json ToJson(const ReplaySpec& replay) {
  Json object = {{"exemplars_per_class", replay.exemplars_per_class},
                 {"allow_forgetting", replay.allow_forgetting}};
  if (replay.dataset) {
    object["dataset"] = replay.dataset->text();
  }
  return object;
}

ReplaySpec ReplayOf(const Json& object) {
  ReplaySpec replay{
      .exemplars_per_class = object.at("exemplars_per_class").get<int>(),
      .dataset = std::nullopt,
      .allow_forgetting = object.at("allow_forgetting").get<bool>()};
  replay.dataset = Maybe(object, "dataset", [](const Json& name) {
    return Checked(DatasetName::Parse(name.get<std::string>()));
  });
  return replay;
}

Json ToJson(const GateRules& rules) {
  return {{"min_examples", rules.min_examples},
          {"min_accuracy", rules.min_accuracy},
          {"margin", rules.margin},
          {"alpha", rules.alpha},
          {"require_better", rules.require_better},
          {"max_recall_drop", rules.max_recall_drop},
          {"min_class_examples", rules.min_class_examples},
          {"max_forgetting", rules.max_forgetting},
          {"max_calibration_error", rules.max_calibration_error},
          {"max_latency_ratio", rules.max_latency_ratio},
          {"max_size_ratio", rules.max_size_ratio},
          {"allow_label_change", rules.allow_label_change}};
}

GateRules RulesOf(const Json& object) {
  return {
      .min_examples = object.at("min_examples").get<std::int64_t>(),
      .min_accuracy = object.at("min_accuracy").get<double>(),
      .margin = object.at("margin").get<double>(),
      .alpha = object.at("alpha").get<double>(),
      .require_better = object.at("require_better").get<bool>(),
      .max_recall_drop = object.at("max_recall_drop").get<double>(),
      .min_class_examples = object.at("min_class_examples").get<std::int64_t>(),
      .max_forgetting = object.at("max_forgetting").get<double>(),
      .max_calibration_error = object.at("max_calibration_error").get<double>(),
      .max_latency_ratio = object.at("max_latency_ratio").get<double>(),
      .max_size_ratio = object.at("max_size_ratio").get<double>(),
      .allow_label_change = object.at("allow_label_change").get<bool>()};
}

JobSpec SpecOf(const Json& object) {
  JobSpec spec{
      .model = Checked(ModelName::Parse(object.at("model").get<std::string>())),
      .architecture = object.at("architecture").get<std::string>(),
      .input_size = object.at("input_size").get<int>(),
      .dataset =
          Checked(DatasetName::Parse(object.at("dataset").get<std::string>())),
      .split = {.validation = object.at("split_validation").get<double>(),
                .test = object.at("split_test").get<double>(),
                .seed = object.at("split_seed").get<std::uint64_t>()},
      .head = EnumOf<HeadPolicy>(object.at("head"), 0, 4),
      .replay = ReplayOf(object.at("replay")),
      .recipe = Checked(RecipeRequestFromJson(object.at("recipe"))),
      .gate = RulesOf(object.at("gate")),
      .promotion = {.kind = EnumOf<PromotionKind>(object.at("promotion"), 0, 2),
                    .alias = object.at("alias").get<std::string>()},
      .max_duration =
          std::chrono::seconds(object.at("max_duration_s").get<std::int64_t>()),
      .display_name = object.at("display_name").get<std::string>()};
  spec.base = Maybe(object, "base", [](const Json& number) {
    return VersionNumber{number.get<std::int64_t>()};
  });
  return spec;
}

JobStatus StatusOf(const Json& object) {
  const auto state = JobStateOf(object.at("state").get<int>());
  if (!state) {
    throw BadJobText();
  }
  JobStatus status{
      .state = *state,
      .step = object.at("step").get<std::int64_t>(),
      .total_steps = object.at("total_steps").get<std::int64_t>(),
      .attempt = object.at("attempt").get<int>(),
      .setbacks = object.at("setbacks").get<int>(),
      .started = Maybe(object, "started_us", TimeOf),
      .ended = Maybe(object, "ended_us", TimeOf),
      .config_hash = object.at("config_hash").get<std::string>(),
      .dataset_digest = object.at("dataset_digest").get<std::string>(),
      .base_weights = object.at("base_weights").get<std::string>(),
      .last_step = Maybe(object, "last_step", StepOf),
      .last_evaluation = Maybe(object, "last_evaluation", EvaluationOf),
      .best_evaluation = Maybe(object, "best_evaluation", EvaluationOf),
      .gate = Maybe(object, "gate", VerdictOf),
      .promotion = EnumOf<PromotionState>(object.at("promotion"), 0, 4),
      .environment = object.at("environment").get<std::string>()};
  status.error = Maybe(object, "error", [](const Json& error) {
    return JobError{.reason = error.at("reason").get<std::string>(),
                    .text = error.at("text").get<std::string>()};
  });
  status.recipe = Maybe(object, "recipe", [](const Json& recipe) {
    return Checked(RecipeFromJson(recipe));
  });
  status.result = Maybe(object, "result", [](const Json& number) {
    return VersionNumber{number.get<std::int64_t>()};
  });
  return status;
}

}  // namespace

std::string FormatSpec(const JobSpec& spec) {
  Json object = {{"model", spec.model.text()},
                 {"architecture", spec.architecture},
                 {"input_size", spec.input_size},
                 {"dataset", spec.dataset.text()},
                 {"split_validation", spec.split.validation},
                 {"split_test", spec.split.test},
                 {"split_seed", spec.split.seed},
                 {"head", static_cast<int>(spec.head)},
                 {"replay", ToJson(spec.replay)},
                 {"recipe", RecipeRequestToJson(spec.recipe)},
                 {"gate", ToJson(spec.gate)},
                 {"promotion", static_cast<int>(spec.promotion.kind)},
                 {"alias", spec.promotion.alias},
                 {"max_duration_s", spec.max_duration.count()},
                 {"display_name", spec.display_name}};
  if (spec.base) {
    object["base"] = spec.base->value;
  }
  return object.dump();
}

absl::StatusOr<JobSpec> ParseSpec(absl::string_view text) {
  return ReadJobText<JobSpec>("spec", text, SpecOf);
}

std::string FormatStatus(const JobStatus& status) {
  Json object = {{"state", static_cast<int>(status.state)},
                 {"step", status.step},
                 {"total_steps", status.total_steps},
                 {"attempt", status.attempt},
                 {"setbacks", status.setbacks},
                 {"config_hash", status.config_hash},
                 {"dataset_digest", status.dataset_digest},
                 {"base_weights", status.base_weights},
                 {"promotion", static_cast<int>(status.promotion)},
                 {"environment", status.environment}};
  const auto put = [&object](const char* member, const auto& value,
                             const auto& convert) {
    if (value) {
      object[member] = convert(*value);
    }
  };
  const auto json = [](const auto& value) { return resnetd::ToJson(value); };
  put("started_us", status.started, MicrosecondsOf);
  put("ended_us", status.ended, MicrosecondsOf);
  put("last_step", status.last_step, json);
  put("last_evaluation", status.last_evaluation, json);
  put("best_evaluation", status.best_evaluation, json);
  put("gate", status.gate, json);
  put("recipe", status.recipe, RecipeToJson);
  put("result", status.result,
      [](VersionNumber version) { return version.value; });
  put("error", status.error, [](const JobError& error) {
    return Json{{"reason", error.reason}, {"text", error.text}};
  });
  return object.dump();
}

absl::StatusOr<JobStatus> ParseStatus(absl::string_view text) {
  return ReadJobText<JobStatus>("status", text, StatusOf);
}

std::string FormatCheckpoint(const CheckpointManifest& manifest) {
  Json object = {{"weights", manifest.weights},
                 {"optimizer", manifest.optimizer},
                 {"means", manifest.means},
                 {"optimizer_steps", manifest.optimizer_steps},
                 {"stale_evaluations", manifest.stale_evaluations},
                 {"is_best", manifest.is_best}};
  if (manifest.evaluation) {
    object["evaluation"] = resnetd::ToJson(*manifest.evaluation);
  }
  if (manifest.best) {
    object["best"] = resnetd::ToJson(*manifest.best);
  }
  return object.dump();
}

absl::StatusOr<CheckpointManifest> ParseCheckpoint(absl::string_view text) {
  return ReadJobText<CheckpointManifest>(
      "checkpoint", text, [](const Json& object) {
        return CheckpointManifest{
            .weights = object.at("weights").get<std::string>(),
            .optimizer = object.at("optimizer").get<std::string>(),
            .means = object.at("means").get<std::string>(),
            .optimizer_steps = object.at("optimizer_steps").get<std::int64_t>(),
            .stale_evaluations = object.at("stale_evaluations").get<int>(),
            .is_best = object.at("is_best").get<bool>(),
            .evaluation = Maybe(object, "evaluation", EvaluationOf),
            .best = Maybe(object, "best", EvaluationOf)};
      });
}

absl::StatusOr<Job> JobOfRow(const JobRow& row) {
  ASSIGN_OR_RETURN(JobSpec spec, ParseSpec(row.spec));
  ASSIGN_OR_RETURN(JobStatus status, ParseStatus(row.status));
  return Job{.number = row.number,
             .spec = std::move(spec),
             .status = std::move(status),
             .etag = EtagOf(row),
             .created = row.created,
             .updated = row.updated};
}

}  // namespace resnetd
