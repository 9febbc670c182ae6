#include <algorithm>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/byte_progress.h"
#include "client/cli/commands.h"
#include "client/cli/model_lookup.h"
#include "client/cli/report.h"
#include "client/cli/table.h"
#include "client/cli/text.h"
#include "client/cli/verify.h"
#include "server/base/status_macros.h"

namespace resnetd::cli {
namespace {

using Versions = std::vector<client::Version>;

absl::Status AddAll(const Session& session, Client& client,
                    const std::string& model, Versions& versions) {
  Announce(session, "resnetd.v1.ModelService/ListVersions",
           {{"parent", model}});
  ASSIGN_OR_RETURN(const Versions listed, client.ListVersions(model));
  versions.insert(versions.end(), listed.begin(), listed.end());
  return absl::OkStatus();
}

// The versions that are to be checked, each once.
absl::StatusOr<Versions> Chosen(const Session& session, Client& client) {
  const std::vector<ModelRef>& refs = session.arguments.models.refs;
  Versions versions;
  if (refs.empty()) {
    Announce(session, "resnetd.v1.ModelService/ListModels", Json());
    ASSIGN_OR_RETURN(const client::ModelList list, client.ListModels());
    for (const client::Model& model : list.models) {
      RETURN_IF_ERROR(AddAll(session, client, model.name, versions));
    }
  }
  for (const ModelRef& ref : refs) {
    if (!ref.version && ref.alias.empty()) {
      RETURN_IF_ERROR(AddAll(session, client, ref.Resource(), versions));
      continue;
    }
    ASSIGN_OR_RETURN(const std::string name,
                     AskVersionName(session, client, ref));
    ASSIGN_OR_RETURN(versions.emplace_back(),
                     AskVersion(session, client, name));
  }
  std::vector<std::string> seen;
  std::erase_if(versions, [&seen](const client::Version& version) {
    const bool again =
        std::find(seen.begin(), seen.end(), version.name) != seen.end();
    seen.push_back(version.name);
    return again;
  });
  return versions;
}

absl::StatusOr<std::vector<Verified>> Verify(const Session& session) {
  ASSIGN_OR_RETURN(Client client, Connect(session));
  ASSIGN_OR_RETURN(const Versions versions, Chosen(session, client));
  std::int64_t total = 0;
  for (const client::Version& version : versions) {
    total += version.weights_bytes;
  }
  ByteProgress progress(session.console, "verifying",
                        !session.arguments.global.quiet);
  std::vector<Verified> results;
  std::int64_t before = 0;
  for (const client::Version& version : versions) {
    Announce(session, "resnetd.v1.ModelService/GetBlob",
             {{"digest", version.manifest_sha256}});
    // Manifests and labels come on top of the weights that were counted.
    ASSIGN_OR_RETURN(results.emplace_back(),
                     VerifyVersion(client, version, [&](std::int64_t bytes) {
                       progress.Show(std::min(before + bytes, total), total);
                     }));
    before += version.weights_bytes;
  }
  return results;
}

std::string ResultText(const Verified& verified) {
  return verified.gone               ? "deleted meanwhile"
         : verified.problems.empty() ? "ok"
                                     : "damaged";
}

void PrintTable(const Session& session, const std::vector<Verified>& results,
                int damaged) {
  const Console& console = session.console;
  Table table({{"VERSION"},
               {"RESULT"},
               {"BLOBS", Align::kRight},
               {"READ", Align::kRight}});
  for (const Verified& verified : results) {
    table.AddRow({ShortName(verified.name), ResultText(verified),
                  absl::StrCat(verified.blobs), FormatBytes(verified.bytes)});
  }
  console.out << table.Render();
  for (const Verified& verified : results) {
    for (const std::string& problem : verified.problems) {
      console.err << Paint("error:", Colour::kRed, console.terminal.err_colours)
                  << " " << Printable(ShortName(verified.name)) << ": "
                  << Printable(problem) << "\n";
    }
  }
  if (damaged > 0) {
    console.err << Printable(absl::StrCat(
                       damaged, " of ", results.size(),
                       " versions are damaged: import them again from their "
                       "files, and have a look at the server's disk"))
                << "\n";
  } else if (results.empty()) {
    ReportWarning(console, "there is no version to check");
  }
}

Json Document(const std::vector<Verified>& results, bool ok) {
  Json versions = Json::array();
  for (const Verified& verified : results) {
    versions.push_back({{"name", verified.name},
                        {"ok", verified.problems.empty()},
                        {"deleted", verified.gone},
                        {"blobs", verified.blobs},
                        {"bytes", verified.bytes},
                        {"problems", verified.problems}});
  }
  return {{"ok", ok}, {"versions", versions}};
}

}  // namespace

ExitCode RunModelsVerify(const Session& session) {
  const absl::StatusOr<std::vector<Verified>> results = Verify(session);
  if (!results.ok()) {
    return Fail(session, results.status());
  }
  const auto damaged = static_cast<int>(std::count_if(
      results->begin(), results->end(),
      [](const Verified& verified) { return !verified.problems.empty(); }));
  if (session.json()) {
    session.console.out << JsonText(Document(*results, damaged == 0));
  } else {
    PrintTable(session, *results, damaged);
  }
  return damaged == 0 ? ExitCode::kOk : ExitCode::kOther;
}

}  // namespace resnetd::cli
