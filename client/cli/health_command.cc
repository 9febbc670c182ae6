#include <ostream>

#include "client/cli/commands.h"

namespace resnetd::cli {

ExitCode RunHealth(const Session& session) {
  const std::string& service = session.arguments.health.service;
  absl::StatusOr<Client> client = Connect(session);
  if (!client.ok()) {
    return Fail(session, client.status());
  }
  Announce(session, "grpc.health.v1.Health/Check", {{"service", service}});
  const absl::StatusOr<client::Serving> serving = client->Health(service);
  if (!serving.ok()) {
    return Fail(session, serving.status());
  }
  const std::string status(client::ServingName(*serving));
  if (session.json()) {
    session.console.out << JsonText({{"service", service}, {"status", status}});
  } else {
    const bool serves = *serving == client::Serving::kServing;
    session.console.out << Paint(status, serves ? Colour::kGreen : Colour::kRed,
                                 session.console.terminal.out_colours)
                        << "\n";
  }
  return *serving == client::Serving::kServing ? ExitCode::kOk
                                               : ExitCode::kUnavailable;
}

}  // namespace resnetd::cli
