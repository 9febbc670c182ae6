#include "server/finetune/job_json_fields.h"

#include <utility>

namespace resnetd {
namespace {

using Json = nlohmann::json;

double DoubleOf(const Json& value) { return value.get<double>(); }

}  // namespace

Json ToJson(const EvaluationMetrics& metrics) {
  Json object = {{"step", metrics.step},
                 {"examples", metrics.examples},
                 {"loss", metrics.loss},
                 {"accuracy", metrics.accuracy},
                 {"calibration_error", metrics.calibration_error},
                 {"is_best", metrics.is_best}};
  if (metrics.old_class_accuracy) {
    object["old_class_accuracy"] = *metrics.old_class_accuracy;
  }
  if (metrics.new_class_accuracy) {
    object["new_class_accuracy"] = *metrics.new_class_accuracy;
  }
  return object;
}

EvaluationMetrics EvaluationOf(const Json& object) {
  return {.step = object.at("step").get<std::int64_t>(),
          .examples = object.at("examples").get<std::int64_t>(),
          .loss = object.at("loss").get<double>(),
          .accuracy = object.at("accuracy").get<double>(),
          .old_class_accuracy = Maybe(object, "old_class_accuracy", DoubleOf),
          .new_class_accuracy = Maybe(object, "new_class_accuracy", DoubleOf),
          .calibration_error = object.at("calibration_error").get<double>(),
          .is_best = object.at("is_best").get<bool>()};
}

Json ToJson(const StepMetrics& metrics) {
  return {{"step", metrics.step},
          {"steps", metrics.steps},
          {"loss", metrics.loss},
          {"accuracy", metrics.accuracy},
          {"gradient_norm", metrics.gradient_norm},
          {"learning_rate", metrics.learning_rate},
          {"examples_per_second", metrics.examples_per_second}};
}

StepMetrics StepOf(const Json& object) {
  return {
      .step = object.at("step").get<std::int64_t>(),
      .steps = object.at("steps").get<int>(),
      .loss = object.at("loss").get<double>(),
      .accuracy = object.at("accuracy").get<double>(),
      .gradient_norm = object.at("gradient_norm").get<double>(),
      .learning_rate = object.at("learning_rate").get<double>(),
      .examples_per_second = object.at("examples_per_second").get<double>()};
}

Json ToJson(const GateVerdict& verdict) {
  Json criteria = Json::array();
  for (const GateCriterion& criterion : verdict.criteria) {
    Json object = {{"name", criterion.name},
                   {"bound", criterion.bound},
                   {"passed", criterion.passed},
                   {"text", criterion.text}};
    if (criterion.value) {
      object["value"] = *criterion.value;
    }
    criteria.push_back(std::move(object));
  }
  return {{"passed", verdict.passed},
          {"is_better", verdict.is_better},
          {"criteria", std::move(criteria)}};
}

GateVerdict VerdictOf(const Json& object) {
  GateVerdict verdict{.passed = object.at("passed").get<bool>(),
                      .is_better = object.at("is_better").get<bool>(),
                      .criteria = {}};
  for (const Json& criterion : object.at("criteria")) {
    verdict.criteria.push_back(
        {.name = criterion.at("name").get<std::string>(),
         .value = Maybe(criterion, "value", DoubleOf),
         .bound = criterion.at("bound").get<double>(),
         .passed = criterion.at("passed").get<bool>(),
         .text = criterion.at("text").get<std::string>()});
  }
  return verdict;
}

}  // namespace resnetd
