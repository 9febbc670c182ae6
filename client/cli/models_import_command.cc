#include <fstream>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/byte_progress.h"
#include "client/cli/commands.h"
#include "client/cli/grpcurl.h"
#include "client/cli/local_file.h"
#include "client/cli/model_lookup.h"
#include "client/cli/model_text.h"
#include "client/cli/report.h"
#include "client/cli/table.h"
#include "client/cli/text.h"
#include "server/base/ids.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"

namespace resnetd::cli {
namespace {

constexpr char kImportMethod[] = "resnetd.v1.ModelService/ImportVersion";

// What became of an import.
struct Outcome {
  client::Imported imported;
  // With --promote.
  std::optional<client::Alias> alias;
  // The version that answers now; 0: none.
  std::int64_t serving_version = 0;
  // Not OK: it was imported, and what came behind it failed.
  absl::Status afterwards;
};

absl::StatusOr<std::string> ModelName(const ImportOptions& options) {
  if (!options.name.empty()) {
    return ShortName(options.name);
  }
  std::string name = NameAfterFile(options.file);
  if (name.empty()) {
    return client::ClientError(
        absl::StatusCode::kInvalidArgument, "NAME_MISSING",
        absl::StrCat("the model cannot be called after the file ",
                     Quoted(options.file, 200),
                     ": name it with --name, 1 to 64 of a-z 0-9 . _ -"));
  }
  return name;
}

// ImageNet's preprocessing with what the options change; absent: nothing.
std::optional<client::Preprocess> PreprocessOf(const ImportOptions& options) {
  if (!options.resize && !options.crop && options.mean.empty() &&
      options.std.empty()) {
    return std::nullopt;
  }
  client::Preprocess preprocess = {.resize = options.resize.value_or(256),
                                   .crop = options.crop.value_or(224),
                                   .mean = {0.485F, 0.456F, 0.406F},
                                   .std = {0.229F, 0.224F, 0.225F}};
  if (!options.mean.empty()) {
    preprocess.mean = options.mean;
  }
  if (!options.std.empty()) {
    preprocess.std = options.std;
  }
  return preprocess;
}

absl::StatusOr<client::ImportRequest> RequestOf(const ModelsOptions& options) {
  const ImportOptions& import = options.import;
  client::ImportRequest request;
  ASSIGN_OR_RETURN(request.model, ModelName(import));
  if (!import.labels_file.empty()) {
    ASSIGN_OR_RETURN(request.labels, ReadLabels(import.labels_file));
  }
  request.preprocess = PreprocessOf(import);
  request.architecture = import.architecture;
  request.description = import.description;
  request.parent_version = import.parent_version;
  request.temperature = import.temperature;
  request.request_id =
      options.request_id.empty() ? NewRequestId() : options.request_id;
  request.validate_only = options.dry_run;
  return request;
}

Json HeaderJson(const client::ImportRequest& request) {
  Json header = {{"model", absl::StrCat("models/", request.model)},
                 {"sha256", request.sha256},
                 {"size_bytes", request.size_bytes}};
  if (!request.labels.empty()) {
    header["labels"] = request.labels;
  }
  if (request.preprocess) {
    header["preprocess"] = PreprocessJson(*request.preprocess);
  }
  const auto add = [&header](const char* key, const std::string& text) {
    if (!text.empty()) {
      header[key] = text;
    }
  };
  add("architecture", request.architecture);
  add("description", request.description);
  if (request.parent_version > 0) {
    header["parent_version"] = request.parent_version;
  }
  add("request_id", request.request_id);
  if (request.validate_only) {
    header["validate_only"] = true;
  }
  if (request.temperature != 0) {
    header["temperature"] = request.temperature;
  }
  return {{"header", header}};
}

void AnnounceImport(const Session& session,
                    const client::ImportRequest& request) {
  if (session.arguments.global.verbose) {
    session.console.err << "call: " << kImportMethod << "\nlike: "
                        << Printable(GrpcurlUpload(
                               session.arguments.global.server, kImportMethod,
                               HeaderJson(request).dump(),
                               session.arguments.models.import.file,
                               session.arguments.global.security))
                        << "\n";
  }
}

absl::StatusOr<client::Imported> Upload(const Session& session, Client& client,
                                        client::ImportRequest request) {
  const std::string& file = session.arguments.models.import.file;
  const bool wanted = !session.arguments.global.quiet;
  {
    ByteProgress hashing(session.console, "hashing", wanted);
    ASSIGN_OR_RETURN(
        const WeightsFile weights,
        InspectWeightsFile(file, [&](std::int64_t done, std::int64_t total) {
          hashing.Show(done, total);
        }));
    request.sha256 = weights.sha256;
    request.size_bytes = weights.size_bytes;
  }
  AnnounceImport(session, request);
  std::ifstream input(file, std::ios::binary);
  ByteProgress sending(session.console, "sending", wanted);
  return client.ImportVersion(std::move(request), client::SourceOf(input),
                              [&](std::int64_t done, std::int64_t total) {
                                sending.Show(done, total);
                                if (done == total) {
                                  sending.Say("the server checks and loads it");
                                }
                              });
}

// What comes behind an import: the promotion, and a look at who answers now.
absl::Status GoOn(const Session& session, Client& client, Outcome& outcome) {
  const ModelsOptions& options = session.arguments.models;
  const std::string name = outcome.imported.version.name;
  if (options.import.promote) {
    Announce(
        session, "resnetd.v1.ModelService/PromoteVersion",
        {{"name", name}, {"allow_label_change", options.allow_label_change}});
    ASSIGN_OR_RETURN(
        outcome.alias,
        client.PromoteVersion(
            {.name = name, .allow_label_change = options.allow_label_change}));
    ASSIGN_OR_RETURN(outcome.imported.version,
                     AskVersion(session, client, name));
  }
  ASSIGN_OR_RETURN(const client::Model model,
                   AskModel(session, client, {.model = ModelPart(name)}));
  outcome.serving_version = model.serving_version;
  return absl::OkStatus();
}

absl::StatusOr<Outcome> Import(const Session& session) {
  const ModelsOptions& options = session.arguments.models;
  ASSIGN_OR_RETURN(Client client, Connect(session));
  ASSIGN_OR_RETURN(client::ImportRequest request, RequestOf(options));
  Outcome outcome;
  ASSIGN_OR_RETURN(outcome.imported,
                   Upload(session, client, std::move(request)));
  if (!options.dry_run) {
    outcome.afterwards = GoOn(session, client, outcome);
  }
  return outcome;
}

std::string Answers(const Outcome& outcome) {
  const client::Version& version = outcome.imported.version;
  if (outcome.serving_version == version.version) {
    return "yes, to every call that names the model";
  }
  return outcome.serving_version == 0
             ? "no, none does"
             : absl::StrCat("no, version ", outcome.serving_version, " does");
}

void PrintTable(const Session& session, const Outcome& outcome) {
  const client::Version& version = outcome.imported.version;
  const bool dry = session.arguments.models.dry_run;
  const std::string model = ModelPart(version.name);
  Table table({{}, {}});
  if (dry) {
    table.AddRow({"checked", "it would be a version; nothing was kept"});
  } else {
    table.AddRow({outcome.imported.created ? "imported" : "already there",
                  version.name});
  }
  table.AddRow({"is", Describe(version)});
  table.AddRow({"labels", FormatLabels(version.labels)});
  table.AddRow({"sha256", version.weights_sha256});
  if (!dry && outcome.afterwards.ok()) {
    table.AddRow({"answers", Answers(outcome)});
  }
  session.console.out << table.Render();
  if (dry || !outcome.afterwards.ok() || session.arguments.global.quiet) {
    return;
  }
  const std::string at = absl::StrCat(model, "@", version.version);
  session.console.err << "next: ";
  if (outcome.serving_version == version.version) {
    session.console.err << "resnetctl classify -m " << model << " PICTURE\n";
  } else {
    const bool ready = version.residency == client::Residency::kReady;
    session.console.err << "resnetctl models promote " << at << "\n      "
                        << (ready ? "resnetctl classify -m "
                                  : "resnetctl models load ")
                        << at << (ready ? " PICTURE\n" : "\n");
  }
}

}  // namespace

ExitCode RunModelsImport(const Session& session) {
  const absl::StatusOr<Outcome> outcome = Import(session);
  if (!outcome.ok()) {
    return Fail(session, outcome.status());
  }
  if (session.json()) {
    Json document = {
        {"version", VersionJson(outcome->imported.version)},
        {"created", outcome->imported.created},
        {"dry_run", session.arguments.models.dry_run},
        {"serving_version", outcome->serving_version},
        {"alias", outcome->alias ? AliasJson(*outcome->alias) : Json()}};
    if (!outcome->afterwards.ok()) {
      document["error"] = ErrorJson(outcome->afterwards);
    }
    session.console.out << JsonText(document);
  } else {
    PrintTable(session, *outcome);
  }
  return outcome->afterwards.ok()
             ? ExitCode::kOk
             : ReportError(session.console, outcome->afterwards);
}

}  // namespace resnetd::cli
