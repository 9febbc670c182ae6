#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "client/cli/commands.h"
#include "client/cli/report.h"
#include "client/cli/table.h"
#include "client/cli/text.h"
#include "client/error_info.h"
#include "server/base/status_macros.h"

namespace resnetd::cli {
namespace {

// A model and the version of it that is shown.
struct Shown {
  std::optional<client::Model> model;
  std::optional<client::Version> version;
};

std::string ShortName(absl::string_view name) {
  return std::string(absl::StripPrefix(name, "models/"));
}

absl::StatusOr<Shown> Load(const Session& session, Client& client,
                           const std::string& name) {
  Shown shown;
  std::string version_name = name;
  if (!absl::StrContains(name, "/versions/")) {
    Announce(session, "resnetd.v1.ModelService/GetModel",
             {{"name", absl::StrCat("models/", ShortName(name))}});
    ASSIGN_OR_RETURN(shown.model, client.GetModel(name));
    if (shown.model->serving_version == 0) {
      return shown;
    }
    version_name = absl::StrCat(shown.model->name, "/versions/",
                                shown.model->serving_version);
  }
  Announce(session, "resnetd.v1.ModelService/GetVersion",
           {{"name", absl::StrCat("models/", ShortName(version_name))}});
  ASSIGN_OR_RETURN(shown.version, client.GetVersion(version_name));
  return shown;
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

std::string FormatChannels(const std::vector<float>& values) {
  return absl::StrJoin(values, ", ", [](std::string* out, float value) {
    absl::StrAppendFormat(out, "%g", value);
  });
}

void AddVersion(const client::Version& version, Table& table) {
  table.AddRow({"version", absl::StrCat(version.version)});
  table.AddRow({"state", std::string(ResidencyName(version.residency))});
  if (!version.failure.ok()) {
    table.AddRow({"failure", std::string(version.failure.message().data(),
                                         version.failure.message().size())});
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
  table.AddRow({"computed by",
                absl::StrCat(version.backend, " in ", version.precision)});
  table.AddRow({"weights", absl::StrCat(FormatBytes(version.weights_bytes),
                                        ", sha256 ", version.weights_sha256)});
  table.AddRow({"in memory", FormatBytes(version.resident_bytes)});
  table.AddRow({"loaded in", FormatDuration(version.load_time)});
  for (const client::Evaluation& evaluation : version.evaluations) {
    table.AddRow({"accuracy", absl::StrFormat("%.2f %% of %s examples of %s",
                                              evaluation.accuracy * 100,
                                              FormatCount(evaluation.examples),
                                              evaluation.dataset)});
  }
  if (!version.description.empty()) {
    table.AddRow({"description", version.description});
  }
}

void Print(const Session& session, const Shown& shown) {
  if (session.json()) {
    session.console.out << JsonText(
        {{"model", shown.model ? ModelJson(*shown.model) : Json()},
         {"version", shown.version ? VersionJson(*shown.version) : Json()}});
    return;
  }
  Table table({{}, {}});
  if (shown.model) {
    table.AddRow({"model", absl::StrCat(ShortName(shown.model->name),
                                        shown.model->is_default
                                            ? " (answers calls that name none)"
                                            : "")});
  }
  if (shown.version) {
    if (!shown.model) {
      table.AddRow({"name", shown.version->name});
    }
    AddVersion(*shown.version, table);
  } else {
    table.AddRow({"version", "none answers"});
    table.AddRow({"state", std::string(ResidencyName(shown.model->residency))});
  }
  session.console.out << table.Render();
}

}  // namespace

ExitCode RunModelsList(const Session& session) {
  absl::StatusOr<Client> client = Connect(session);
  if (!client.ok()) {
    return Fail(session, client.status());
  }
  Announce(session, "resnetd.v1.ModelService/ListModels", Json());
  const absl::StatusOr<std::vector<client::Model>> models =
      client->ListModels();
  if (!models.ok()) {
    return Fail(session, models.status());
  }
  if (session.json()) {
    Json list = Json::array();
    for (const client::Model& model : *models) {
      list.push_back(ModelJson(model));
    }
    session.console.out << JsonText({{"models", list}});
    return ExitCode::kOk;
  }
  Table table({{"NAME"},
               {"VERSION", Align::kRight},
               {"STATE"},
               {"ARCHITECTURE"},
               {"CLASSES", Align::kRight},
               {"DEFAULT"}});
  for (const client::Model& model : *models) {
    table.AddRow(
        {ShortName(model.name),
         model.serving_version == 0 ? "-" : absl::StrCat(model.serving_version),
         std::string(ResidencyName(model.residency)), model.architecture,
         FormatCount(model.num_classes), model.is_default ? "yes" : ""});
  }
  session.console.out << table.Render();
  if (models->empty()) {
    ReportWarning(session.console, "the server has no models");
  }
  return ExitCode::kOk;
}

ExitCode RunModelsShow(const Session& session) {
  absl::StatusOr<Client> client = Connect(session);
  if (!client.ok()) {
    return Fail(session, client.status());
  }
  const absl::StatusOr<Shown> shown =
      Load(session, *client, session.arguments.models_show.name);
  if (!shown.ok()) {
    return Fail(session, shown.status());
  }
  Print(session, *shown);
  return ExitCode::kOk;
}

}  // namespace resnetd::cli
