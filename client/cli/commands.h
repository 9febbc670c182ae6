#pragma once

#include <chrono>
#include <istream>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/cli/command_line.h"
#include "client/cli/exit_code.h"
#include "client/cli/json.h"
#include "client/cli/terminal.h"
#include "client/client.h"

namespace resnetd::cli {

// What a command works with. Owns nothing.
struct Session {
  const Arguments& arguments;
  Console console;
  // Standard input.
  std::istream& input;

  bool json() const { return arguments.global.output == OutputFormat::kJson; }
};

// Runs the command of `session.arguments`.
ExitCode RunCommand(const Session& session);

// One function a command, in <name>_command.cc; models_*_command.cc and
// train_*_command.cc hold several.
ExitCode RunClassify(const Session& session);
ExitCode RunEmbed(const Session& session);
ExitCode RunModelsList(const Session& session);
ExitCode RunModelsShow(const Session& session);
ExitCode RunModelsVersions(const Session& session);
ExitCode RunModelsImport(const Session& session);
ExitCode RunModelsExport(const Session& session);
ExitCode RunModelsPromote(const Session& session);
ExitCode RunModelsRollback(const Session& session);
ExitCode RunModelsAliasSet(const Session& session);
ExitCode RunModelsAliasDelete(const Session& session);
ExitCode RunModelsDelete(const Session& session);
ExitCode RunModelsLoad(const Session& session);
ExitCode RunModelsUnload(const Session& session);
ExitCode RunModelsWarmUp(const Session& session);
ExitCode RunModelsEvaluate(const Session& session);
ExitCode RunModelsCompare(const Session& session);
ExitCode RunModelsQuantize(const Session& session);
ExitCode RunModelsCalibrate(const Session& session);
ExitCode RunModelsVerify(const Session& session);
ExitCode RunModelsWatch(const Session& session);
ExitCode RunDataUpload(const Session& session);
ExitCode RunDataList(const Session& session);
ExitCode RunDataShow(const Session& session);
ExitCode RunDataRejected(const Session& session);
ExitCode RunDataSeal(const Session& session);
ExitCode RunDataDelete(const Session& session);
ExitCode RunTrainStart(const Session& session);
ExitCode RunTrainList(const Session& session);
ExitCode RunTrainShow(const Session& session);
ExitCode RunTrainWatch(const Session& session);
ExitCode RunTrainLogs(const Session& session);
ExitCode RunTrainCheckpoints(const Session& session);
ExitCode RunTrainCheckpointsDelete(const Session& session);
ExitCode RunTrainPublish(const Session& session);
ExitCode RunTrainRun(const Session& session);
ExitCode RunTrainPause(const Session& session);
ExitCode RunTrainResume(const Session& session);
ExitCode RunTrainCancel(const Session& session);
ExitCode RunTrainDelete(const Session& session);
ExitCode RunGradients(const Session& session);
ExitCode RunGradientsProbe(const Session& session);
ExitCode RunBench(const Session& session);
ExitCode RunTop(const Session& session);
ExitCode RunHealth(const Session& session);
ExitCode RunTokenNew(const Session& session);
ExitCode RunVersion(const Session& session);
ExitCode RunDoctor(const Session& session);
ExitCode RunCompletion(const Session& session);

// A client for --server with --timeout.
absl::StatusOr<Client> Connect(const Session& session);
// The same for another server, with so long for one try of a call.
absl::StatusOr<Client> ConnectTo(const Session& session,
                                 const std::string& server,
                                 std::chrono::nanoseconds timeout);

// With -v: the call about to be made and the grpcurl line for it.
void Announce(const Session& session, absl::string_view method,
              const Json& request);

// Reports an error that ends the command; with -o json also as {"error": ...}
// on stdout, so that there is always a document.
ExitCode Fail(const Session& session, const absl::Status& error);

}  // namespace resnetd::cli
