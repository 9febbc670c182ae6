#include "server/models/manifest.h"

#include <array>
#include <charconv>
#include <cstddef>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/sha256.h"
#include "server/base/status_macros.h"
#include "server/models/architecture.h"
#include "server/models/json_object.h"
#include "server/models/labels.h"

namespace resnetd {
namespace {

using Json = nlohmann::json;

constexpr char kFormat[] = "resnetd-model/1";

// A manifest is written by people; nothing in it is long.
constexpr std::size_t kMaxManifestBytes = 256U << 10U;
constexpr std::size_t kMaxNameBytes = 256;
constexpr std::size_t kMaxEvaluations = 100;
constexpr std::size_t kMaxCriteria = 100;
constexpr std::size_t kMaxCriterionBytes = 1024;
constexpr std::int64_t kMaxClasses = kMaxLabels;
// Integers up to here survive every JSON reader.
constexpr std::int64_t kMaxInteger = std::int64_t{1} << 53U;

absl::StatusOr<PreprocessSpec> ReadPreprocess(const Json& value) {
  PreprocessSpec spec;
  ASSIGN_OR_RETURN(const ObjectReader reader,
                   ObjectReader::Open(value, "preprocess",
                                      {"resize", "crop", "mean", "std"}));
  constexpr std::int64_t kMost = std::numeric_limits<int>::max();
  ASSIGN_OR_RETURN(const auto resize, reader.Integer("resize", 1, kMost));
  ASSIGN_OR_RETURN(const auto crop, reader.Integer("crop", 1, kMost));
  ASSIGN_OR_RETURN(const auto mean, reader.Channels("mean"));
  ASSIGN_OR_RETURN(const auto std, reader.Channels("std"));
  spec.resize = static_cast<int>(resize.value_or(spec.resize));
  spec.crop = static_cast<int>(crop.value_or(spec.crop));
  spec.mean = mean.value_or(spec.mean);
  spec.std = std.value_or(spec.std);
  if (const absl::Status valid = Validate(spec); !valid.ok()) {
    return MemberError(
        "preprocess",
        absl::StrCat("does not fit: ", std::string(valid.message())));
  }
  return spec;
}

absl::StatusOr<Evaluation> ReadEvaluation(const Json& value,
                                          const std::string& path) {
  ASSIGN_OR_RETURN(
      const ObjectReader reader,
      ObjectReader::Open(value, path, {"dataset", "examples", "accuracy"}));
  Evaluation evaluation;
  ASSIGN_OR_RETURN(
      evaluation.dataset,
      reader.Required(reader.Text("dataset", kMaxNameBytes), "dataset"));
  ASSIGN_OR_RETURN(
      evaluation.examples,
      reader.Required(reader.Integer("examples", 1, kMaxInteger), "examples"));
  ASSIGN_OR_RETURN(
      evaluation.accuracy,
      reader.Required(reader.Number("accuracy", 0, 1), "accuracy"));
  return evaluation;
}

absl::StatusOr<std::vector<Evaluation>> ReadEvaluations(const Json& value) {
  if (!value.is_array() || value.size() > kMaxEvaluations) {
    return MemberError("evaluations",
                       absl::StrCat("must be an array of at most ",
                                    kMaxEvaluations, " objects"));
  }
  std::vector<Evaluation> evaluations;
  for (std::size_t i = 0; i < value.size(); ++i) {
    ASSIGN_OR_RETURN(
        Evaluation evaluation,
        ReadEvaluation(value[i], absl::StrCat("evaluations[", i, "]")));
    evaluations.push_back(std::move(evaluation));
  }
  return evaluations;
}

absl::Status CheckFormat(const ObjectReader& reader) {
  ASSIGN_OR_RETURN(const auto format, reader.Text("format", kMaxNameBytes));
  if (!format || *format != kFormat) {
    return MemberError(
        "format", absl::StrCat("must be \"", kFormat, "\"",
                               format ? absl::StrCat(", is ", Quoted(*format))
                                      : ", is missing"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<std::string>> ReadDigest(
    const ObjectReader& reader, absl::string_view name) {
  ASSIGN_OR_RETURN(std::optional<std::string> digest,
                   reader.Text(name, kMaxNameBytes));
  if (digest && !IsSha256Hex(*digest)) {
    return MemberError(reader.Path(name), "must be 64 lower-case hex digits");
  }
  return digest;
}

// "name", "version" and "weights_sha256": what names these weights.
absl::Status ReadIdentity(const ObjectReader& reader, Manifest& manifest) {
  ASSIGN_OR_RETURN(const auto name, reader.Text("name", kMaxNameBytes));
  if (name) {
    absl::StatusOr<ModelName> parsed = ModelName::Parse(*name);
    if (!parsed.ok()) {
      return MemberError("name",
                         absl::StrCat("is not valid: ",
                                      std::string(parsed.status().message())));
    }
    manifest.name = *std::move(parsed);
  }
  ASSIGN_OR_RETURN(const auto version,
                   reader.Integer("version", 1, kMaxInteger));
  if (version) {
    manifest.version = VersionNumber{*version};
  }
  ASSIGN_OR_RETURN(manifest.weights_sha256,
                   ReadDigest(reader, "weights_sha256"));
  return absl::OkStatus();
}

absl::StatusOr<ManifestSource> ReadSource(const Json& value) {
  ASSIGN_OR_RETURN(const ObjectReader reader,
                   ObjectReader::Open(value, "source", {"format", "sha256"}));
  ManifestSource source;
  ASSIGN_OR_RETURN(
      source.format,
      reader.Required(reader.Text("format", kMaxNameBytes), "format"));
  ASSIGN_OR_RETURN(source.sha256,
                   reader.Required(ReadDigest(reader, "sha256"), "sha256"));
  return source;
}

absl::StatusOr<std::vector<std::string>> ReadLineage(const Json& value) {
  if (!value.is_array() || value.size() > kMaxLineage) {
    return MemberError("lineage", absl::StrCat("must be an array of at most ",
                                               kMaxLineage, " digests"));
  }
  std::vector<std::string> lineage;
  for (const Json& digest : value) {
    if (!digest.is_string() || !IsSha256Hex(digest.get<std::string>())) {
      return MemberError(absl::StrCat("lineage[", lineage.size(), "]"),
                         "must be 64 lower-case hex digits");
    }
    lineage.push_back(digest.get<std::string>());
  }
  return lineage;
}

absl::StatusOr<FailedCriterion> ReadCriterion(const Json& value,
                                              const std::string& path) {
  ASSIGN_OR_RETURN(const ObjectReader reader,
                   ObjectReader::Open(value, path, {"name", "text"}));
  FailedCriterion criterion;
  ASSIGN_OR_RETURN(criterion.name,
                   reader.Required(reader.Text("name", kMaxNameBytes), "name"));
  ASSIGN_OR_RETURN(
      criterion.text,
      reader.Required(reader.Text("text", kMaxCriterionBytes), "text"));
  return criterion;
}

absl::StatusOr<GateRecord> ReadGate(const Json& value) {
  ASSIGN_OR_RETURN(const ObjectReader reader,
                   ObjectReader::Open(value, "gate", {"failed"}));
  const Json* failed = reader.Find("failed");
  if (failed == nullptr || !failed->is_array() ||
      failed->size() > kMaxCriteria) {
    return MemberError(
        "gate.failed",
        absl::StrCat("must be an array of at most ", kMaxCriteria, " objects"));
  }
  GateRecord gate;
  for (std::size_t i = 0; i < failed->size(); ++i) {
    ASSIGN_OR_RETURN(
        FailedCriterion criterion,
        ReadCriterion((*failed)[i], absl::StrCat("gate.failed[", i, "]")));
    gate.failed.push_back(std::move(criterion));
  }
  return gate;
}

// The members that an import adds.
absl::Status ReadOrigin(const ObjectReader& reader, Manifest& manifest) {
  ASSIGN_OR_RETURN(manifest.labels_sha256, ReadDigest(reader, "labels_sha256"));
  ASSIGN_OR_RETURN(manifest.golden_sha256, ReadDigest(reader, "golden_sha256"));
  if (const Json* source = reader.Find("source")) {
    ASSIGN_OR_RETURN(manifest.source, ReadSource(*source));
  }
  ASSIGN_OR_RETURN(const auto parent,
                   reader.Integer("parent_version", 1, kMaxInteger));
  if (parent) {
    manifest.parent_version = VersionNumber{*parent};
  }
  if (const Json* lineage = reader.Find("lineage")) {
    ASSIGN_OR_RETURN(manifest.lineage, ReadLineage(*lineage));
  }
  if (const Json* gate = reader.Find("gate")) {
    ASSIGN_OR_RETURN(manifest.gate, ReadGate(*gate));
  }
  return absl::OkStatus();
}

// The shortest text that is read back as the same number.
template <typename Number>
std::string NumberText(Number number) {
  std::array<char, 64> buffer{};
  const auto [end, error] =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), number);
  return {buffer.data(), end};
}

std::string StringText(absl::string_view text) {
  return Json(std::string(text))
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string ChannelsText(const std::array<float, 3>& channels) {
  return absl::StrCat("[", NumberText(channels[0]), ", ",
                      NumberText(channels[1]), ", ", NumberText(channels[2]),
                      "]");
}

std::string EvaluationText(const Evaluation& evaluation) {
  return absl::StrCat("{\"dataset\": ", StringText(evaluation.dataset),
                      ", \"examples\": ", evaluation.examples,
                      ", \"accuracy\": ", NumberText(evaluation.accuracy), "}");
}

std::string EvaluationsText(const std::vector<Evaluation>& evaluations) {
  std::vector<std::string> texts;
  texts.reserve(evaluations.size());
  for (const Evaluation& evaluation : evaluations) {
    texts.push_back(EvaluationText(evaluation));
  }
  return absl::StrCat("[\n    ", absl::StrJoin(texts, ",\n    "), "\n  ]");
}

std::string GateText(const GateRecord& gate) {
  std::vector<std::string> texts;
  texts.reserve(gate.failed.size());
  for (const FailedCriterion& criterion : gate.failed) {
    texts.push_back(absl::StrCat("{\"name\": ", StringText(criterion.name),
                                 ", \"text\": ", StringText(criterion.text),
                                 "}"));
  }
  return absl::StrCat("{\"failed\": [", absl::StrJoin(texts, ", "), "]}");
}

using Members = std::vector<std::pair<std::string, std::string>>;

void AddOrigin(const Manifest& manifest, Members& members) {
  if (manifest.labels_sha256) {
    members.emplace_back("labels_sha256", StringText(*manifest.labels_sha256));
  }
  if (manifest.golden_sha256) {
    members.emplace_back("golden_sha256", StringText(*manifest.golden_sha256));
  }
  if (manifest.source) {
    members.emplace_back(
        "source",
        absl::StrCat("{\"format\": ", StringText(manifest.source->format),
                     ", \"sha256\": ", StringText(manifest.source->sha256),
                     "}"));
  }
  if (manifest.parent_version) {
    members.emplace_back("parent_version",
                         absl::StrCat(manifest.parent_version->value));
  }
  if (!manifest.lineage.empty()) {
    members.emplace_back(
        "lineage", absl::StrCat("[\n    \"",
                                absl::StrJoin(manifest.lineage, "\",\n    \""),
                                "\"\n  ]"));
  }
  if (manifest.gate) {
    members.emplace_back("gate", GateText(*manifest.gate));
  }
}

}  // namespace

absl::StatusOr<Manifest> ParseManifest(absl::string_view text) {
  ASSIGN_OR_RETURN(const Json json, ParseStrictJson(text, kMaxManifestBytes));
  ASSIGN_OR_RETURN(
      const ObjectReader reader,
      ObjectReader::Open(
          json, "",
          {"format", "name", "version", "architecture", "num_classes",
           "preprocess", "weights_sha256", "description", "evaluations",
           "temperature", "labels_sha256", "golden_sha256", "source",
           "parent_version", "lineage", "gate"}));
  RETURN_IF_ERROR(CheckFormat(reader));
  Manifest manifest;
  RETURN_IF_ERROR(ReadIdentity(reader, manifest));
  ASSIGN_OR_RETURN(manifest.architecture,
                   reader.Required(reader.Text("architecture", kMaxNameBytes),
                                   "architecture"));
  ASSIGN_OR_RETURN(
      const std::int64_t classes,
      reader.Required(reader.Integer("num_classes", 1, kMaxClasses),
                      "num_classes"));
  manifest.num_classes = static_cast<int>(classes);
  // Refuses unknown names here, where the member can be named.
  if (const auto known =
          FindArchitecture(manifest.architecture, manifest.num_classes);
      !known.ok()) {
    return MemberError(
        "architecture",
        absl::StrCat("is not known: ", std::string(known.status().message())));
  }
  if (const Json* preprocess = reader.Find("preprocess")) {
    ASSIGN_OR_RETURN(manifest.preprocess, ReadPreprocess(*preprocess));
  }
  ASSIGN_OR_RETURN(auto description,
                   reader.Text("description", kMaxDescriptionBytes));
  manifest.description = std::move(description).value_or("");
  if (const Json* evaluations = reader.Find("evaluations")) {
    ASSIGN_OR_RETURN(manifest.evaluations, ReadEvaluations(*evaluations));
  }
  ASSIGN_OR_RETURN(const auto temperature,
                   reader.Number("temperature", kLeastManifestTemperature,
                                 kMostManifestTemperature));
  manifest.temperature = temperature.value_or(1);
  RETURN_IF_ERROR(ReadOrigin(reader, manifest));
  return manifest;
}

std::string FormatManifest(const Manifest& manifest) {
  Members members;
  members.emplace_back("format", StringText(kFormat));
  if (manifest.name) {
    members.emplace_back("name", StringText(manifest.name->text()));
  }
  if (manifest.version) {
    members.emplace_back("version", absl::StrCat(manifest.version->value));
  }
  members.emplace_back("architecture", StringText(manifest.architecture));
  members.emplace_back("num_classes", absl::StrCat(manifest.num_classes));
  members.emplace_back(
      "preprocess",
      absl::StrCat("{\n    \"resize\": ", manifest.preprocess.resize,
                   ",\n    \"crop\": ", manifest.preprocess.crop,
                   ",\n    \"mean\": ", ChannelsText(manifest.preprocess.mean),
                   ",\n    \"std\": ", ChannelsText(manifest.preprocess.std),
                   "\n  }"));
  if (manifest.weights_sha256) {
    members.emplace_back("weights_sha256",
                         StringText(*manifest.weights_sha256));
  }
  if (!manifest.description.empty()) {
    members.emplace_back("description", StringText(manifest.description));
  }
  if (!manifest.evaluations.empty()) {
    members.emplace_back("evaluations", EvaluationsText(manifest.evaluations));
  }
  // 1 is left out: what was stored before there were temperatures keeps its
  // text.
  if (manifest.temperature != 1) {
    members.emplace_back("temperature", NumberText(manifest.temperature));
  }
  AddOrigin(manifest, members);
  std::vector<std::string> lines;
  lines.reserve(members.size());
  for (const auto& [name, value] : members) {
    lines.push_back(absl::StrCat("  \"", name, "\": ", value));
  }
  return absl::StrCat("{\n", absl::StrJoin(lines, ",\n"), "\n}\n");
}

absl::Status CheckTemperature(double temperature) {
  // Also refuses what is not a number.
  if (temperature >= kLeastManifestTemperature &&
      temperature <= kMostManifestTemperature) {
    return absl::OkStatus();
  }
  return MemberError("temperature",
                     absl::StrCat("is ", temperature, ", it must be from ",
                                  kLeastManifestTemperature, " to ",
                                  kMostManifestTemperature));
}

absl::Status CheckEvaluations(const std::vector<Evaluation>& evaluations) {
  if (evaluations.empty()) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(
      const Json json,
      ParseStrictJson(EvaluationsText(evaluations), kMaxManifestBytes));
  return ReadEvaluations(json).status();
}

}  // namespace resnetd
