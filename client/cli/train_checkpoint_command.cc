// The commands about checkpoints: checkpoints, checkpoints delete, publish.
#include <algorithm>
#include <cstdint>
#include <istream>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/job_json.h"
#include "client/cli/job_text.h"
#include "client/cli/model_ref.h"
#include "client/cli/model_text.h"
#include "client/cli/table.h"
#include "client/cli/text.h"
#include "client/error_info.h"
#include "server/base/ids.h"
#include "server/base/status_macros.h"

namespace resnetd::cli {
namespace {

absl::StatusOr<std::vector<client::Checkpoint>> AskCheckpoints(
    const Session& session, Client& client) {
  const std::string& job = session.arguments.train.job;
  Announce(session, "resnetd.v1.FineTuneService/ListCheckpoints",
           {{"parent", job}});
  return client.ListCheckpoints(job);
}

absl::Status NoCheckpoint(absl::string_view text) {
  return client::ClientError(absl::StatusCode::kNotFound,
                             "CHECKPOINT_NOT_FOUND", text);
}

// The step of the checkpoint to publish.
absl::StatusOr<std::int64_t> ChooseStep(const Session& session,
                                        Client& client) {
  const TrainOptions& options = session.arguments.train;
  if (options.step) {
    return *options.step;
  }
  ASSIGN_OR_RETURN(const std::vector<client::Checkpoint> all,
                   AskCheckpoints(session, client));
  if (all.empty()) {
    return NoCheckpoint(absl::StrCat("job ", ShortJob(options.job),
                                     " has no checkpoint: it was not begun, "
                                     "or ended before its first one"));
  }
  const auto best = std::find_if(
      all.begin(), all.end(),
      [](const client::Checkpoint& checkpoint) { return checkpoint.is_best; });
  if (best != all.end()) {
    return best->step;
  }
  if (options.best) {
    return NoCheckpoint(
        absl::StrCat("no checkpoint of job ", ShortJob(options.job),
                     " was evaluated: leave --best out to take the last one"));
  }
  return all.back().step;
}

absl::StatusOr<client::PublishedCheckpoint> Publish(const Session& session,
                                                    std::int64_t& step) {
  const TrainOptions& options = session.arguments.train;
  ASSIGN_OR_RETURN(Client client, Connect(session));
  ASSIGN_OR_RETURN(step, ChooseStep(session, client));
  const client::CheckpointRequest request = {
      .job = options.job,
      .step = step,
      .request_id =
          options.request_id.empty() ? NewRequestId() : options.request_id};
  Announce(session, "resnetd.v1.FineTuneService/PublishCheckpoint",
           {{"name", absl::StrCat(options.job, "/checkpoints/", step)},
            {"request_id", request.request_id}});
  return client.PublishCheckpoint(request);
}

// Asks the person at the terminal.
bool Confirmed(const Session& session) {
  session.console.err << Printable(absl::StrCat(
                             "Delete the checkpoint of step ",
                             *session.arguments.train.step, " of job ",
                             ShortJob(session.arguments.train.job),
                             "? It cannot be undone"))
                      << " [y/N] " << std::flush;
  std::string answer;
  std::getline(session.input, answer);
  answer = absl::AsciiStrToLower(absl::StripAsciiWhitespace(answer));
  return answer == "y" || answer == "yes";
}

absl::Status DeleteCheckpoint(const Session& session, std::string& name) {
  const TrainOptions& options = session.arguments.train;
  name = absl::StrCat(options.job, "/checkpoints/", *options.step);
  ASSIGN_OR_RETURN(Client client, Connect(session));
  if (!options.yes) {
    // Before somebody is asked about one that is not there.
    RETURN_IF_ERROR(client.GetCheckpoint(options.job, *options.step).status());
    if (!Confirmed(session)) {
      return client::ClientError(absl::StatusCode::kCancelled, "NOT_CONFIRMED",
                                 "nothing was deleted");
    }
  }
  const client::CheckpointRequest request = {
      .job = options.job,
      .step = *options.step,
      .request_id =
          options.request_id.empty() ? NewRequestId() : options.request_id};
  Announce(session, "resnetd.v1.FineTuneService/DeleteCheckpoint",
           {{"name", name}, {"request_id", request.request_id}});
  return client.DeleteCheckpoint(request);
}

}  // namespace

ExitCode RunTrainCheckpointsDelete(const Session& session) {
  const TrainOptions& options = session.arguments.train;
  if (!options.yes && !session.console.terminal.can_ask) {
    Fail(session, client::ClientError(
                      absl::StatusCode::kInvalidArgument, "NOT_CONFIRMED",
                      "nobody can be asked whether to delete it: add --yes"));
    return ExitCode::kUsage;
  }
  std::string name;
  if (const absl::Status status = DeleteCheckpoint(session, name);
      !status.ok()) {
    return Fail(session, status);
  }
  if (session.json()) {
    session.console.out << JsonText({{"deleted", name}});
  } else {
    session.console.out << "deleted the checkpoint of step " << *options.step
                        << " of job " << ShortJob(options.job) << "\n";
  }
  return ExitCode::kOk;
}

ExitCode RunTrainCheckpoints(const Session& session) {
  const std::string& name = session.arguments.train.job;
  absl::StatusOr<Client> client = Connect(session);
  if (!client.ok()) {
    return Fail(session, client.status());
  }
  Announce(session, "resnetd.v1.FineTuneService/ListCheckpoints",
           {{"parent", name}});
  const absl::StatusOr<std::vector<client::Checkpoint>> checkpoints =
      client->ListCheckpoints(name);
  if (!checkpoints.ok()) {
    return Fail(session, checkpoints.status());
  }
  if (session.json()) {
    Json list = Json::array();
    for (const client::Checkpoint& checkpoint : *checkpoints) {
      list.push_back(CheckpointJson(checkpoint));
    }
    session.console.out << JsonText({{"checkpoints", list}});
    return ExitCode::kOk;
  }
  Table table({{"STEP", Align::kRight},
               {"SIZE", Align::kRight},
               {"ACCURACY", Align::kRight},
               {"LOSS", Align::kRight},
               {"BEST"},
               {"CREATED (UTC)"}});
  for (const client::Checkpoint& checkpoint : *checkpoints) {
    const auto& evaluation = checkpoint.evaluation;
    table.AddRow(
        {absl::StrCat(checkpoint.step), FormatBytes(checkpoint.size_bytes),
         evaluation ? FormatShare(evaluation->accuracy) : "-",
         evaluation ? FormatNumber(evaluation->loss) : "-",
         checkpoint.is_best ? "yes" : "", FormatTime(checkpoint.create_time)});
  }
  session.console.out << table.Render();
  if (!checkpoints->empty() && !session.arguments.global.quiet) {
    session.console.err << "next: resnetctl train publish " << ShortJob(name)
                        << "\n";
  }
  return ExitCode::kOk;
}

ExitCode RunTrainPublish(const Session& session) {
  std::int64_t step = 0;
  const absl::StatusOr<client::PublishedCheckpoint> published =
      Publish(session, step);
  if (!published.ok()) {
    return Fail(session, published.status());
  }
  const client::Version& version = published->version;
  if (session.json()) {
    session.console.out << JsonText(
        {{"version", VersionJson(version)}, {"created", published->created}});
    return ExitCode::kOk;
  }
  const std::string name = ShortName(version.name);
  std::string text = absl::StrCat(
      published->created ? "made " : "was made before: ", name, " of step ",
      step, " of job ", ShortJob(session.arguments.train.job));
  if (!version.evaluations.empty()) {
    absl::StrAppend(&text, ", accuracy ",
                    FormatShare(version.evaluations.back().accuracy));
  }
  session.console.out << Printable(text) << "\n";
  if (!session.arguments.global.quiet) {
    session.console.err << "next: "
                        << Printable(
                               absl::StrCat("resnetctl models promote ", name))
                        << "\n";
  }
  return ExitCode::kOk;
}

}  // namespace resnetd::cli
