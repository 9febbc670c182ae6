#include <ostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cli/byte_progress.h"
#include "client/cli/commands.h"
#include "client/cli/local_file.h"
#include "client/cli/model_lookup.h"
#include "client/cli/model_text.h"
#include "client/cli/table.h"
#include "client/cli/text.h"
#include "server/base/status_macros.h"

namespace resnetd::cli {
namespace {

struct Outcome {
  client::Exported exported;
  std::string file;
  // Empty: not asked for.
  std::string labels_file;
};

// "resnet50-2.safetensors" of "models/resnet50/versions/2".
std::string DefaultFile(const std::string& version_name) {
  ModelRef ref;
  ParseModelRef(version_name, ref);
  return absl::StrCat(ref.model, "-", ref.version.value_or(0), ".safetensors");
}

absl::StatusOr<Outcome> Export(const Session& session) {
  const ModelsOptions& options = session.arguments.models;
  const ExportOptions& to = options.export_to;
  ASSIGN_OR_RETURN(Client client, Connect(session));
  ASSIGN_OR_RETURN(const std::string name,
                   AskVersionName(session, client, options.ref));
  Outcome outcome = {.exported = {},
                     .file = to.file.empty() ? DefaultFile(name) : to.file,
                     .labels_file = to.labels_file};
  ASSIGN_OR_RETURN(NewFile weights, NewFile::Create(outcome.file, to.force));
  std::optional<NewFile> labels;
  if (!to.labels_file.empty()) {
    ASSIGN_OR_RETURN(NewFile file, NewFile::Create(to.labels_file, to.force));
    labels.emplace(std::move(file));
  }
  Announce(session, "resnetd.v1.ModelService/ExportVersion", {{"name", name}});
  ByteProgress progress(session.console, "receiving",
                        !session.arguments.global.quiet);
  ASSIGN_OR_RETURN(
      outcome.exported,
      client.ExportVersion(
          name,
          [&weights](absl::string_view bytes) { return weights.Write(bytes); },
          [&progress](std::int64_t done, std::int64_t total) {
            progress.Show(done, total);
          }));
  if (labels) {
    RETURN_IF_ERROR(labels->Write(absl::StrCat(
        absl::StrJoin(outcome.exported.version.labels, "\n"), "\n")));
    RETURN_IF_ERROR(labels->Commit());
  }
  RETURN_IF_ERROR(weights.Commit());
  return outcome;
}

}  // namespace

ExitCode RunModelsExport(const Session& session) {
  const absl::StatusOr<Outcome> outcome = Export(session);
  if (!outcome.ok()) {
    return Fail(session, outcome.status());
  }
  const client::Exported& exported = outcome->exported;
  if (session.json()) {
    Json document = {{"version", VersionJson(exported.version)},
                     {"file", outcome->file},
                     {"sha256", exported.sha256},
                     {"size_bytes", exported.size_bytes}};
    if (!outcome->labels_file.empty()) {
      document["labels_file"] = outcome->labels_file;
    }
    session.console.out << JsonText(document);
    return ExitCode::kOk;
  }
  Table table({{}, {}});
  table.AddRow({"exported", exported.version.name});
  table.AddRow({"is", Describe(exported.version)});
  table.AddRow({"file", outcome->file});
  table.AddRow({"size", FormatBytes(exported.size_bytes)});
  table.AddRow({"sha256", exported.sha256});
  if (!outcome->labels_file.empty()) {
    table.AddRow({"labels", outcome->labels_file});
  }
  if (exported.version.temperature != 1) {
    table.AddRow(
        {"temperature", absl::StrFormat("%g", exported.version.temperature)});
  }
  session.console.out << table.Render();
  if (exported.version.temperature != 1 && !session.arguments.global.quiet) {
    // No file of weights can hold it.
    session.console.err << absl::StreamFormat(
        "import it again with --temperature %g: the file does not have it\n",
        exported.version.temperature);
  }
  return ExitCode::kOk;
}

}  // namespace resnetd::cli
