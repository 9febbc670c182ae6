#include "client/cli/commands.h"

#include <ostream>
#include <string>

#include "absl/strings/str_replace.h"
#include "client/cli/grpcurl.h"
#include "client/cli/report.h"
#include "client/cli/text.h"
#include "client/error_info.h"

namespace resnetd::cli {

ExitCode RunCommand(const Session& session) {
  switch (session.arguments.command) {
    case Command::kClassify:
      return RunClassify(session);
    case Command::kModelsList:
      return RunModelsList(session);
    case Command::kModelsShow:
      return RunModelsShow(session);
    case Command::kModelsVersions:
      return RunModelsVersions(session);
    case Command::kModelsImport:
      return RunModelsImport(session);
    case Command::kModelsExport:
      return RunModelsExport(session);
    case Command::kModelsPromote:
      return RunModelsPromote(session);
    case Command::kModelsRollback:
      return RunModelsRollback(session);
    case Command::kModelsAliasSet:
      return RunModelsAliasSet(session);
    case Command::kModelsAliasDelete:
      return RunModelsAliasDelete(session);
    case Command::kModelsDelete:
      return RunModelsDelete(session);
    case Command::kModelsLoad:
      return RunModelsLoad(session);
    case Command::kModelsUnload:
      return RunModelsUnload(session);
    case Command::kModelsWarmUp:
      return RunModelsWarmUp(session);
    case Command::kModelsVerify:
      return RunModelsVerify(session);
    case Command::kModelsWatch:
      return RunModelsWatch(session);
    case Command::kDataUpload:
      return RunDataUpload(session);
    case Command::kDataList:
      return RunDataList(session);
    case Command::kDataShow:
      return RunDataShow(session);
    case Command::kDataRejected:
      return RunDataRejected(session);
    case Command::kDataSeal:
      return RunDataSeal(session);
    case Command::kDataDelete:
      return RunDataDelete(session);
    case Command::kTrainStart:
      return RunTrainStart(session);
    case Command::kTrainList:
      return RunTrainList(session);
    case Command::kTrainShow:
      return RunTrainShow(session);
    case Command::kTrainWatch:
      return RunTrainWatch(session);
    case Command::kTrainLogs:
      return RunTrainLogs(session);
    case Command::kTrainCheckpoints:
      return RunTrainCheckpoints(session);
    case Command::kTrainRun:
      return RunTrainRun(session);
    case Command::kTrainPause:
      return RunTrainPause(session);
    case Command::kTrainResume:
      return RunTrainResume(session);
    case Command::kTrainCancel:
      return RunTrainCancel(session);
    case Command::kTrainDelete:
      return RunTrainDelete(session);
    case Command::kHealth:
      return RunHealth(session);
    case Command::kVersion:
      return RunVersion(session);
    case Command::kDoctor:
      return RunDoctor(session);
    case Command::kCompletion:
      return RunCompletion(session);
  }
  return ExitCode::kOther;
}

absl::StatusOr<Client> Connect(const Session& session) {
  const GlobalOptions& global = session.arguments.global;
  return Client::Create({.server = global.server,
                         .timeout = global.timeout,
                         .long_timeout = global.long_timeout});
}

void Announce(const Session& session, absl::string_view method,
              const Json& request) {
  const GlobalOptions& global = session.arguments.global;
  if (!global.verbose) {
    return;
  }
  const std::string body =
      request.empty() ? ""
                      : absl::StrReplaceAll(request.dump(), {{"'", R"('\'')"}});
  session.console.err << "call: " << method << "\nlike: "
                      << Printable(GrpcurlLine(global.server, method, body))
                      << "\n";
}

ExitCode Fail(const Session& session, const absl::Status& error) {
  if (session.json()) {
    session.console.out << JsonText({{"error", ErrorJson(error)}});
  }
  const ExitCode code = ReportError(session.console, error);
  return client::ErrorInfoOf(error).reason == client::kReasonBadAddress
             ? ExitCode::kUsage
             : code;
}

}  // namespace resnetd::cli
