// `resnetctl data upload`.
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/data_text.h"
#include "client/cli/local_data.h"
#include "client/cli/local_file.h"
#include "client/cli/report.h"
#include "client/cli/table.h"
#include "client/cli/text.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"

namespace resnetd::cli {
namespace {

using std::chrono::steady_clock;

constexpr char kUploadMethod[] = "resnetd.v1.DatasetService/UploadExamples";
// People do not read faster than this.
constexpr std::chrono::milliseconds kRedraw(100);
// Where nobody watches, a line says now and then that it goes on.
constexpr std::chrono::seconds kReport(10);
// Rejected pictures that are named; the server has the whole list.
constexpr std::size_t kMaxNamed = 5;

// Shows how far an upload is: one line that is drawn again on a terminal, else
// a line every ten seconds.
class UploadProgress {
 public:
  UploadProgress(const Session& session, const LocalData& data)
      : console_(session.console),
        enabled_(!session.arguments.global.quiet),
        data_(data) {}
  UploadProgress(const UploadProgress&) = delete;
  UploadProgress& operator=(const UploadProgress&) = delete;
  ~UploadProgress() {
    if (visible_) {
      console_.err << "\r\x1b[K" << std::flush;
    }
  }

  void Show(const client::UploadSummary& summary) {
    const steady_clock::time_point now = steady_clock::now();
    const bool live = console_.terminal.err_is_live;
    const auto pause = live ? steady_clock::duration(kRedraw)
                            : steady_clock::duration(kReport);
    if (!enabled_ || (shown_ && now - *shown_ < pause)) {
      return;
    }
    // Where nobody watches, the beginning is not worth a line.
    const bool first = !std::exchange(shown_, now).has_value();
    if (first && !live) {
      return;
    }
    const std::string line =
        UploadLine(summary, static_cast<std::int64_t>(data_.pictures.size()),
                   data_.bytes, now - begun_, console_.terminal);
    if (live) {
      console_.err << "\r" << line << "\x1b[K" << std::flush;
      visible_ = true;
    } else {
      console_.err << line << "\n";
    }
  }

 private:
  const Console& console_;
  const bool enabled_;
  const LocalData& data_;
  const steady_clock::time_point begun_ = steady_clock::now();
  std::optional<steady_clock::time_point> shown_;
  bool visible_ = false;
};

struct Outcome {
  bool created = false;
  client::UploadSummary summary;
  std::map<std::string, std::int64_t> rejected_by_code;
  // The first few.
  std::vector<client::UploadRejection> rejected;
  // As it is afterwards.
  client::Dataset dataset;
  std::int64_t ignored = 0;
};

absl::StatusOr<LocalData> Look(const DataOptions& options) {
  std::vector<std::string> labels;
  if (!options.labels_file.empty()) {
    ASSIGN_OR_RETURN(labels, ReadLabels(options.labels_file));
  }
  ASSIGN_OR_RETURN(LocalData data, LookAt(options.path, labels));
  if (options.split) {
    for (LocalPicture& picture : data.pictures) {
      picture.split = *options.split;
    }
  }
  return data;
}

// The dataset there is, or a new one.
absl::StatusOr<client::Dataset> Prepare(const Session& session, Client& client,
                                        const LocalData& data, bool& created) {
  const std::string& name = session.arguments.data.dataset;
  Announce(session, "resnetd.v1.DatasetService/GetDataset",
           {{"name", absl::StrCat("datasets/", name)}});
  absl::StatusOr<client::Dataset> dataset = client.GetDataset(name);
  if (!absl::IsNotFound(dataset.status())) {
    return dataset;
  }
  created = true;
  Announce(
      session, "resnetd.v1.DatasetService/CreateDataset",
      {{"name", absl::StrCat("datasets/", name)}, {"labels", data.labels}});
  return client.CreateDataset({.name = name, .labels = data.labels});
}

// Labels that the dataset does not have: their pictures will be rejected.
void WarnOfLabels(const Session& session, const LocalData& data,
                  const client::Dataset& dataset) {
  const std::set<std::string> known(dataset.labels.begin(),
                                    dataset.labels.end());
  std::set<std::string> unknown;
  std::int64_t pictures = 0;
  for (const LocalPicture& picture : data.pictures) {
    if (known.count(picture.label) == 0) {
      unknown.insert(picture.label);
      ++pictures;
    }
  }
  if (!unknown.empty()) {
    ReportWarning(
        session.console,
        absl::StrCat(dataset.name, " has no label ", Quoted(*unknown.begin()),
                     unknown.size() > 1
                         ? absl::StrCat(" and ", unknown.size() - 1,
                                        " others of these data")
                         : "",
                     ": ", FormatCount(pictures),
                     " pictures will be rejected; a dataset's labels are set "
                     "when it is made"));
  }
}

absl::Status Send(const Session& session, Client& client, const LocalData& data,
                  Outcome& outcome) {
  const client::UploadRequest request{.dataset = session.arguments.data.dataset,
                                      .upload = UploadNameOf(data)};
  Announce(session, kUploadMethod,
           {{"header",
             {{"dataset", absl::StrCat("datasets/", request.dataset)},
              {"upload", request.upload}}}});
  UploadProgress progress(session, data);
  const client::UploadListener listener{
      .on_progress =
          [&progress](const client::UploadSummary& summary) {
            progress.Show(summary);
          },
      .on_rejected =
          [&outcome](const client::UploadRejection& rejection) {
            ++outcome.rejected_by_code[rejection.code];
            if (outcome.rejected.size() < kMaxNamed) {
              outcome.rejected.push_back(rejection);
            }
          }};
  const std::unique_ptr<client::ExampleSource> source = SourceOf(data);
  ASSIGN_OR_RETURN(outcome.summary,
                   client.UploadExamples(request, *source, listener));
  return absl::OkStatus();
}

absl::StatusOr<Outcome> Run(const Session& session) {
  const DataOptions& options = session.arguments.data;
  ASSIGN_OR_RETURN(Client client, Connect(session));
  ASSIGN_OR_RETURN(const LocalData data, Look(options));
  Outcome outcome{.ignored = data.ignored};
  ASSIGN_OR_RETURN(const client::Dataset dataset,
                   Prepare(session, client, data, outcome.created));
  WarnOfLabels(session, data, dataset);
  RETURN_IF_ERROR(Send(session, client, data, outcome));
  if (options.seal) {
    Announce(session, "resnetd.v1.DatasetService/SealDataset",
             {{"name", dataset.name}});
    ASSIGN_OR_RETURN(outcome.dataset,
                     client.SealDataset({.name = options.dataset}));
  } else {
    ASSIGN_OR_RETURN(outcome.dataset, client.GetDataset(options.dataset));
  }
  return outcome;
}

Json OutcomeJson(const Outcome& outcome) {
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

void NameRejected(const Session& session, const Outcome& outcome) {
  if (outcome.summary.rejected == 0) {
    return;
  }
  for (const client::UploadRejection& rejection : outcome.rejected) {
    ReportWarning(session.console,
                  absl::StrCat(rejection.name, ": ", rejection.message, " (",
                               rejection.code, ")"));
  }
  const auto named = static_cast<std::int64_t>(outcome.rejected.size());
  if (outcome.summary.rejected > named) {
    ReportWarning(session.console,
                  absl::StrCat("and ", outcome.summary.rejected - named,
                               " more; `resnetctl data rejected ",
                               session.arguments.data.dataset, "` lists them"));
  }
}

void PrintTable(const Session& session, const Outcome& outcome) {
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
  const absl::StatusOr<Outcome> outcome = Run(session);
  if (!outcome.ok()) {
    return Fail(session, outcome.status());
  }
  NameRejected(session, *outcome);
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
