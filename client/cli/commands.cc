#include "client/cli/commands.h"

#include <ostream>
#include <string>

#include "absl/strings/str_replace.h"
#include "client/cli/grpcurl.h"
#include "client/cli/report.h"
#include "client/cli/text.h"
#include "client/error_info.h"

namespace resnetd::cli {

namespace {

struct Entry {
  Command command;
  ExitCode (*run)(const Session& session);
};

constexpr Entry kEntries[] = {
    {Command::kClassify, RunClassify},
    {Command::kEmbed, RunEmbed},
    {Command::kModelsList, RunModelsList},
    {Command::kModelsShow, RunModelsShow},
    {Command::kModelsVersions, RunModelsVersions},
    {Command::kModelsImport, RunModelsImport},
    {Command::kModelsExport, RunModelsExport},
    {Command::kModelsPromote, RunModelsPromote},
    {Command::kModelsRollback, RunModelsRollback},
    {Command::kModelsAliasSet, RunModelsAliasSet},
    {Command::kModelsAliasDelete, RunModelsAliasDelete},
    {Command::kModelsDelete, RunModelsDelete},
    {Command::kModelsLoad, RunModelsLoad},
    {Command::kModelsUnload, RunModelsUnload},
    {Command::kModelsWarmUp, RunModelsWarmUp},
    {Command::kModelsEvaluate, RunModelsEvaluate},
    {Command::kModelsCompare, RunModelsCompare},
    {Command::kModelsQuantize, RunModelsQuantize},
    {Command::kModelsCalibrate, RunModelsCalibrate},
    {Command::kModelsVerify, RunModelsVerify},
    {Command::kModelsWatch, RunModelsWatch},
    {Command::kDataUpload, RunDataUpload},
    {Command::kDataList, RunDataList},
    {Command::kDataShow, RunDataShow},
    {Command::kDataRejected, RunDataRejected},
    {Command::kDataSeal, RunDataSeal},
    {Command::kDataDelete, RunDataDelete},
    {Command::kTrainStart, RunTrainStart},
    {Command::kTrainList, RunTrainList},
    {Command::kTrainShow, RunTrainShow},
    {Command::kTrainWatch, RunTrainWatch},
    {Command::kTrainLogs, RunTrainLogs},
    {Command::kTrainCheckpoints, RunTrainCheckpoints},
    {Command::kTrainCheckpointsDelete, RunTrainCheckpointsDelete},
    {Command::kTrainPublish, RunTrainPublish},
    {Command::kTrainRun, RunTrainRun},
    {Command::kTrainPause, RunTrainPause},
    {Command::kTrainResume, RunTrainResume},
    {Command::kTrainCancel, RunTrainCancel},
    {Command::kTrainDelete, RunTrainDelete},
    {Command::kGradients, RunGradients},
    {Command::kGradientsProbe, RunGradientsProbe},
    {Command::kBench, RunBench},
    {Command::kTop, RunTop},
    {Command::kHealth, RunHealth},
    {Command::kTokenNew, RunTokenNew},
    {Command::kVersion, RunVersion},
    {Command::kDoctor, RunDoctor},
    {Command::kCompletion, RunCompletion},
};

}  // namespace

ExitCode RunCommand(const Session& session) {
  for (const Entry& entry : kEntries) {
    if (entry.command == session.arguments.command) {
      return entry.run(session);
    }
  }
  return ExitCode::kOther;
}

absl::StatusOr<Client> Connect(const Session& session) {
  const GlobalOptions& global = session.arguments.global;
  return Client::Create({.server = global.server,
                         .timeout = global.timeout,
                         .long_timeout = global.long_timeout,
                         .security = global.security});
}

absl::StatusOr<Client> ConnectTo(const Session& session,
                                 const std::string& server,
                                 std::chrono::nanoseconds timeout) {
  return Client::Create({.server = server,
                         .timeout = timeout,
                         .long_timeout = timeout,
                         .most_tries = 1,
                         .security = session.arguments.global.security});
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
                      << Printable(GrpcurlLine(global.server, method, body,
                                               global.security))
                      << "\n";
}

ExitCode Fail(const Session& session, const absl::Status& error) {
  if (session.json()) {
    session.console.out << JsonText({{"error", ErrorJson(error)}});
  }
  const ExitCode code = ReportError(session.console, error);
  const std::string reason = client::ErrorInfoOf(error).reason;
  return reason == client::kReasonBadAddress ||
                 reason == client::kReasonBadCredentials
             ? ExitCode::kUsage
             : code;
}

}  // namespace resnetd::cli
