#include <ostream>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/report.h"
#include "client/cli/table.h"
#include "client/cli/text.h"
#include "server/base/version.h"

namespace resnetd::cli {

ExitCode RunVersion(const Session& session) {
  Json document = {{"client", {{"version", kVersion}}}};
  absl::StatusOr<client::ServerInfo> info = client::ServerInfo();
  const bool ask = !session.arguments.version.client_only;
  if (ask) {
    absl::StatusOr<Client> client = Connect(session);
    if (!client.ok()) {
      return Fail(session, client.status());
    }
    Announce(session, "resnetd.v1.ServerService/GetServerInfo", Json());
    info = client->GetServerInfo();
  }
  if (session.json()) {
    if (ask) {
      document["server"] = info.ok() ? ServerInfoJson(*info) : Json();
      if (!info.ok()) {
        document["error"] = ErrorJson(info.status());
      }
    }
    session.console.out << JsonText(document);
  } else {
    Table table({{}, {}, {}});
    table.AddRow({"client", absl::StrCat("resnetctl ", kVersion), ""});
    if (ask && info.ok()) {
      table.AddRow({"server", absl::StrCat("resnetd ", info->version),
                    absl::StrCat("gRPC ", info->grpc_version, ", up ",
                                 FormatDuration(info->uptime))});
    }
    session.console.out << table.Render();
  }
  return info.ok() ? ExitCode::kOk
                   : ReportError(session.console, info.status());
}

}  // namespace resnetd::cli
