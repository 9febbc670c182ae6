#include "client/cli/json.h"

#include <array>
#include <charconv>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/cli/text.h"
#include "client/error_info.h"

namespace resnetd::cli {
namespace {

double Milliseconds(std::chrono::nanoseconds duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

// The double whose shortest text is the float's: 0.1 instead of
// 0.10000000149011612.
double Shortest(float value) {
  std::array<char, 32> text = {};
  const auto end = std::to_chars(text.begin(), text.end(), value).ptr;
  double out = value;
  std::from_chars(text.begin(), end, out);
  return out;
}

}  // namespace

Json FloatsJson(const std::vector<float>& values) {
  Json out = Json::array();
  for (const float value : values) {
    out.push_back(Shortest(value));
  }
  return out;
}

std::string TimeText(std::chrono::system_clock::time_point time) {
  return absl::FormatTime(absl::RFC3339_full, absl::FromChrono(time),
                          absl::UTCTimeZone());
}

Json ErrorJson(const absl::Status& error) {
  const client::ErrorInfo info = client::ErrorInfoOf(error);
  Json out = {
      {"code", absl::StatusCodeToString(error.code())},
      {"reason", info.reason},
      {"message", std::string(error.message().data(), error.message().size())}};
  if (!info.metadata.empty()) {
    for (const auto& [key, value] : info.metadata) {
      out["metadata"][key] = value;
    }
  }
  if (info.retry_after) {
    out["retry_after_ms"] = Milliseconds(*info.retry_after);
  }
  if (!info.request_id.empty()) {
    out["request_id"] = info.request_id;
  }
  return out;
}

Json PredictionsJson(const client::Classification& classification) {
  Json out = Json::array();
  for (const client::Prediction& prediction : classification.predictions) {
    out.push_back({{"index", prediction.index},
                   {"label", prediction.label},
                   {"probability", Shortest(prediction.probability)},
                   {"logit", Shortest(prediction.logit)}});
  }
  return out;
}

Json LogitsJson(const client::Classification& classification) {
  return FloatsJson(classification.logits);
}

Json ServedByJson(const client::ServedBy& served_by) {
  return {{"model", served_by.model},
          {"version", served_by.version},
          {"weights_sha256", served_by.weights_sha256},
          {"precision", served_by.precision},
          {"backend", served_by.backend},
          {"alias", served_by.alias}};
}

Json TimingJson(const client::Timing& timing) {
  return {{"queue_ms", Milliseconds(timing.queue)},
          {"decode_ms", Milliseconds(timing.decode)},
          {"preprocess_ms", Milliseconds(timing.preprocess)},
          {"compute_ms", Milliseconds(timing.compute)},
          {"postprocess_ms", Milliseconds(timing.postprocess)},
          {"total_ms", Milliseconds(timing.total)},
          {"batch_size", timing.batch_size},
          {"batch_close_reason", timing.batch_close_reason}};
}

Json AliasJson(const client::Alias& alias) {
  Json out = {{"name", alias.name},
              {"version", alias.version},
              {"previous_version", alias.previous_version},
              {"generation", alias.generation},
              {"etag", alias.etag},
              {"update_time", TimeText(alias.update_time)}};
  if (!alias.gate_override.empty()) {
    out["gate_override"] = alias.gate_override;
  }
  return out;
}

Json ModelJson(const client::Model& model) {
  Json aliases = Json::array();
  for (const client::Alias& alias : model.aliases) {
    aliases.push_back(AliasJson(alias));
  }
  return {{"name", model.name},
          {"serving_version", model.serving_version},
          {"residency", std::string(client::ResidencyName(model.residency))},
          {"architecture", model.architecture},
          {"num_classes", model.num_classes},
          {"is_default", model.is_default},
          {"aliases", aliases}};
}

Json PreprocessJson(const client::Preprocess& preprocess) {
  return {{"resize", preprocess.resize},
          {"crop", preprocess.crop},
          {"mean", FloatsJson(preprocess.mean)},
          {"std", FloatsJson(preprocess.std)}};
}

Json VersionJson(const client::Version& version) {
  Json evaluations = Json::array();
  for (const client::Evaluation& evaluation : version.evaluations) {
    evaluations.push_back({{"dataset", evaluation.dataset},
                           {"examples", evaluation.examples},
                           {"accuracy", evaluation.accuracy}});
  }
  Json out = {
      {"name", version.name},
      {"version", version.version},
      {"residency", std::string(client::ResidencyName(version.residency))},
      {"architecture", version.architecture},
      {"num_classes", version.num_classes},
      {"labels", version.labels},
      {"preprocess", PreprocessJson(version.preprocess)},
      {"precision", version.precision},
      {"precision_choice", version.precision_choice},
      {"backend", version.backend},
      {"weights_sha256", version.weights_sha256},
      {"weights_bytes", version.weights_bytes},
      {"parameters", version.parameters},
      {"resident_bytes", version.resident_bytes},
      {"load_ms", Milliseconds(version.load_time)},
      {"description", version.description},
      {"evaluations", evaluations},
      {"state", std::string(client::VersionStateName(version.state))},
      {"create_time",
       version.create_time ? Json(TimeText(*version.create_time)) : Json()},
      {"etag", version.etag},
      {"aliases", version.aliases},
      {"parent_version", version.parent_version},
      {"source_sha256", version.source_sha256},
      {"source_format", version.source_format},
      {"manifest_sha256", version.manifest_sha256},
      {"temperature", version.temperature}};
  if (version.gate) {
    Json failed = Json::array();
    for (const client::FailedCriterion& criterion : version.gate->failed) {
      failed.push_back({{"name", criterion.name}, {"text", criterion.text}});
    }
    out["gate"] = {{"passed", version.gate->passed}, {"failed", failed}};
  }
  if (!version.failure.ok()) {
    out["failure"] = ErrorJson(version.failure);
  }
  return out;
}

Json ModelEventJson(const client::ModelEvent& event) {
  Json out = {{"sequence", event.sequence},
              {"time", TimeText(event.time)},
              {"model", event.model},
              {"kind", std::string(client::ModelEventKindName(event.kind))},
              {"version", event.version},
              {"alias", event.alias},
              {"previous_version", event.previous_version},
              {"generation", event.generation},
              {"weights_sha256", event.weights_sha256}};
  if (!event.gate_override.empty()) {
    out["gate_override"] = event.gate_override;
  }
  return out;
}

Json ServerInfoJson(const client::ServerInfo& info) {
  Json limits = Json::object();
  for (const client::Limit& limit : info.limits) {
    limits[limit.name] = limit.value;
  }
  Json backends = Json::array();
  for (const client::Backend& backend : info.backends) {
    backends.push_back({{"name", backend.name},
                        {"usable", backend.usable},
                        {"detail", backend.detail}});
  }
  return {{"version", info.version},
          {"grpc_version", info.grpc_version},
          {"start_time", TimeText(info.start_time)},
          {"uptime_ms", Milliseconds(info.uptime)},
          {"ready", info.ready},
          {"cpu_cores", info.cpu_cores},
          {"limits", limits},
          {"backends", backends}};
}

std::string JsonText(const Json& document) {
  return absl::StrCat(
      PrintableJson(document.dump(2, ' ', false,
                                  nlohmann::json::error_handler_t::replace)),
      "\n");
}

std::string JsonLine(const Json& document) {
  return absl::StrCat(
      PrintableJson(document.dump(-1, ' ', false,
                                  nlohmann::json::error_handler_t::replace)),
      "\n");
}

}  // namespace resnetd::cli
