#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "client/cli/commands.h"
#include "client/cli/json.h"
#include "client/model_types.h"

namespace resnetd::cli {

// Where an alias stands on one of the servers that follow it.
struct ReplicaView {
  // As EachServer() says it.
  std::string server;
  // What the alias names there; 0: nothing, or it was not told.
  std::int64_t version = 0;
  // Why it was not told.
  absl::Status error;
};

// Whether each of them, at least one, follows `alias`.
bool AllFollow(const std::vector<ReplicaView>& replicas,
               const client::Alias& alias);

// "2 of 3 replicas serve net@7".
std::string FollowText(const std::vector<ReplicaView>& replicas,
                       const client::Alias& alias);

// Those that do not, in order: "10.0.0.7:8001 serves net@6"; at most three, and
// how many more there are.
std::string BehindText(const std::vector<ReplicaView>& replicas,
                       const client::Alias& alias);

// What `ask` says of each server, in their order. All are asked at once, in
// threads of their own, at most kAskedAtOnce: one that hangs holds up no other,
// and the whole takes as long as the slowest answer. `ask` is called from those
// threads.
std::vector<ReplicaView> AskEach(
    const std::vector<std::string>& servers,
    const std::function<ReplicaView(const std::string&)>& ask);
inline constexpr std::size_t kAskedAtOnce = 64;

// [{"server", "version", "error"}], the error where there is one.
Json ReplicasJson(const std::vector<ReplicaView>& replicas);

// Asks the servers of `servers` ("" stands for --server) until each follows
// `alias`, with a line on the terminal; each time all at once, with one
// deadline for all. Names are looked up anew each time: who is gone is not
// waited for, who is new is. `replicas` gets what was seen last.
// DEADLINE_EXCEEDED (REPLICAS_BEHIND): not within --timeout. INVALID_ARGUMENT
// (BAD_ADDRESS): `servers` are not addresses.
absl::Status AwaitReplicas(const Session& session, const std::string& servers,
                           const client::Alias& alias,
                           std::vector<ReplicaView>& replicas);

}  // namespace resnetd::cli
