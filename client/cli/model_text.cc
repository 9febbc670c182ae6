#include "client/cli/model_text.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "client/cli/model_ref.h"
#include "client/cli/text.h"

namespace resnetd::cli {
namespace {

std::string FormatChannels(const std::vector<float>& values) {
  return absl::StrJoin(values, ", ", [](std::string* out, float value) {
    absl::StrAppendFormat(out, "%g", value);
  });
}

// Where it comes from.
void AddOrigin(const client::Version& version, Table& table) {
  if (version.create_time) {
    table.AddRow(
        {"created", absl::StrCat(FormatTime(*version.create_time), " UTC")});
  }
  if (version.parent_version > 0) {
    table.AddRow(
        {"made from", absl::StrCat("version ", version.parent_version)});
  }
  if (!version.source_format.empty()) {
    table.AddRow({"source", absl::StrCat(version.source_format, ", sha256 ",
                                         version.source_sha256)});
  }
  if (!version.manifest_sha256.empty()) {
    table.AddRow(
        {"manifest", absl::StrCat("sha256 ", version.manifest_sha256)});
  }
}

// What one server holds of it.
void AddResidency(const client::Version& version, Table& table) {
  if (!version.backend.empty()) {
    table.AddRow({"computed by",
                  absl::StrCat(version.backend, " in ", version.precision)});
  }
  if (!version.precision_choice.empty()) {
    table.AddRow({"precision", version.precision_choice});
  }
  if (version.resident_bytes > 0) {
    table.AddRow({"in memory", FormatBytes(version.resident_bytes)});
    table.AddRow({"loaded in", FormatDuration(version.load_time)});
  }
}

}  // namespace

std::string FormatTime(std::chrono::system_clock::time_point time) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S", absl::FromChrono(time),
                          absl::UTCTimeZone());
}

std::string ShortDigest(absl::string_view sha256) {
  return std::string(sha256.substr(0, 12));
}

std::string FormatLabels(const std::vector<std::string>& labels) {
  constexpr std::size_t kShown = 10;
  const std::vector<std::string> first(
      labels.begin(), labels.begin() + static_cast<std::ptrdiff_t>(
                                           std::min(kShown, labels.size())));
  std::string text = absl::StrJoin(first, ", ");
  if (labels.size() > kShown) {
    absl::StrAppend(&text, ", ... (",
                    FormatCount(static_cast<std::int64_t>(labels.size())),
                    " in all; -o json has every one)");
  }
  return text;
}

std::string FormatGate(const client::VersionGate& gate) {
  if (gate.passed) {
    return "passed";
  }
  return absl::StrCat(
      "not passed: ",
      absl::StrJoin(
          gate.failed, "; ",
          [](std::string* out, const client::FailedCriterion& criterion) {
            absl::StrAppend(out, criterion.name, ": ", criterion.text);
          }));
}

std::string FormatAliases(const std::vector<client::Alias>& aliases) {
  return absl::StrJoin(
      aliases, ", ", [](std::string* out, const client::Alias& alias) {
        absl::StrAppend(out, AliasPart(alias.name), " ", alias.version);
      });
}

void AddVersion(const client::Version& version, Table& table) {
  table.AddRow({"version", absl::StrCat(version.version)});
  table.AddRow({"state", std::string(ResidencyName(version.residency))});
  if (!version.failure.ok()) {
    table.AddRow({"failure", std::string(version.failure.message().data(),
                                         version.failure.message().size())});
  }
  if (!version.aliases.empty()) {
    table.AddRow({"aliases", absl::StrJoin(version.aliases, ", ")});
  }
  table.AddRow({"architecture", version.architecture});
  table.AddRow({"parameters", FormatCount(version.parameters)});
  table.AddRow({"classes", FormatCount(version.num_classes)});
  table.AddRow({"labels", FormatLabels(version.labels)});
  table.AddRow({"input", absl::StrFormat("short side %d, centre %d x %d",
                                         version.preprocess.resize,
                                         version.preprocess.crop,
                                         version.preprocess.crop)});
  table.AddRow({"mean", FormatChannels(version.preprocess.mean)});
  table.AddRow({"std", FormatChannels(version.preprocess.std)});
  table.AddRow({"weights", absl::StrCat(FormatBytes(version.weights_bytes),
                                        ", sha256 ", version.weights_sha256)});
  AddResidency(version, table);
  for (const client::Evaluation& evaluation : version.evaluations) {
    table.AddRow({"accuracy", absl::StrFormat("%.2f %% of %s examples of %s",
                                              evaluation.accuracy * 100,
                                              FormatCount(evaluation.examples),
                                              evaluation.dataset)});
  }
  if (version.temperature != 1) {
    table.AddRow({"temperature", absl::StrFormat("%g", version.temperature)});
  }
  if (version.gate) {
    table.AddRow({"gate", FormatGate(*version.gate)});
  }
  AddOrigin(version, table);
  if (!version.description.empty()) {
    table.AddRow({"description", version.description});
  }
}

std::string Describe(const client::Version& version) {
  return absl::StrCat(version.architecture, ", ",
                      FormatCount(version.num_classes), " classes, ",
                      FormatBytes(version.weights_bytes));
}

std::string AliasPart(absl::string_view resource) {
  ModelRef ref;
  return ParseModelRef(std::string(resource), ref).empty()
             ? ref.alias
             : std::string(resource);
}

std::string Describe(const client::Alias& alias) {
  return absl::StrCat(
      AliasPart(alias.name), " of ", ModelPart(alias.name), " names version ",
      alias.version,
      alias.previous_version > 0
          ? absl::StrCat(", before ", alias.previous_version)
          : "",
      alias.gate_override.empty()
          ? ""
          : absl::StrCat("; the gate was overridden: ", alias.gate_override));
}

}  // namespace resnetd::cli
