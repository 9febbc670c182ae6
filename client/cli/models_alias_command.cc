// The commands that move aliases: promote, rollback, alias set, alias delete.
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/model_lookup.h"
#include "client/cli/model_text.h"
#include "client/cli/replica_wait.h"
#include "client/cli/report.h"
#include "client/cli/table.h"
#include "client/cli/text.h"
#include "server/base/ids.h"
#include "server/base/status_macros.h"

namespace resnetd::cli {
namespace {

std::string AliasOf(const ModelsOptions& options) {
  return options.alias.empty() ? "stable" : options.alias;
}

std::string RequestId(const ModelsOptions& options) {
  return options.request_id.empty() ? NewRequestId() : options.request_id;
}

// The fields that requests to move an alias share, as grpcurl takes them.
Json MoveJson(const ModelsOptions& options, const std::string& request_id) {
  Json request = Json::object();
  if (options.expected_version) {
    request["expected_version"] =
        *options.expected_version == 0 ? -1 : *options.expected_version;
  }
  request["request_id"] = request_id;
  if (options.dry_run) {
    request["validate_only"] = true;
  }
  return request;
}

// `first` with the members of `second` behind it.
Json Joined(Json first, const Json& second) {
  first.update(second);
  return first;
}

ExitCode Print(const Session& session,
               const absl::StatusOr<client::Alias>& alias,
               absl::string_view next) {
  if (!alias.ok()) {
    return Fail(session, alias.status());
  }
  const ModelsOptions& options = session.arguments.models;
  std::vector<ReplicaView> replicas;
  const absl::Status waited =
      options.wait ? AwaitReplicas(session, options.replicas, *alias, replicas)
                   : absl::OkStatus();
  if (session.json()) {
    Json json = {{"alias", AliasJson(*alias)}, {"dry_run", options.dry_run}};
    if (options.wait) {
      json["replicas"] = ReplicasJson(replicas);
    }
    if (!waited.ok()) {
      json["error"] = ErrorJson(waited);
    }
    session.console.out << JsonText(json);
  } else {
    session.console.out
        << Printable(options.dry_run
                         ? absl::StrCat("checked, nothing was changed: it "
                                        "would be that ",
                                        Describe(*alias))
                         : Describe(*alias))
        << "\n";
    if (options.wait && waited.ok()) {
      session.console.out << Printable(FollowText(replicas, *alias)) << "\n";
    }
  }
  if (!waited.ok()) {
    return ReportError(session.console, waited);
  }
  if (!session.json() && !options.dry_run && !session.arguments.global.quiet &&
      !next.empty()) {
    session.console.err << "next: " << Printable(next) << "\n";
  }
  return ExitCode::kOk;
}

absl::StatusOr<client::Alias> Promote(const Session& session) {
  const ModelsOptions& options = session.arguments.models;
  ASSIGN_OR_RETURN(Client client, Connect(session));
  client::PromoteVersionRequest request = {
      .alias = options.alias,
      .expected_version = options.expected_version,
      .allow_label_change = options.allow_label_change,
      .request_id = RequestId(options),
      .validate_only = options.dry_run,
      .gate_override = options.gate_override};
  ASSIGN_OR_RETURN(request.name, AskVersionName(session, client, options.ref));
  Json json = {{"name", request.name}};
  if (!options.alias.empty()) {
    json["alias"] = options.alias;
  }
  if (options.allow_label_change) {
    json["allow_label_change"] = true;
  }
  if (!options.gate_override.empty()) {
    json["gate_override"] = options.gate_override;
  }
  Announce(session, "resnetd.v1.ModelService/PromoteVersion",
           Joined(json, MoveJson(options, request.request_id)));
  return client.PromoteVersion(request);
}

absl::StatusOr<client::Alias> Rollback(const Session& session) {
  const ModelsOptions& options = session.arguments.models;
  ASSIGN_OR_RETURN(Client client, Connect(session));
  const client::RollbackAliasRequest request = {
      .name =
          ResourceOf({.model = options.ref.model, .alias = AliasOf(options)}),
      .request_id = RequestId(options),
      .validate_only = options.dry_run};
  Announce(
      session, "resnetd.v1.ModelService/RollbackAlias",
      Joined({{"name", request.name}}, MoveJson(options, request.request_id)));
  return client.RollbackAlias(request);
}

absl::StatusOr<client::Alias> SetAlias(const Session& session) {
  const ModelsOptions& options = session.arguments.models;
  ASSIGN_OR_RETURN(Client client, Connect(session));
  ASSIGN_OR_RETURN(const std::string version,
                   AskVersionName(session, client, options.ref));
  ModelRef target;
  ParseModelRef(version, target);
  const client::SetAliasRequest request = {
      .name = ResourceOf({.model = options.ref.model, .alias = options.alias}),
      .version = target.version.value_or(0),
      .expected_version = options.expected_version,
      .request_id = RequestId(options),
      .validate_only = options.dry_run};
  Announce(session, "resnetd.v1.ModelService/SetAlias",
           Joined({{"name", request.name}, {"version", request.version}},
                  MoveJson(options, request.request_id)));
  return client.SetAlias(request);
}

absl::Status DeleteAlias(const Session& session) {
  const ModelsOptions& options = session.arguments.models;
  ASSIGN_OR_RETURN(Client client, Connect(session));
  const client::DeleteAliasRequest request = {.name = ResourceOf(options.ref),
                                              .request_id = RequestId(options)};
  Announce(session, "resnetd.v1.ModelService/DeleteAlias",
           {{"name", request.name}, {"request_id", request.request_id}});
  return client.DeleteAlias(request);
}

}  // namespace

ExitCode RunModelsPromote(const Session& session) {
  const absl::StatusOr<client::Alias> alias = Promote(session);
  const ModelsOptions& options = session.arguments.models;
  return Print(
      session, alias,
      !alias.ok() || alias->previous_version == 0
          ? ""
          : absl::StrCat("resnetctl models rollback ", options.ref.model,
                         options.alias.empty()
                             ? ""
                             : absl::StrCat(" --alias ", options.alias),
                         ", if it does worse"));
}

ExitCode RunModelsRollback(const Session& session) {
  return Print(session, Rollback(session), "");
}

ExitCode RunModelsAliasSet(const Session& session) {
  const ModelsOptions& options = session.arguments.models;
  return Print(session, SetAlias(session),
               absl::StrCat("resnetctl classify -m ", options.ref.model, "@",
                            options.alias, " PICTURE"));
}

ExitCode RunModelsAliasDelete(const Session& session) {
  if (const absl::Status deleted = DeleteAlias(session); !deleted.ok()) {
    return Fail(session, deleted);
  }
  const std::string name = ResourceOf(session.arguments.models.ref);
  if (session.json()) {
    session.console.out << JsonText({{"deleted", name}});
  } else {
    session.console.out << "deleted " << name << "\n";
  }
  return ExitCode::kOk;
}

}  // namespace resnetd::cli
