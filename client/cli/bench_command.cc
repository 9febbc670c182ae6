#include <algorithm>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/bench_pictures.h"
#include "client/cli/bench_text.h"
#include "client/cli/commands.h"
#include "client/cli/interrupt.h"
#include "client/cli/model_lookup.h"
#include "client/cli/status_line.h"
#include "client/load/client_caller.h"
#include "client/load/grpc_caller.h"
#include "client/load/load_run.h"
#include "client/load/request_of.h"
#include "client/load/stream_caller.h"
#include "client/target.h"
#include "server/base/clock.h"
#include "server/base/status_macros.h"

namespace resnetd::cli {
namespace {

using client::LoadFigures;

// A server with the calls that are made to it.
struct Prepared {
  BenchSide side;
  std::unique_ptr<Client> client;
  // Uses `client`, if it makes its calls.
  std::unique_ptr<client::Caller> caller;
};

// An open loop with --retry has at most so many calls out: as many as a server
// takes of one connection, unless told otherwise.
constexpr std::size_t kMostThreads = 256;
// Each has a thread.
constexpr int kMostClientsWithRetries = 1000;

// The side of the input of what `model` names; empty: of the default model.
absl::StatusOr<int> NetworkSize(const Session& session, Client& client,
                                const std::string& model) {
  std::string version;
  if (model.empty()) {
    ASSIGN_OR_RETURN(const client::ModelList list, client.ListModels());
    for (const client::Model& one : list.models) {
      if (one.is_default) {
        version = absl::StrCat(one.name, "/versions/", one.serving_version);
      }
    }
    if (version.empty()) {
      return client::ClientError(
          absl::StatusCode::kNotFound, "MODEL_NOT_FOUND",
          "the server has no default model: name one with -m");
    }
  } else {
    ModelRef ref;
    ParseModelRef(model, ref);
    ASSIGN_OR_RETURN(version, AskVersionName(session, client, ref));
  }
  ASSIGN_OR_RETURN(const client::Version found,
                   AskVersion(session, client, version));
  return found.preprocess.crop;
}

// Calls of `batch` pictures each, in the order of the pictures, again from the
// first one where the last call has too few.
std::vector<client::ClassifyRequest> RequestsOf(
    const std::vector<client::Image>& pictures, const std::string& model,
    const BenchOptions& options) {
  const auto batch = static_cast<std::size_t>(options.batch);
  std::vector<client::ClassifyRequest> requests;
  for (std::size_t first = 0; first < pictures.size(); first += batch) {
    client::ClassifyRequest& request = requests.emplace_back();
    request.model = model;
    request.priority = options.priority;
    for (std::size_t i = 0; i < batch; ++i) {
      request.images.push_back(pictures[(first + i) % pictures.size()]);
    }
  }
  return requests;
}

// Of all models, in turns. `given` empty: of noise.
absl::StatusOr<std::vector<client::ClassifyRequest>> MakeRequests(
    const Session& session, Client& client,
    const std::vector<client::Image>& given,
    const std::vector<std::string>& models) {
  const BenchOptions& options = session.arguments.bench;
  std::vector<std::vector<client::ClassifyRequest>> by_model;
  for (const std::string& model :
       models.empty() ? std::vector<std::string>{""} : models) {
    if (!given.empty()) {
      by_model.push_back(RequestsOf(given, model, options));
      continue;
    }
    int size = options.size;
    if (size == 0) {
      ASSIGN_OR_RETURN(size, NetworkSize(session, client, model));
    }
    by_model.push_back(RequestsOf(
        NoisePictures(size, options.size == 0, options.seed), model, options));
  }
  std::vector<client::ClassifyRequest> requests;
  for (std::size_t i = 0; i < by_model.front().size(); ++i) {
    for (auto& of_model : by_model) {
      requests.push_back(std::move(of_model[i]));
    }
  }
  return requests;
}

// Calls each model once through the client library, whose errors say what is
// the matter.
absl::Status Try(Client& client, client::LoadMethod method,
                 const std::vector<client::ClassifyRequest>& requests,
                 std::size_t models) {
  for (std::size_t i = 0; i < std::max<std::size_t>(models, 1); ++i) {
    RETURN_IF_ERROR(
        method == client::LoadMethod::kEmbed
            ? client.Embed(client::EmbedRequestOf(requests[i])).status()
            : client.Classify(requests[i]).status());
  }
  return absl::OkStatus();
}

// Calls of the client library.
std::unique_ptr<client::Caller> MakeClientCalls(
    const BenchOptions& options, Client& client,
    std::vector<client::ClassifyRequest> requests) {
  if (options.streams > 0) {
    return client::MakeClientStreamCaller(
        client, {.requests = std::move(requests),
                 .streams = static_cast<std::size_t>(options.streams),
                 .timeout = options.deadline});
  }
  return client::MakeClientCaller(
      client, {.requests = std::move(requests),
               .threads = options.phases.empty()
                              ? static_cast<std::size_t>(options.clients)
                              : kMostThreads,
               .method = options.method});
}

// Calls as they are.
std::unique_ptr<client::Caller> MakeCalls(
    const BenchOptions& options, const client::Target& target,
    client::ChannelSecurity security,
    std::vector<client::ClassifyRequest> requests) {
  const auto connections = static_cast<std::size_t>(options.connections);
  if (options.streams > 0) {
    return client::MakeStreamCaller(
        {.target = target,
         .security = std::move(security),
         .requests = std::move(requests),
         .timeout = options.deadline,
         .streams = static_cast<std::size_t>(options.streams),
         .connections = connections});
  }
  return client::MakeGrpcCaller({.target = target,
                                 .security = std::move(security),
                                 .method = options.method,
                                 .requests = std::move(requests),
                                 .timeout = options.deadline,
                                 .connections = connections});
}

absl::StatusOr<Prepared> Prepare(const Session& session,
                                 const std::vector<client::Image>& given,
                                 const std::string& server,
                                 std::vector<std::string> models) {
  const BenchOptions& options = session.arguments.bench;
  const GlobalOptions& global = session.arguments.global;
  ASSIGN_OR_RETURN(const client::Target target, client::ResolveTarget(server));
  ASSIGN_OR_RETURN(Client client,
                   Client::Create({.server = server,
                                   .timeout = options.retries ? options.deadline
                                                              : global.timeout,
                                   .long_timeout = global.long_timeout,
                                   .security = global.security}));
  ASSIGN_OR_RETURN(client::ChannelSecurity security,
                   client::MakeSecurity(global.security, target));
  Prepared prepared{.client = std::make_unique<Client>(std::move(client))};
  ASSIGN_OR_RETURN(std::vector<client::ClassifyRequest> requests,
                   MakeRequests(session, *prepared.client, given, models));
  RETURN_IF_ERROR(
      Try(*prepared.client, options.method, requests, models.size()));
  prepared.side = {.server = target.shown, .models = std::move(models)};
  prepared.caller =
      options.retries
          ? MakeClientCalls(options, *prepared.client, std::move(requests))
          : MakeCalls(options, target, std::move(security),
                      std::move(requests));
  return prepared;
}

absl::StatusOr<std::vector<Prepared>> PrepareAll(const Session& session) {
  const BenchOptions& options = session.arguments.bench;
  const std::string& server = session.arguments.global.server;
  if (options.retries && options.streams == 0 &&
      options.clients > kMostClientsWithRetries) {
    return client::ClientError(
        absl::StatusCode::kInvalidArgument, "TOO_MANY_CLIENTS",
        absl::StrCat("--clients ", options.clients, ": with --retry at most ",
                     kMostClientsWithRetries));
  }
  ASSIGN_OR_RETURN(const std::vector<client::Image> given,
                   ReadPictures(options.pictures));
  std::vector<Prepared> sides(1);
  ASSIGN_OR_RETURN(sides[0], Prepare(session, given, server, options.models));
  if (!options.other_model.empty() || !options.other_server.empty()) {
    ASSIGN_OR_RETURN(
        Prepared other,
        Prepare(session, given,
                options.other_server.empty() ? server : options.other_server,
                options.other_model.empty()
                    ? options.models
                    : std::vector<std::string>{options.other_model}));
    sides.push_back(std::move(other));
  }
  return sides;
}

client::LoadOptions LoadOf(const BenchOptions& options,
                           const Prepared& prepared) {
  return {.phases = options.phases,
          .spacing = options.spacing,
          .seed = options.seed,
          .clients = static_cast<std::size_t>(options.clients),
          .length = options.length,
          .parts = std::max<std::size_t>(prepared.side.models.size(), 1)};
}

// The same load, at its first rate, for as long as the warm-up takes.
client::LoadOptions WarmUpOf(const BenchOptions& options,
                             const Prepared& prepared) {
  client::LoadOptions load = LoadOf(options, prepared);
  load.length = options.warm_up;
  if (!load.phases.empty()) {
    load.phases = {{.rate = load.phases.front().rate, .length = load.length}};
  }
  return load;
}

// What the client library did since `before`.
client::CallCounts Since(const client::CallCounts& before,
                         const client::CallCounts& now) {
  return {.calls = now.calls - before.calls,
          .tries = now.tries - before.tries,
          .unaffordable = now.unaffordable - before.unaffordable};
}

// One round of one side.
void MeasureRound(const Session& session, int round, const std::string& prefix,
                  const Interrupt& interrupt, Prepared& prepared) {
  StatusLine line(session.console, !session.arguments.global.quiet);
  client::LoadOptions load = LoadOf(session.arguments.bench, prepared);
  load.seed += static_cast<std::uint64_t>(round);
  load.is_over = [&interrupt] { return interrupt.has_come(); };
  prepared.side.rounds.push_back(
      client::RunLoad(load, *prepared.caller, RealClock(),
                      [&](const client::LoadProgress& progress) {
                        line.Show(absl::StrCat(prefix, BenchLine(progress)));
                      }));
}

void Measure(const Session& session, std::vector<Prepared>& sides) {
  const BenchOptions& options = session.arguments.bench;
  const bool compares = sides.size() > 1;
  const int rounds = compares ? options.rounds : 1;
  const Interrupt interrupt;
  std::vector<client::CallCounts> before;
  for (Prepared& prepared : sides) {
    client::LoadOptions load = WarmUpOf(options, prepared);
    load.is_over = [&interrupt] { return interrupt.has_come(); };
    client::RunLoad(load, *prepared.caller, RealClock());
    before.push_back(prepared.client->counts());
  }
  for (int round = 0; round < rounds && !interrupt.has_come(); ++round) {
    const std::string prefix =
        compares ? absl::StrCat("round ", round + 1, " of ", rounds, ": ") : "";
    for (std::size_t turn = 0; turn < sides.size(); ++turn) {
      // The other one first every second time: what grows with time is shared.
      MeasureRound(session, round, prefix, interrupt,
                   sides[round % 2 == 0 ? turn : sides.size() - 1 - turn]);
    }
  }
  for (std::size_t i = 0; i < sides.size() && options.retries; ++i) {
    sides[i].side.counts = Since(before[i], sides[i].client->counts());
  }
}

bool HasFailures(const std::vector<BenchSide>& sides) {
  return std::any_of(sides.begin(), sides.end(), [](const BenchSide& side) {
    const std::vector<LoadFigures> phases = Merged(side);
    return std::any_of(phases.begin(), phases.end(),
                       [](const LoadFigures& phase) {
                         return phase.Count(client::CallEnd::kFailed) > 0;
                       });
  });
}

}  // namespace

ExitCode RunBench(const Session& session) {
  absl::StatusOr<std::vector<Prepared>> prepared = PrepareAll(session);
  if (!prepared.ok()) {
    return Fail(session, prepared.status());
  }
  Measure(session, *prepared);
  std::vector<BenchSide> sides;
  for (Prepared& one : *prepared) {
    sides.push_back(std::move(one.side));
  }
  const BenchOptions& options = session.arguments.bench;
  session.console.out << (session.json() ? JsonText(BenchJson(sides, options))
                                         : BenchText(sides, options));
  return HasFailures(sides) ? ExitCode::kOther : ExitCode::kOk;
}

}  // namespace resnetd::cli
