// The commands that change a job: run, pause, resume, cancel, delete.
#include <istream>
#include <ostream>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/job_json.h"
#include "client/cli/job_text.h"
#include "client/cli/text.h"
#include "client/error_info.h"
#include "server/base/ids.h"
#include "server/base/status_macros.h"

namespace resnetd::cli {
namespace {

using JobCall =
    absl::StatusOr<client::Job> (Client::*)(client::JobRequest request);

client::JobRequest RequestOf(const Session& session) {
  const TrainOptions& options = session.arguments.train;
  return {.name = options.job,
          .request_id =
              options.request_id.empty() ? NewRequestId() : options.request_id};
}

void AnnounceCall(const Session& session, absl::string_view method,
                  const client::JobRequest& request) {
  Json json = {{"name", request.name}};
  if (!request.etag.empty()) {
    json["etag"] = request.etag;
  }
  json["request_id"] = request.request_id;
  Announce(session, absl::StrCat("resnetd.v1.FineTuneService/", method), json);
}

ExitCode Change(const Session& session, absl::string_view method,
                JobCall call) {
  absl::StatusOr<Client> client = Connect(session);
  if (!client.ok()) {
    return Fail(session, client.status());
  }
  const client::JobRequest request = RequestOf(session);
  AnnounceCall(session, method, request);
  const absl::StatusOr<client::Job> job = ((*client).*call)(request);
  if (!job.ok()) {
    return Fail(session, job.status());
  }
  if (session.json()) {
    session.console.out << JsonText({{"job", JobJson(*job)}});
    return ExitCode::kOk;
  }
  session.console.out << "job " << ShortJob(job->name) << " is "
                      << client::JobStateName(job->status.state) << "\n";
  if (!session.arguments.global.quiet) {
    session.console.err << "next: " << Printable(NextCommand(*job)) << "\n";
  }
  return ExitCode::kOk;
}

// Asks the person at the terminal.
bool Confirmed(const Session& session, const client::Job& job) {
  session.console.err << Printable(absl::StrCat(
                             "Delete job ", ShortJob(job.name), " (",
                             client::JobStateName(job.status.state), ", ",
                             FormatBase(job.spec), " + ",
                             ShortDataset(job.spec.dataset),
                             ") with its events and checkpoints? It cannot be "
                             "undone"))
                      << " [y/N] " << std::flush;
  std::string answer;
  std::getline(session.input, answer);
  answer = absl::AsciiStrToLower(absl::StripAsciiWhitespace(answer));
  return answer == "y" || answer == "yes";
}

// CANCELLED (NOT_CONFIRMED): the person said no.
absl::Status Delete(const Session& session) {
  ASSIGN_OR_RETURN(Client client, Connect(session));
  client::JobRequest request = RequestOf(session);
  if (!session.arguments.train.yes) {
    ASSIGN_OR_RETURN(const client::Job job, client.GetJob(request.name));
    if (!Confirmed(session, job)) {
      return client::ClientError(absl::StatusCode::kCancelled, "NOT_CONFIRMED",
                                 "nothing was deleted");
    }
    // Only what was shown.
    request.etag = job.etag;
  }
  AnnounceCall(session, "DeleteFineTuneJob", request);
  return client.DeleteJob(request);
}

}  // namespace

ExitCode RunTrainRun(const Session& session) {
  return Change(session, "StartFineTuneJob", &Client::StartJob);
}

ExitCode RunTrainPause(const Session& session) {
  return Change(session, "PauseFineTuneJob", &Client::PauseJob);
}

ExitCode RunTrainResume(const Session& session) {
  return Change(session, "ResumeFineTuneJob", &Client::ResumeJob);
}

ExitCode RunTrainCancel(const Session& session) {
  return Change(session, "CancelFineTuneJob", &Client::CancelJob);
}

ExitCode RunTrainDelete(const Session& session) {
  const TrainOptions& options = session.arguments.train;
  if (!options.yes && !session.console.terminal.can_ask) {
    Fail(session, client::ClientError(
                      absl::StatusCode::kInvalidArgument, "NOT_CONFIRMED",
                      "nobody can be asked whether to delete it: add --yes"));
    return ExitCode::kUsage;
  }
  if (const absl::Status status = Delete(session); !status.ok()) {
    return Fail(session, status);
  }
  if (session.json()) {
    session.console.out << JsonText({{"deleted", options.job}});
  } else {
    session.console.out << "deleted job " << ShortJob(options.job) << "\n";
  }
  return ExitCode::kOk;
}

}  // namespace resnetd::cli
