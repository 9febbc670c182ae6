#include "server/app/run.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "server/app/config.h"
#include "server/app/end_signal.h"
#include "server/app/server.h"
#include "server/app/verify_store.h"
#include "server/base/clock.h"
#include "server/base/error.h"
#include "server/base/log.h"
#include "server/base/quote.h"
#include "server/base/version.h"
#include "server/engine/kernel_selftest.h"
#include "server/store/backup.h"
#include "server/store/store.h"

namespace resnetd {
namespace {

// Written whole or not at all, as a script may be polling for it.
absl::Status WritePortFile(const std::string& file, const Server& server) {
  const std::string unfinished = absl::StrCat(file, ".tmp");
  {
    std::ofstream out(unfinished, std::ios::trunc);
    out << nlohmann::json{{"grpc", server.grpc_port()},
                          {"http", server.http_port()}}
        << '\n';
    if (!out.flush()) {
      return absl::FailedPreconditionError("");
    }
  }
  if (std::rename(unfinished.c_str(), file.c_str()) != 0) {
    return absl::FailedPreconditionError("");
  }
  return absl::OkStatus();
}

int Report(const absl::Status& status, int code) {
  std::cerr << "resnetd: " << status.message() << '\n';
  return code;
}

int ExitCodeOf(const absl::Status& status) {
  const ErrorDetails details = DetailsOf(status);
  const std::string& reason = details.reason;
  if (reason == ReasonName(Reason::kStoreCorrupt)) {
    return kExitFailed;
  }
  if (std::any_of(details.metadata.begin(), details.metadata.end(),
                  [](const auto& entry) { return entry.first == "device"; })) {
    return kExitDevice;
  }
  return status.code() == absl::StatusCode::kInvalidArgument ||
                 status.code() == absl::StatusCode::kDataLoss ||
                 reason == ReasonName(Reason::kVersionNotFound)
             ? kExitUsage
             : kExitFailed;
}

int Verify(const Config& config) {
  const absl::StatusOr<std::vector<Finding>> findings =
      VerifyStore(config, RealClock());
  if (!findings.ok()) {
    return Report(findings.status(), kExitFailed);
  }
  std::cout << FormatFindings(*findings);
  return findings->empty() ? kExitOk : kExitFailed;
}

int BackUp(const std::string& from, const std::string& to) {
  const absl::StatusOr<BackedUp> taken = BackUpStore(from, to);
  if (!taken.ok()) {
    return Report(taken.status(), kExitFailed);
  }
  std::cout << "backed up: the database, " << taken->blobs << " files, "
            << taken->bytes << " bytes, of which " << taken->linked
            << " files are linked\n";
  return kExitOk;
}

int Serve(const Config& config, const KernelSelftest& kernels) {
  EndSignal end;
  // A client that goes away must not end the server.
  std::signal(SIGPIPE, SIG_IGN);
  absl::StatusOr<std::unique_ptr<Server>> server =
      Server::Start(config, kernels, [&end] { end.Started(); });
  if (!server.ok()) {
    return Report(server.status(), ExitCodeOf(server.status()));
  }
  if (!config.port_file.empty() &&
      !WritePortFile(config.port_file, **server).ok()) {
    return Report(
        absl::FailedPreconditionError(absl::StrCat(
            "--port-file: cannot write ", Quoted(config.port_file, 256))),
        kExitFailed);
  }
  Log(LogLevel::kInfo,
      (*server)->is_ready() ? "ready" : "listening, not ready yet",
      {{"grpc_port", absl::StrCat((*server)->grpc_port())},
       {"http_port", absl::StrCat((*server)->http_port())}});
  end.Await();
  (*server)->Drain();
  if ((*server)->is_broken()) {
    // Giving memory back to a broken device may never end.
    std::fflush(nullptr);
    std::_Exit(kExitDevice);
  }
  return kExitOk;
}

}  // namespace

int RunServer(int argc, const char* const* argv) {
  const absl::StatusOr<ParsedCommandLine> parsed = ParseCommandLine(argc, argv);
  if (!parsed.ok()) {
    return Report(parsed.status(), kExitUsage);
  }
  if (parsed->command == Command::kPrintConfig ||
      parsed->command == Command::kExit) {
    std::cout << parsed->output;
    return kExitOk;
  }
  ConfigureLog(LogOptionsOf(parsed->config));
  if (parsed->command == Command::kVerifyStore) {
    return Verify(parsed->config);
  }
  if (parsed->command == Command::kBackUpStore) {
    return BackUp(parsed->config.data_dir, parsed->backup);
  }
  Log(LogLevel::kInfo, "starting", {{"version", kVersion}});
  // Before any thread exists: it forks.
  const absl::StatusOr<KernelSelftest> kernels = ProveKernels();
  if (!kernels.ok()) {
    return Report(kernels.status(), kExitFailed);
  }
  Log(kernels->capped ? LogLevel::kWarning : LogLevel::kInfo, kernels->text,
      {{"isa", kernels->isa}});
  return Serve(parsed->config, *kernels);
}

}  // namespace resnetd
