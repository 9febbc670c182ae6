// The commands that show jobs: list, show, logs, watch.
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/job_json.h"
#include "client/cli/job_text.h"
#include "client/cli/model_ref.h"
#include "client/cli/model_text.h"
#include "client/cli/recipe_text.h"
#include "client/cli/report.h"
#include "client/cli/table.h"
#include "client/cli/text.h"
#include "client/cli/train_watch.h"
#include "server/base/status_macros.h"

namespace resnetd::cli {
namespace {

constexpr std::size_t kMaxNameColumns = 30;

std::string ProgressText(const client::JobStatus& status) {
  return status.total_steps > 0
             ? absl::StrCat(status.step, "/", status.total_steps)
             : "-";
}

Table JobsTable(const std::vector<client::Job>& jobs) {
  Table table({{"JOB", Align::kRight},
               {"STATE"},
               {"BASE"},
               {"DATASET"},
               {"STEP", Align::kRight},
               {"BEST", Align::kRight},
               {"RESULT"},
               {"PROMOTION"},
               {"CREATED (UTC)"},
               {"NAME", Align::kLeft, kMaxNameColumns}});
  for (const client::Job& job : jobs) {
    const client::JobStatus& status = job.status;
    table.AddRow(
        {ShortJob(job.name), std::string(client::JobStateName(status.state)),
         FormatBase(job.spec), ShortDataset(job.spec.dataset),
         ProgressText(status),
         status.best_evaluation ? FormatShare(status.best_evaluation->accuracy)
                                : "-",
         status.result_version > 0 ? absl::StrCat(ShortName(job.spec.model),
                                                  "@", status.result_version)
                                   : "-",
         FormatPromotion(job.spec).empty()
             ? "-"
             : std::string(client::PromotionStateName(status.promotion)),
         FormatTime(job.create_time), job.spec.display_name});
  }
  return table;
}

absl::StatusOr<client::Job> AskJob(const Session& session, Client& client) {
  const std::string& name = session.arguments.train.job;
  Announce(session, "resnetd.v1.FineTuneService/GetFineTuneJob",
           {{"name", name}});
  return client.GetJob(name);
}

absl::StatusOr<std::vector<client::JobEvent>> AskEvents(
    const Session& session) {
  const TrainOptions& options = session.arguments.train;
  ASSIGN_OR_RETURN(Client client, Connect(session));
  client::WatchJobRequest request = {.job = options.job,
                                     .after_sequence = options.after_sequence};
  if (!options.steps) {
    for (int kind = 1;
         kind <= static_cast<int>(client::JobEventKind::kAlarmCleared);
         ++kind) {
      const auto one = static_cast<client::JobEventKind>(kind);
      if (one != client::JobEventKind::kStepMetrics &&
          one != client::JobEventKind::kBlockGradients) {
        request.kinds.push_back(one);
      }
    }
  }
  Announce(session, "resnetd.v1.FineTuneService/ListFineTuneJobEvents",
           {{"parent", options.job},
            {"after_sequence", options.after_sequence},
            {"page_size", 1000}});
  return client.ListJobEvents(request);
}

}  // namespace

ExitCode RunTrainList(const Session& session) {
  absl::StatusOr<Client> client = Connect(session);
  if (!client.ok()) {
    return Fail(session, client.status());
  }
  const std::vector<client::JobState>& states = session.arguments.train.states;
  Json request = Json::object();
  for (const client::JobState state : states) {
    request["states"].push_back(
        absl::StrCat("JOB_STATE_", client::JobStateName(state)));
  }
  Announce(session, "resnetd.v1.FineTuneService/ListFineTuneJobs", request);
  const absl::StatusOr<std::vector<client::Job>> jobs =
      client->ListJobs(states);
  if (!jobs.ok()) {
    return Fail(session, jobs.status());
  }
  if (session.json()) {
    Json list = Json::array();
    for (const client::Job& job : *jobs) {
      list.push_back(JobJson(job));
    }
    session.console.out << JsonText({{"jobs", list}});
    return ExitCode::kOk;
  }
  session.console.out << JobsTable(*jobs).Render();
  if (jobs->empty()) {
    ReportWarning(session.console,
                  states.empty()
                      ? "there are no jobs: `resnetctl train start` makes one"
                      : "there are no jobs in these states");
  }
  return ExitCode::kOk;
}

ExitCode RunTrainShow(const Session& session) {
  absl::StatusOr<Client> client = Connect(session);
  if (!client.ok()) {
    return Fail(session, client.status());
  }
  const absl::StatusOr<client::Job> job = AskJob(session, *client);
  if (!job.ok()) {
    return Fail(session, job.status());
  }
  if (session.json()) {
    session.console.out << JsonText({{"job", JobJson(*job)}});
    return ExitCode::kOk;
  }
  Table table({{}, {}});
  AddJob(*job, table);
  if (job->status.recipe) {
    AddRecipe(*job->status.recipe, table);
  }
  session.console.out << table.Render();
  if (job->status.gate) {
    session.console.out << "\n" << GateTable(*job->status.gate).Render();
  }
  if (!session.arguments.global.quiet) {
    session.console.err << "next: " << Printable(NextCommand(*job)) << "\n";
  }
  return ExitCode::kOk;
}

ExitCode RunTrainLogs(const Session& session) {
  const absl::StatusOr<std::vector<client::JobEvent>> events =
      AskEvents(session);
  if (!events.ok()) {
    return Fail(session, events.status());
  }
  for (const client::JobEvent& event : *events) {
    if (session.json()) {
      session.console.out << JsonLine(JobEventJson(event));
    } else {
      session.console.out << EventLine(event) << "\n";
    }
  }
  return ExitCode::kOk;
}

ExitCode RunTrainWatch(const Session& session) {
  absl::StatusOr<Client> client = Connect(session);
  if (!client.ok()) {
    return Fail(session, client.status());
  }
  const absl::StatusOr<client::Job> job = AskJob(session, *client);
  if (!job.ok()) {
    return Fail(session, job.status());
  }
  return WatchJob(session, *client, *job,
                  session.arguments.train.after_sequence);
}

}  // namespace resnetd::cli
