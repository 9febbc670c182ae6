#include <algorithm>
#include <iterator>
#include <ostream>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/doctor.h"
#include "client/cli/report.h"
#include "client/cli/text.h"
#include "client/target.h"
#include "server/base/status_macros.h"
#include "server/base/version.h"

namespace resnetd::cli {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::seconds kHttpTimeout(3);
constexpr std::size_t kNameColumns = 12;

void Append(std::vector<Finding> more, std::vector<Finding>& findings) {
  std::move(more.begin(), more.end(), std::back_inserter(findings));
}

absl::StatusOr<std::vector<client::Version>> AllVersions(
    const Session& session, Client& client,
    const std::vector<client::Model>& models) {
  std::vector<client::Version> all;
  for (const client::Model& model : models) {
    Announce(session, "resnetd.v1.ModelService/ListVersions",
             {{"parent", model.name}});
    ASSIGN_OR_RETURN(std::vector<client::Version> versions,
                     client.ListVersions(model.name));
    std::move(versions.begin(), versions.end(), std::back_inserter(all));
  }
  return all;
}

void AskModels(const Session& session, Client& client,
               std::vector<Finding>& findings) {
  Announce(session, "resnetd.v1.ModelService/ListModels", Json());
  absl::StatusOr<client::ModelList> list = client.ListModels();
  if (!list.ok()) {
    Append(JudgeModels(list.status()), findings);
    return;
  }
  Append(JudgeModels(list->models), findings);
  Append(JudgeStore(list->models, AllVersions(session, client, list->models)),
         findings);
}

// Everything that the server itself can tell.
void AskServer(const Session& session, Client& client,
               std::vector<Finding>& findings) {
  Announce(session, "resnetd.v1.ServerService/GetServerInfo", Json());
  // The first call also connects; the second measures the way.
  absl::StatusOr<client::ServerInfo> info = client.GetServerInfo();
  const steady_clock::time_point sent = steady_clock::now();
  if (info.ok()) {
    info = client.GetServerInfo();
  }
  const auto now = std::chrono::system_clock::now();
  const steady_clock::duration round_trip = steady_clock::now() - sent;
  const std::string& server = session.arguments.global.server;
  if (!info.ok()) {
    findings.push_back({.name = "connection",
                        .verdict = Verdict::kFail,
                        .message = Explain(info.status())});
    return;
  }
  findings.push_back({.name = "connection",
                      .message = absl::StrCat(server, " answers in ",
                                              FormatDuration(round_trip))});
  Announce(session, "grpc.health.v1.Health/Check", Json());
  findings.push_back(JudgeReadiness(client.Health()));
  findings.push_back(JudgeVersions(kVersion, *info));
  AskModels(session, client, findings);
  Append(JudgeBackends(*info), findings);
  findings.push_back(JudgeLimits(*info));
  findings.push_back(JudgeClock(*info, now, round_trip));
}

void Print(const Console& console, const Finding& finding) {
  const Colour colour = finding.verdict == Verdict::kOk     ? Colour::kGreen
                        : finding.verdict == Verdict::kWarn ? Colour::kYellow
                                                            : Colour::kRed;
  console.out << Paint(PadRight(VerdictName(finding.verdict), 4), colour,
                       console.terminal.out_colours)
              << "  " << PadRight(Printable(finding.name), kNameColumns)
              << Printable(finding.message) << "\n";
  if (!finding.advice.empty()) {
    console.out << std::string(6 + kNameColumns, ' ')
                << "do: " << Printable(finding.advice) << "\n";
  }
}

Json Document(const std::vector<Finding>& findings, bool ok) {
  Json checks = Json::array();
  for (const Finding& finding : findings) {
    Json check = {{"name", finding.name},
                  {"verdict", std::string(VerdictName(finding.verdict))},
                  {"message", finding.message}};
    if (!finding.advice.empty()) {
      check["advice"] = finding.advice;
    }
    checks.push_back(check);
  }
  return {{"ok", ok}, {"checks", checks}};
}

}  // namespace

ExitCode RunDoctor(const Session& session) {
  const GlobalOptions& global = session.arguments.global;
  absl::StatusOr<Client> client = Connect(session);
  const absl::StatusOr<client::Target> target =
      client::ParseTarget(global.server);
  if (!client.ok() || !target.ok()) {
    return Fail(session, client.status());
  }
  std::vector<Finding> findings;
  AskServer(session, *client, findings);
  if (const std::string& http = session.arguments.doctor.http; !http.empty()) {
    findings.push_back(JudgeMetrics(HttpGet(http, "/metrics", kHttpTimeout)));
  }
  if (target->local) {
    findings.push_back(JudgeDriver(InspectDriver()));
  }
  const bool ok = std::none_of(
      findings.begin(), findings.end(),
      [](const Finding& finding) { return finding.verdict == Verdict::kFail; });
  if (session.json()) {
    session.console.out << JsonText(Document(findings, ok));
  } else {
    for (const Finding& finding : findings) {
      Print(session.console, finding);
    }
  }
  return ok ? ExitCode::kOk : ExitCode::kOther;
}

}  // namespace resnetd::cli
