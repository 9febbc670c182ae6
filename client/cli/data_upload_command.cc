// `resnetctl data upload`.
#include <ostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/data_text.h"
#include "client/cli/data_upload.h"
#include "client/cli/table.h"
#include "client/cli/text.h"
#include "server/base/status_macros.h"

namespace resnetd::cli {
namespace {

absl::StatusOr<UploadOutcome> Upload(const Session& session) {
  const DataOptions& options = session.arguments.data;
  ASSIGN_OR_RETURN(Client client, Connect(session));
  return UploadData(session, client,
                    {.path = options.path,
                     .dataset = options.dataset,
                     .labels_file = options.labels_file,
                     .split = options.split,
                     .seal = options.seal});
}

Json OutcomeJson(const UploadOutcome& outcome) {
  const client::UploadSummary& summary = outcome.summary;
  Json rejected = Json::object();
  for (const auto& [code, count] : outcome.rejected_by_code) {
    rejected[code] = count;
  }
  return {{"dataset", DatasetJson(outcome.dataset)},
          {"created", outcome.created},
          {"resumed_at", summary.resumed_at},
          {"next_index", summary.next_index},
          {"bytes", summary.bytes},
          {"accepted", summary.accepted},
          {"duplicates", summary.duplicates},
          {"rejected", summary.rejected},
          {"rejected_by_code", rejected},
          {"unanswered", summary.unanswered},
          {"ignored_files", outcome.ignored}};
}

void PrintTable(const Session& session, const UploadOutcome& outcome) {
  const client::UploadSummary& summary = outcome.summary;
  Table table({{}, {}});
  table.AddRow({outcome.created ? "created" : "dataset", outcome.dataset.name});
  if (summary.resumed_at > 0) {
    table.AddRow(
        {"went on behind", absl::StrCat(FormatCount(summary.resumed_at),
                                        " pictures sent before")});
  }
  table.AddRow({"taken", FormatCount(summary.accepted)});
  if (summary.duplicates > 0) {
    table.AddRow({"there already", FormatCount(summary.duplicates)});
  }
  for (const auto& [code, count] : outcome.rejected_by_code) {
    table.AddRow({"rejected", absl::StrCat(FormatCount(count), " ", code)});
  }
  if (outcome.ignored > 0) {
    table.AddRow({"no pictures", absl::StrCat(FormatCount(outcome.ignored),
                                              " files passed over")});
  }
  table.AddRow({"is", Describe(outcome.dataset)});
  if (!outcome.dataset.digest.empty()) {
    table.AddRow({"digest", outcome.dataset.digest});
  }
  session.console.out << table.Render();
  if (session.arguments.global.quiet) {
    return;
  }
  const std::string& name = session.arguments.data.dataset;
  session.console.err << "next: resnetctl data show " << name << "\n";
  if (outcome.dataset.state == client::DatasetState::kOpen) {
    session.console.err << "      resnetctl data seal " << name << "\n";
  }
}

}  // namespace

ExitCode RunDataUpload(const Session& session) {
  const absl::StatusOr<UploadOutcome> outcome = Upload(session);
  if (!outcome.ok()) {
    return Fail(session, outcome.status());
  }
  ReportRejected(session, *outcome);
  if (session.json()) {
    session.console.out << JsonText(OutcomeJson(*outcome));
  } else {
    PrintTable(session, *outcome);
  }
  // Some rejected pictures are daily life; nothing but them is a failure.
  return outcome->dataset.example_count == 0 ? ExitCode::kInvalidInput
                                             : ExitCode::kOk;
}

}  // namespace resnetd::cli
