// `resnetctl train start`.
#include <ostream>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/data_text.h"
#include "client/cli/data_upload.h"
#include "client/cli/job_json.h"
#include "client/cli/job_text.h"
#include "client/cli/model_lookup.h"
#include "client/cli/recipe_text.h"
#include "client/cli/table.h"
#include "client/cli/text.h"
#include "client/cli/train_watch.h"
#include "client/error_info.h"
#include "server/base/ids.h"
#include "server/base/status_macros.h"

namespace resnetd::cli {
namespace {

// The model that answers calls which name none.
absl::StatusOr<std::string> DefaultModel(const Session& session,
                                         Client& client) {
  Announce(session, "resnetd.v1.ModelService/ListModels", Json());
  ASSIGN_OR_RETURN(const client::ModelList list, client.ListModels());
  for (const client::Model& model : list.models) {
    if (model.is_default) {
      return model.name;
    }
  }
  return client::ClientError(
      absl::StatusCode::kInvalidArgument, "NO_DEFAULT_MODEL",
      "the server has no default model: say which one with --model; "
      "`resnetctl models list` shows what there is");
}

absl::Status Contradiction(absl::string_view text) {
  return client::ClientError(absl::StatusCode::kInvalidArgument,
                             "CONTRADICTORY_OPTIONS", text);
}

// Fills in the model, and the version that is fine-tuned when one is named.
absl::Status NameModel(const Session& session, Client& client,
                       client::JobSpec& spec) {
  const ModelRef& ref = session.arguments.train.start.model;
  if (!spec.architecture.empty() && ref.model.empty()) {
    return Contradiction(
        "--scratch makes a version of the model that --model "
        "names: add --model NAME");
  }
  if (spec.base_version > 0 && (ref.version || !ref.alias.empty())) {
    return Contradiction(
        "--base and the version that --model names are one "
        "too many");
  }
  if (ref.model.empty()) {
    ASSIGN_OR_RETURN(spec.model, DefaultModel(session, client));
    return absl::OkStatus();
  }
  spec.model = ref.Resource();
  if (ref.version || !ref.alias.empty()) {
    ASSIGN_OR_RETURN(const std::string version,
                     AskVersionName(session, client, ref));
    ModelRef base;
    ParseModelRef(version, base);
    spec.base_version = base.version.value_or(0);
  }
  return absl::OkStatus();
}

absl::Status CheckData(const TrainStartOptions& options) {
  const bool has_dataset = !options.spec.dataset.empty();
  if (options.data.empty()) {
    return has_dataset
               ? absl::OkStatus()
               : Contradiction(
                     "say what to train on: --data PATH, pictures of this "
                     "machine, or --dataset NAME, a dataset of the server");
  }
  if (has_dataset) {
    return Contradiction("--data and --dataset are one too many");
  }
  if (options.estimate) {
    return Contradiction(
        "--estimate changes nothing, and --data would send pictures: send them "
        "with `resnetctl data upload` and name them with --dataset");
  }
  if (options.dry_run) {
    return Contradiction(
        "--dry-run changes nothing, and --data would send pictures: send them "
        "with `resnetctl data upload` and name them with --dataset");
  }
  return absl::OkStatus();
}

// Sends the pictures that --data names, and says where they are.
absl::Status SendData(const Session& session, Client& client,
                      client::JobSpec& spec) {
  ASSIGN_OR_RETURN(
      const UploadOutcome outcome,
      EnsureDataset(session, client, session.arguments.train.start.data));
  ReportRejected(session, outcome);
  spec.dataset = outcome.dataset.name;
  if (!session.json() && !session.arguments.global.quiet) {
    session.console.out << Printable(absl::StrCat(
                               "dataset ", ShortDataset(spec.dataset), ": ",
                               Describe(outcome.dataset)))
                        << "\n"
                        << std::flush;
  }
  return absl::OkStatus();
}

absl::StatusOr<client::CreatedJob> Create(const Session& session,
                                          Client& client) {
  const TrainOptions& options = session.arguments.train;
  client::CreateJobRequest request = {.spec = options.start.spec,
                                      .manual = options.start.manual,
                                      .request_id = options.request_id.empty()
                                                        ? NewRequestId()
                                                        : options.request_id,
                                      .validate_only = options.start.dry_run};
  RETURN_IF_ERROR(NameModel(session, client, request.spec));
  if (!options.start.data.empty()) {
    RETURN_IF_ERROR(SendData(session, client, request.spec));
  }
  Announce(session, "resnetd.v1.FineTuneService/CreateFineTuneJob",
           CreateJobJson(request));
  return client.CreateJob(std::move(request));
}

void PrintChecked(const Session& session, const client::Job& job) {
  std::ostream& out = session.console.out;
  out << "checked, nothing was changed: the job would be taken\n";
  Table table({{}, {}});
  AddJob(job, table);
  if (job.status.recipe) {
    AddRecipe(*job.status.recipe, table);
  }
  out << table.Render();
}

absl::StatusOr<client::JobEstimate> Estimate(const Session& session) {
  ASSIGN_OR_RETURN(Client client, Connect(session));
  client::CreateJobRequest request = {.spec =
                                          session.arguments.train.start.spec};
  RETURN_IF_ERROR(NameModel(session, client, request.spec));
  Announce(session, "resnetd.v1.FineTuneService/EstimateFineTuneJob",
           CreateJobJson(request));
  return client.EstimateJob(request.spec);
}

ExitCode RunEstimate(const Session& session) {
  const absl::StatusOr<client::JobEstimate> estimate = Estimate(session);
  if (!estimate.ok()) {
    return Fail(session, estimate.status());
  }
  if (session.json()) {
    session.console.out << JsonText({{"estimate", EstimateJson(*estimate)}});
    return ExitCode::kOk;
  }
  Table table({{}, {}});
  AddEstimate(*estimate, table);
  session.console.out << "measured, nothing was changed\n" << table.Render();
  return ExitCode::kOk;
}

}  // namespace

ExitCode RunTrainStart(const Session& session) {
  const TrainStartOptions& options = session.arguments.train.start;
  if (absl::Status checked = CheckData(options); !checked.ok()) {
    return Fail(session, checked);
  }
  if (options.estimate) {
    return RunEstimate(session);
  }
  absl::StatusOr<Client> client = Connect(session);
  if (!client.ok()) {
    return Fail(session, client.status());
  }
  const absl::StatusOr<client::CreatedJob> created = Create(session, *client);
  if (!created.ok()) {
    return Fail(session, created.status());
  }
  const client::Job& job = created->job;
  if (session.json()) {
    const Json document = {{"job", JobJson(job)},
                           {"created", created->created},
                           {"dry_run", options.dry_run}};
    session.console.out << (options.watch ? JsonLine(document)
                                          : JsonText(document));
  } else if (options.dry_run) {
    PrintChecked(session, job);
  } else {
    session.console.out << Printable(absl::StrCat(
                               "job ", ShortJob(job.name), " is ",
                               client::JobStateName(job.status.state), ": ",
                               FormatBase(job.spec), " + ",
                               ShortDataset(job.spec.dataset)))
                        << "\n"
                        << std::flush;
  }
  if (options.dry_run) {
    return ExitCode::kOk;
  }
  if (options.watch) {
    return WatchJob(session, *client, job, 0);
  }
  if (!session.arguments.global.quiet && !session.json()) {
    session.console.err << "next: " << Printable(NextCommand(job)) << "\n";
  }
  return ExitCode::kOk;
}

}  // namespace resnetd::cli
