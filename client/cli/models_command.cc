// The commands that show models: list, show, versions.
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/commands.h"
#include "client/cli/model_lookup.h"
#include "client/cli/model_text.h"
#include "client/cli/report.h"
#include "client/cli/table.h"
#include "client/cli/text.h"
#include "server/base/status_macros.h"

namespace resnetd::cli {
namespace {

constexpr std::size_t kMaxDescriptionColumns = 40;

// A model and the version of it that is shown.
struct Shown {
  std::optional<client::Model> model;
  std::optional<client::Version> version;
};

absl::StatusOr<Shown> Load(const Session& session, Client& client) {
  const ModelRef& ref = session.arguments.models.ref;
  Shown shown;
  std::string version_name;
  if (ref.version || !ref.alias.empty()) {
    ASSIGN_OR_RETURN(version_name, AskVersionName(session, client, ref));
  } else {
    ASSIGN_OR_RETURN(shown.model, AskModel(session, client, ref));
    if (shown.model->serving_version == 0) {
      return shown;
    }
    version_name = VersionResource(ref, shown.model->serving_version);
  }
  ASSIGN_OR_RETURN(shown.version, AskVersion(session, client, version_name));
  return shown;
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
  // Those of the version alone leave out what other versions have.
  if (shown.model && !shown.model->aliases.empty()) {
    table.AddRow({"all aliases", FormatAliases(shown.model->aliases)});
    for (const client::Alias& alias : shown.model->aliases) {
      if (!alias.gate_override.empty()) {
        table.AddRow(
            {"gate overridden",
             absl::StrCat(AliasPart(alias.name), ": ", alias.gate_override)});
      }
    }
  }
  session.console.out << table.Render();
}

Table VersionsTable(const std::vector<client::Version>& versions) {
  Table table({{"VERSION", Align::kRight},
               {"STATE"},
               {"ALIASES"},
               {"ARCHITECTURE"},
               {"CLASSES", Align::kRight},
               {"SIZE", Align::kRight},
               {"CREATED (UTC)"},
               {"SHA256"},
               {"DESCRIPTION", Align::kLeft, kMaxDescriptionColumns}});
  for (const client::Version& version : versions) {
    table.AddRow({absl::StrCat(version.version),
                  std::string(ResidencyName(version.residency)),
                  absl::StrJoin(version.aliases, ", "), version.architecture,
                  FormatCount(version.num_classes),
                  FormatBytes(version.weights_bytes),
                  version.create_time ? FormatTime(*version.create_time) : "",
                  ShortDigest(version.weights_sha256), version.description});
  }
  return table;
}

}  // namespace

ExitCode RunModelsList(const Session& session) {
  absl::StatusOr<Client> client = Connect(session);
  if (!client.ok()) {
    return Fail(session, client.status());
  }
  Announce(session, "resnetd.v1.ModelService/ListModels", Json());
  const absl::StatusOr<client::ModelList> list = client->ListModels();
  if (!list.ok()) {
    return Fail(session, list.status());
  }
  if (session.json()) {
    Json models = Json::array();
    for (const client::Model& model : list->models) {
      models.push_back(ModelJson(model));
    }
    session.console.out << JsonText(
        {{"models", models}, {"event_sequence", list->event_sequence}});
    return ExitCode::kOk;
  }
  Table table({{"NAME"},
               {"VERSION", Align::kRight},
               {"STATE"},
               {"ARCHITECTURE"},
               {"CLASSES", Align::kRight},
               {"ALIASES"},
               {"DEFAULT"}});
  for (const client::Model& model : list->models) {
    table.AddRow(
        {ShortName(model.name),
         model.serving_version == 0 ? "-" : absl::StrCat(model.serving_version),
         std::string(ResidencyName(model.residency)), model.architecture,
         FormatCount(model.num_classes), FormatAliases(model.aliases),
         model.is_default ? "yes" : ""});
  }
  session.console.out << table.Render();
  if (list->models.empty()) {
    ReportWarning(session.console,
                  "the server has no models: `resnetctl models import FILE` "
                  "brings one");
  }
  return ExitCode::kOk;
}

ExitCode RunModelsShow(const Session& session) {
  absl::StatusOr<Client> client = Connect(session);
  if (!client.ok()) {
    return Fail(session, client.status());
  }
  const absl::StatusOr<Shown> shown = Load(session, *client);
  if (!shown.ok()) {
    return Fail(session, shown.status());
  }
  Print(session, *shown);
  return ExitCode::kOk;
}

ExitCode RunModelsVersions(const Session& session) {
  const ModelRef& ref = session.arguments.models.ref;
  absl::StatusOr<Client> client = Connect(session);
  if (!client.ok()) {
    return Fail(session, client.status());
  }
  Announce(session, "resnetd.v1.ModelService/ListVersions",
           {{"parent", ref.Resource()}});
  const absl::StatusOr<std::vector<client::Version>> versions =
      client->ListVersions(ref.Resource());
  if (!versions.ok()) {
    return Fail(session, versions.status());
  }
  if (!session.json()) {
    session.console.out << VersionsTable(*versions).Render();
    return ExitCode::kOk;
  }
  Json list = Json::array();
  for (const client::Version& version : *versions) {
    list.push_back(VersionJson(version));
    // The server leaves them out of a list; none would be a lie.
    list.back().erase("labels");
  }
  session.console.out << JsonText({{"versions", list}});
  return ExitCode::kOk;
}

}  // namespace resnetd::cli
