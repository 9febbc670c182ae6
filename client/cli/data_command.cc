// The commands of `resnetctl data` that are one call: list, show, rejected,
// seal, delete.
#include <istream>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/data_text.h"
#include "client/cli/model_text.h"
#include "client/cli/table.h"
#include "client/cli/text.h"
#include "client/error_info.h"
#include "server/base/ids.h"
#include "server/base/status_macros.h"

namespace resnetd::cli {
namespace {

// "pets" of "datasets/pets".
std::string ShortDataset(const std::string& name) {
  return name.substr(name.rfind('/') + 1);
}

Json NameJson(const Session& session) {
  return {{"name", absl::StrCat("datasets/", session.arguments.data.dataset)}};
}

client::DatasetChange ChangeOf(const DataOptions& options) {
  return {.name = options.dataset,
          .request_id =
              options.request_id.empty() ? NewRequestId() : options.request_id};
}

// Asks the person at the terminal.
bool Confirmed(const Session& session, const client::Dataset& dataset) {
  session.console.err << Printable(absl::StrCat("Delete ", dataset.name, " (",
                                                Describe(dataset),
                                                ")? It cannot be undone"))
                      << " [y/N] " << std::flush;
  std::string answer;
  std::getline(session.input, answer);
  answer = absl::AsciiStrToLower(absl::StripAsciiWhitespace(answer));
  return answer == "y" || answer == "yes";
}

// CANCELLED (NOT_CONFIRMED): the person said no.
absl::StatusOr<client::Dataset> Delete(const Session& session) {
  const DataOptions& options = session.arguments.data;
  ASSIGN_OR_RETURN(Client client, Connect(session));
  client::DatasetChange change = ChangeOf(options);
  if (!options.yes) {
    Announce(session, "resnetd.v1.DatasetService/GetDataset",
             NameJson(session));
    ASSIGN_OR_RETURN(const client::Dataset dataset,
                     client.GetDataset(options.dataset));
    if (!Confirmed(session, dataset)) {
      return client::ClientError(absl::StatusCode::kCancelled, "NOT_CONFIRMED",
                                 "nothing was deleted");
    }
    // Only what was shown.
    change.etag = dataset.etag;
  }
  Announce(session, "resnetd.v1.DatasetService/DeleteDataset",
           NameJson(session));
  return client.DeleteDataset(change);
}

}  // namespace

ExitCode RunDataList(const Session& session) {
  const auto call = [&]() -> absl::StatusOr<std::vector<client::Dataset>> {
    ASSIGN_OR_RETURN(Client client, Connect(session));
    Announce(session, "resnetd.v1.DatasetService/ListDatasets", Json::object());
    return client.ListDatasets();
  };
  const absl::StatusOr<std::vector<client::Dataset>> datasets = call();
  if (!datasets.ok()) {
    return Fail(session, datasets.status());
  }
  if (session.json()) {
    Json list = Json::array();
    for (const client::Dataset& dataset : *datasets) {
      list.push_back(DatasetJson(dataset));
      // The server leaves them out of a list; none would be a lie.
      list.back().erase("labels");
    }
    session.console.out << JsonText({{"datasets", list}});
    return ExitCode::kOk;
  }
  Table table({{.heading = "DATASET"},
               {.heading = "STATE"},
               {.heading = "CLASSES", .align = Align::kRight},
               {.heading = "PICTURES", .align = Align::kRight},
               {.heading = "REJECTED", .align = Align::kRight},
               {.heading = "SIZE", .align = Align::kRight},
               {.heading = "CREATED"}});
  for (const client::Dataset& dataset : *datasets) {
    table.AddRow(
        {ShortDataset(dataset.name),
         std::string(DatasetStateName(dataset.state)),
         FormatCount(dataset.num_classes), FormatCount(dataset.example_count),
         FormatCount(dataset.rejected_count), FormatBytes(dataset.size_bytes),
         FormatTime(dataset.create_time)});
  }
  session.console.out << table.Render();
  if (datasets->empty() && !session.arguments.global.quiet) {
    session.console.err
        << "next: resnetctl data upload FOLDER --dataset NAME\n";
  }
  return ExitCode::kOk;
}

ExitCode RunDataShow(const Session& session) {
  const DataOptions& options = session.arguments.data;
  const auto call = [&]() -> absl::StatusOr<client::DescribedDataset> {
    ASSIGN_OR_RETURN(Client client, Connect(session));
    Json request = NameJson(session);
    request["include_report"] = true;
    request["split"] = {{"validation", options.division.validation},
                        {"test", options.division.test},
                        {"seed", options.division.seed}};
    Announce(session, "resnetd.v1.DatasetService/GetDataset", request);
    return client.DescribeDataset(options.dataset, options.division);
  };
  const absl::StatusOr<client::DescribedDataset> described = call();
  if (!described.ok()) {
    return Fail(session, described.status());
  }
  if (session.json()) {
    session.console.out << JsonText(
        {{"dataset", DatasetJson(described->dataset)},
         {"report", ReportJson(described->report)}});
    return ExitCode::kOk;
  }
  session.console.out << ReportText(*described, session.console.terminal);
  if (described->dataset.state == client::DatasetState::kOpen &&
      !session.arguments.global.quiet) {
    session.console.err << "next: resnetctl data seal " << options.dataset
                        << "\n";
  }
  return ExitCode::kOk;
}

ExitCode RunDataRejected(const Session& session) {
  const DataOptions& options = session.arguments.data;
  const auto call =
      [&]() -> absl::StatusOr<std::vector<client::RejectedExample>> {
    ASSIGN_OR_RETURN(Client client, Connect(session));
    Announce(session, "resnetd.v1.DatasetService/ListRejectedExamples",
             {{"parent", absl::StrCat("datasets/", options.dataset)}});
    return client.ListRejectedExamples(options.dataset,
                                       static_cast<std::size_t>(options.limit));
  };
  const absl::StatusOr<std::vector<client::RejectedExample>> rejected = call();
  if (!rejected.ok()) {
    return Fail(session, rejected.status());
  }
  if (session.json()) {
    Json list = Json::array();
    for (const client::RejectedExample& one : *rejected) {
      list.push_back({{"sequence", one.sequence},
                      {"name", one.name},
                      {"label", one.label},
                      {"code", one.code},
                      {"message", one.message}});
    }
    session.console.out << JsonText({{"rejected", list}});
    return ExitCode::kOk;
  }
  Table table({{.heading = "PICTURE", .max_width = 40},
               {.heading = "LABEL", .max_width = 20},
               {.heading = "CODE"},
               {.heading = "WHY"}});
  for (const client::RejectedExample& one : *rejected) {
    table.AddRow({one.name, one.label, one.code, one.message});
  }
  session.console.out << table.Render();
  return ExitCode::kOk;
}

ExitCode RunDataSeal(const Session& session) {
  const auto call = [&]() -> absl::StatusOr<client::Dataset> {
    ASSIGN_OR_RETURN(Client client, Connect(session));
    Announce(session, "resnetd.v1.DatasetService/SealDataset",
             NameJson(session));
    return client.SealDataset(ChangeOf(session.arguments.data));
  };
  const absl::StatusOr<client::Dataset> dataset = call();
  if (!dataset.ok()) {
    return Fail(session, dataset.status());
  }
  if (session.json()) {
    session.console.out << JsonText({{"dataset", DatasetJson(*dataset)}});
  } else {
    session.console.out << Printable(absl::StrCat(dataset->name, " is sealed: ",
                                                  Describe(*dataset)))
                        << "\ndigest " << Printable(dataset->digest) << "\n";
  }
  return ExitCode::kOk;
}

ExitCode RunDataDelete(const Session& session) {
  if (!session.arguments.data.yes && !session.console.terminal.can_ask) {
    Fail(session, client::ClientError(
                      absl::StatusCode::kInvalidArgument, "NOT_CONFIRMED",
                      "nobody can be asked whether to delete it: say --yes"));
    return ExitCode::kUsage;
  }
  const absl::StatusOr<client::Dataset> dataset = Delete(session);
  if (!dataset.ok()) {
    return Fail(session, dataset.status());
  }
  if (session.json()) {
    session.console.out << JsonText({{"dataset", DatasetJson(*dataset)}});
  } else {
    session.console.out << Printable(absl::StrCat("deleted ", dataset->name))
                        << "\n";
  }
  return ExitCode::kOk;
}

}  // namespace resnetd::cli
