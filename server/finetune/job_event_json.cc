#include <utility>

#include "server/base/status_macros.h"
#include "server/finetune/job_json.h"
#include "server/finetune/job_json_fields.h"

namespace resnetd {
namespace {

using Json = nlohmann::json;

// The numbers of JobEventRow::kind: they never change their meaning. In the
// order of JobEventBody.
enum Kind {
  kStateChanged = 1,
  kStep = 2,
  kEvaluation = 3,
  kCheckpoint = 4,
  kRecovered = 5,
  kThrottled = 6,
  kGate = 7,
  kPromoted = 8,
  kLog = 9,
};

Json Payload(const StateChanged& event) {
  return {{"from", static_cast<int>(event.from)},
          {"to", static_cast<int>(event.to)},
          {"text", event.text}};
}
Json Payload(const StepMetrics& event) { return ToJson(event); }
Json Payload(const EvaluationMetrics& event) { return ToJson(event); }
Json Payload(const CheckpointSaved& event) {
  return {
      {"step", event.step}, {"bytes", event.bytes}, {"is_best", event.is_best}};
}
Json Payload(const Recovered& event) {
  return {{"from_step", event.from_step},
          {"to_step", event.to_step},
          {"rate_factor", event.rate_factor},
          {"text", event.text}};
}
Json Payload(const Throttled& event) { return {{"duty", event.duty}}; }
Json Payload(const GateVerdict& event) { return ToJson(event); }
Json Payload(const Promoted& event) {
  Json object = {{"alias", event.alias}, {"version", event.version.value}};
  if (event.previous) {
    object["previous"] = event.previous->value;
  }
  return object;
}
Json Payload(const LogLine& event) {
  return {{"text", event.text}, {"is_warning", event.is_warning}};
}

JobState StateOf(const Json& value) {
  const auto state = JobStateOf(value.get<int>());
  if (!state) {
    throw BadJobText();
  }
  return *state;
}

VersionNumber VersionOf(const Json& value) {
  return {value.get<std::int64_t>()};
}

JobEventBody BodyOf(int kind, const Json& object) {
  switch (kind) {
    case kStateChanged:
      return StateChanged{.from = StateOf(object.at("from")),
                          .to = StateOf(object.at("to")),
                          .text = object.at("text").get<std::string>()};
    case kStep:
      return StepOf(object);
    case kEvaluation:
      return EvaluationOf(object);
    case kCheckpoint:
      return CheckpointSaved{.step = object.at("step").get<std::int64_t>(),
                             .bytes = object.at("bytes").get<std::int64_t>(),
                             .is_best = object.at("is_best").get<bool>()};
    case kRecovered:
      return Recovered{.from_step = object.at("from_step").get<std::int64_t>(),
                       .to_step = object.at("to_step").get<std::int64_t>(),
                       .rate_factor = object.at("rate_factor").get<double>(),
                       .text = object.at("text").get<std::string>()};
    case kThrottled:
      return Throttled{.duty = object.at("duty").get<double>()};
    case kGate:
      return VerdictOf(object);
    case kPromoted:
      return Promoted{.alias = object.at("alias").get<std::string>(),
                      .version = VersionOf(object.at("version")),
                      .previous = Maybe(object, "previous", VersionOf)};
    case kLog:
      return LogLine{.text = object.at("text").get<std::string>(),
                     .is_warning = object.at("is_warning").get<bool>()};
    default:
      throw BadJobText();
  }
}

}  // namespace

JobEventRow FormatEvent(const JobEventBody& body) {
  const Json payload =
      std::visit([](const auto& event) { return Payload(event); }, body);
  return {.sequence = 0,
          .time = {},
          .kind = static_cast<int>(body.index()) + 1,
          .payload = payload.dump()};
}

absl::StatusOr<JobEvent> ParseEvent(const JobEventRow& row) {
  ASSIGN_OR_RETURN(JobEventBody body,
                   ReadJobText<JobEventBody>("event", row.payload,
                                             [&row](const Json& object) {
                                               return BodyOf(row.kind, object);
                                             }));
  return JobEvent{
      .sequence = row.sequence, .time = row.time, .body = std::move(body)};
}

}  // namespace resnetd
