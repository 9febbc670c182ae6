// The commands on one version: load, unload, warmup, delete.
#include <istream>
#include <ostream>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/model_lookup.h"
#include "client/cli/model_text.h"
#include "client/cli/text.h"
#include "client/error_info.h"
#include "server/base/ids.h"
#include "server/base/status_macros.h"

namespace resnetd::cli {
namespace {

using VersionCall =
    absl::StatusOr<client::Version> (Client::*)(absl::string_view version);

absl::StatusOr<client::Version> Call(const Session& session,
                                     absl::string_view method,
                                     VersionCall call) {
  ASSIGN_OR_RETURN(Client client, Connect(session));
  ASSIGN_OR_RETURN(
      const std::string name,
      AskVersionName(session, client, session.arguments.models.ref));
  Announce(session, absl::StrCat("resnetd.v1.ModelService/", method),
           {{"name", name}});
  return (client.*call)(name);
}

std::string StateText(const client::Version& version) {
  std::string text = absl::StrCat(ShortName(version.name), " is ",
                                  ResidencyName(version.residency));
  if (version.residency == client::Residency::kReady) {
    absl::StrAppend(&text, ": ", FormatBytes(version.resident_bytes),
                    " in memory, loaded in ", FormatDuration(version.load_time),
                    ", ", version.backend, " in ", version.precision);
  }
  return text;
}

ExitCode Print(const Session& session,
               const absl::StatusOr<client::Version>& version) {
  if (!version.ok()) {
    return Fail(session, version.status());
  }
  if (session.json()) {
    session.console.out << JsonText({{"version", VersionJson(*version)}});
  } else {
    session.console.out << Printable(StateText(*version)) << "\n";
  }
  return ExitCode::kOk;
}

// Asks the person at the terminal.
bool Confirmed(const Session& session, const client::Version& version) {
  session.console.err << Printable(absl::StrCat(
                             "Delete ", ShortName(version.name), " (",
                             Describe(version), ")? It cannot be undone"))
                      << " [y/N] " << std::flush;
  std::string answer;
  std::getline(session.input, answer);
  answer = absl::AsciiStrToLower(absl::StripAsciiWhitespace(answer));
  return answer == "y" || answer == "yes";
}

// CANCELLED (NOT_CONFIRMED): the person said no.
absl::StatusOr<client::Version> Delete(const Session& session) {
  const ModelsOptions& options = session.arguments.models;
  ASSIGN_OR_RETURN(Client client, Connect(session));
  client::DeleteVersionRequest request = {
      .request_id =
          options.request_id.empty() ? NewRequestId() : options.request_id,
      .validate_only = options.dry_run};
  ASSIGN_OR_RETURN(request.name, AskVersionName(session, client, options.ref));
  if (!options.yes && !options.dry_run) {
    ASSIGN_OR_RETURN(const client::Version version,
                     AskVersion(session, client, request.name));
    if (!Confirmed(session, version)) {
      return client::ClientError(absl::StatusCode::kCancelled, "NOT_CONFIRMED",
                                 "nothing was deleted");
    }
    // Only what was shown.
    request.etag = version.etag;
  }
  Json json = {{"name", request.name}};
  if (!request.etag.empty()) {
    json["etag"] = request.etag;
  }
  json["request_id"] = request.request_id;
  if (request.validate_only) {
    json["validate_only"] = true;
  }
  Announce(session, "resnetd.v1.ModelService/DeleteVersion", json);
  return client.DeleteVersion(request);
}

}  // namespace

ExitCode RunModelsLoad(const Session& session) {
  return Print(session, Call(session, "LoadVersion", &Client::LoadVersion));
}

ExitCode RunModelsUnload(const Session& session) {
  return Print(session, Call(session, "UnloadVersion", &Client::UnloadVersion));
}

ExitCode RunModelsWarmUp(const Session& session) {
  client::WarmedUp warm_up;
  const auto call = [&]() -> absl::Status {
    ASSIGN_OR_RETURN(Client client, Connect(session));
    ASSIGN_OR_RETURN(
        const std::string name,
        AskVersionName(session, client, session.arguments.models.ref));
    Announce(session, "resnetd.v1.ModelService/WarmUpVersion",
             {{"name", name}});
    ASSIGN_OR_RETURN(warm_up, client.WarmUpVersion(name));
    return absl::OkStatus();
  };
  if (const absl::Status status = call(); !status.ok()) {
    return Fail(session, status);
  }
  if (session.json()) {
    session.console.out << JsonText(
        {{"version", VersionJson(warm_up.version)},
         {"batches", warm_up.batches},
         {"duration_ms",
          std::chrono::duration<double, std::milli>(warm_up.duration)
              .count()}});
  } else {
    session.console.out << Printable(absl::StrCat(
                               ShortName(warm_up.version.name), " ran ",
                               warm_up.batches, " batches in ",
                               FormatDuration(warm_up.duration),
                               " and gives the answers it was stored with"))
                        << "\n";
  }
  return ExitCode::kOk;
}

ExitCode RunModelsDelete(const Session& session) {
  const ModelsOptions& options = session.arguments.models;
  if (!options.yes && !options.dry_run && !session.console.terminal.can_ask) {
    Fail(session, client::ClientError(
                      absl::StatusCode::kInvalidArgument, "NOT_CONFIRMED",
                      "nobody can be asked whether to delete it: add --yes"));
    return ExitCode::kUsage;
  }
  const absl::StatusOr<client::Version> version = Delete(session);
  if (!version.ok()) {
    return Fail(session, version.status());
  }
  if (session.json()) {
    session.console.out << JsonText(
        {{"version", VersionJson(*version)}, {"dry_run", options.dry_run}});
  } else {
    session.console.out << Printable(absl::StrCat(options.dry_run
                                                      ? "it could be deleted: "
                                                      : "deleted ",
                                                  version->name))
                        << "\n";
  }
  return ExitCode::kOk;
}

}  // namespace resnetd::cli
