#include "client/cli/replica_wait.h"

#include <poll.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "client/cli/model_text.h"
#include "client/cli/status_line.h"
#include "client/cli/text.h"
#include "client/error_info.h"
#include "client/target.h"
#include "server/base/clock.h"
#include "server/base/status_macros.h"
#include "server/base/thread.h"

namespace resnetd::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

// A move takes a loaded replica some 10 ms, a new version a download.
constexpr milliseconds kPause(200);
// A server that answers at all tells where an alias stands at once.
constexpr std::chrono::seconds kPatience(2);
constexpr std::size_t kShown = 3;

// "net" of "models/net/aliases/stable".
std::string ModelOf(const client::Alias& alias) {
  absl::string_view name = alias.name;
  absl::ConsumePrefix(&name, "models/");
  return std::string(name.substr(0, name.find('/')));
}

std::string Named(const client::Alias& alias, std::int64_t version) {
  return absl::StrCat(ModelOf(alias), "@", version);
}

bool Follows(const ReplicaView& replica, const client::Alias& alias) {
  return replica.error.ok() && replica.version == alias.version;
}

ReplicaView Ask(const Session& session, const std::string& server,
                const client::Alias& alias, nanoseconds patience) {
  ReplicaView view = {.server = server};
  absl::StatusOr<Client> client = ConnectTo(session, server, patience);
  if (!client.ok()) {
    view.error = client.status();
    return view;
  }
  const absl::StatusOr<client::Model> model = client->GetModel(ModelOf(alias));
  if (!model.ok()) {
    view.error = model.status();
    return view;
  }
  const auto found =
      std::find_if(model->aliases.begin(), model->aliases.end(),
                   [&](const auto& one) { return one.name == alias.name; });
  view.version = found == model->aliases.end() ? 0 : found->version;
  return view;
}

}  // namespace

std::vector<ReplicaView> AskEach(
    const std::vector<std::string>& servers,
    const std::function<ReplicaView(const std::string&)>& ask) {
  std::vector<ReplicaView> views(servers.size());
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < servers.size(); i = next++) {
      views[i] = ask(servers[i]);
    }
  };
  std::vector<Thread> threads;
  for (std::size_t i = 0; i < std::min(servers.size(), kAskedAtOnce); ++i) {
    threads.emplace_back("ask", work);
  }
  threads.clear();  // Joins.
  return views;
}

bool AllFollow(const std::vector<ReplicaView>& replicas,
               const client::Alias& alias) {
  return !replicas.empty() &&
         std::all_of(replicas.begin(), replicas.end(),
                     [&](const auto& one) { return Follows(one, alias); });
}

std::string FollowText(const std::vector<ReplicaView>& replicas,
                       const client::Alias& alias) {
  const auto following =
      std::count_if(replicas.begin(), replicas.end(),
                    [&](const auto& one) { return Follows(one, alias); });
  return absl::StrCat(
      following, " of ", replicas.size(),
      replicas.size() == 1 ? " replica serves " : " replicas serve ",
      Named(alias, alias.version));
}

std::string BehindText(const std::vector<ReplicaView>& replicas,
                       const client::Alias& alias) {
  std::string text;
  std::size_t behind = 0;
  for (const ReplicaView& one : replicas) {
    if (Follows(one, alias) || ++behind > kShown) {
      continue;
    }
    absl::StrAppend(&text, text.empty() ? "" : "; ", one.server);
    if (!one.error.ok()) {
      absl::StrAppend(&text, " did not say: ", one.error.message());
    } else if (one.version == 0) {
      absl::StrAppend(&text, " has no ", AliasPart(alias.name), " of ",
                      ModelOf(alias));
    } else {
      absl::StrAppend(&text, " serves ", Named(alias, one.version));
    }
  }
  if (behind > kShown) {
    absl::StrAppend(&text, "; and ", behind - kShown, " more");
  }
  return text;
}

Json ReplicasJson(const std::vector<ReplicaView>& replicas) {
  Json list = Json::array();
  for (const ReplicaView& one : replicas) {
    Json json = {{"server", one.server}, {"version", one.version}};
    if (!one.error.ok()) {
      json["error"] = ErrorJson(one.error);
    }
    list.push_back(std::move(json));
  }
  return list;
}

absl::Status AwaitReplicas(const Session& session, const std::string& servers,
                           const client::Alias& alias,
                           std::vector<ReplicaView>& replicas) {
  const GlobalOptions& global = session.arguments.global;
  const SteadyTime end = RealClock().Now() + global.long_timeout;
  StatusLine line(session.console, !session.json() && !global.quiet);
  while (true) {
    ASSIGN_OR_RETURN(
        const std::vector<std::string> each,
        client::EachServer(servers.empty() ? global.server : servers));
    // Also when the time is over, to say how they stand.
    const auto patience =
        std::clamp<nanoseconds>(end - RealClock().Now(), kPause, kPatience);
    replicas = AskEach(each, [&](const std::string& server) {
      return Ask(session, server, alias, patience);
    });
    if (AllFollow(replicas, alias)) {
      return absl::OkStatus();
    }
    if (RealClock().Now() >= end) {
      return client::ClientError(
          absl::StatusCode::kDeadlineExceeded, client::kReasonReplicasBehind,
          absl::StrCat(AliasPart(alias.name), " of ", ModelOf(alias),
                       " was moved, but after ",
                       FormatDuration(global.long_timeout), " only ",
                       FollowText(replicas, alias), ": ",
                       BehindText(replicas, alias)));
    }
    line.Show(FollowText(replicas, alias));
    poll(nullptr, 0, static_cast<int>(kPause.count()));
  }
}

}  // namespace resnetd::cli
