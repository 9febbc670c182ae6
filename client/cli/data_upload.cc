#include "client/cli/data_upload.h"

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <ostream>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/cli/data_text.h"
#include "client/cli/job_text.h"
#include "client/cli/local_file.h"
#include "client/cli/report.h"
#include "client/cli/status_line.h"
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
// A dataset's name has at most 64 characters. Its end is 32 bits of a hash: of
// 1,000 versions of a folder two get one name with a chance of 1 in 8,600.
constexpr std::size_t kMaxPlainName = 48;
constexpr std::size_t kNameDigits = 8;

// Shows how far an upload is: one line that is drawn again on a terminal, else
// a line every ten seconds.
class UploadProgress {
 public:
  UploadProgress(const Session& session, const LocalData& data)
      : console_(session.console),
        is_quiet_(session.arguments.global.quiet),
        data_(data),
        line_(session.console, !is_quiet_) {}

  void Show(const client::UploadSummary& summary) {
    const steady_clock::time_point now = steady_clock::now();
    const bool live = line_.enabled();
    const auto pause = live ? steady_clock::duration(kRedraw)
                            : steady_clock::duration(kReport);
    if (is_quiet_ || (shown_ && now - *shown_ < pause)) {
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
      line_.Show(line);
    } else {
      console_.err << line << "\n";
    }
  }

 private:
  const Console& console_;
  const bool is_quiet_;
  const LocalData& data_;
  const steady_clock::time_point begun_ = steady_clock::now();
  std::optional<steady_clock::time_point> shown_;
  StatusLine line_;
};

absl::StatusOr<LocalData> Look(const UploadWish& wish) {
  std::vector<std::string> labels;
  if (!wish.labels_file.empty()) {
    ASSIGN_OR_RETURN(labels, ReadLabels(wish.labels_file));
  }
  ASSIGN_OR_RETURN(LocalData data, LookAt(wish.path, labels));
  if (wish.split) {
    for (LocalPicture& picture : data.pictures) {
      picture.split = *wish.split;
    }
  }
  return data;
}

// The dataset there is, or a new one.
absl::StatusOr<client::Dataset> Prepare(const Session& session, Client& client,
                                        const std::string& name,
                                        const LocalData& data, bool& created) {
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

absl::Status Send(const Session& session, Client& client,
                  const std::string& dataset, const LocalData& data,
                  UploadOutcome& outcome) {
  const client::UploadRequest request{.dataset = dataset,
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

absl::StatusOr<UploadOutcome> Upload(const Session& session, Client& client,
                                     const UploadWish& wish,
                                     const LocalData& data) {
  UploadOutcome outcome{.ignored = data.ignored};
  ASSIGN_OR_RETURN(
      const client::Dataset dataset,
      Prepare(session, client, wish.dataset, data, outcome.created));
  WarnOfLabels(session, data, dataset);
  RETURN_IF_ERROR(Send(session, client, wish.dataset, data, outcome));
  if (wish.seal) {
    Announce(session, "resnetd.v1.DatasetService/SealDataset",
             {{"name", dataset.name}});
    ASSIGN_OR_RETURN(outcome.dataset,
                     client.SealDataset({.name = wish.dataset}));
  } else {
    ASSIGN_OR_RETURN(outcome.dataset, client.GetDataset(wish.dataset));
  }
  return outcome;
}

// "Pets & more/" and "pets-more.tar.gz" give "pets-more": what a dataset's name
// may hold.
std::string PlainName(const std::string& path) {
  std::error_code none;
  const std::filesystem::path whole =
      std::filesystem::absolute(path, none).lexically_normal();
  const std::string last =
      (whole.has_filename() ? whole : whole.parent_path()).filename().string();
  std::string name;
  for (const char c : last.substr(0, last.find('.'))) {
    if (absl::ascii_isalnum(static_cast<unsigned char>(c))) {
      name += absl::ascii_tolower(static_cast<unsigned char>(c));
    } else if (!name.empty() && name.back() != '-') {
      name += '-';
    }
    if (name.size() == kMaxPlainName) {
      break;
    }
  }
  while (!name.empty() && name.back() == '-') {
    name.pop_back();
  }
  return name.empty() ? "data" : name;
}

}  // namespace

std::string DatasetNameOf(const std::string& path, const LocalData& data) {
  const std::string upload = UploadNameOf(data);
  return absl::StrCat(PlainName(path), "-",
                      upload.substr(upload.size() - kNameDigits));
}

absl::StatusOr<UploadOutcome> UploadData(const Session& session, Client& client,
                                         const UploadWish& wish) {
  ASSIGN_OR_RETURN(const LocalData data, Look(wish));
  return Upload(session, client, wish, data);
}

absl::StatusOr<UploadOutcome> EnsureDataset(const Session& session,
                                            Client& client,
                                            const std::string& path) {
  UploadWish wish{.path = path, .seal = true};
  ASSIGN_OR_RETURN(const LocalData data, Look(wish));
  wish.dataset = DatasetNameOf(path, data);
  Announce(session, "resnetd.v1.DatasetService/GetDataset",
           {{"name", absl::StrCat("datasets/", wish.dataset)}});
  absl::StatusOr<client::Dataset> there = client.GetDataset(wish.dataset);
  if (there.ok() && there->state == client::DatasetState::kSealed) {
    return UploadOutcome{.dataset = *std::move(there), .ignored = data.ignored};
  }
  return Upload(session, client, wish, data);
}

void ReportRejected(const Session& session, const UploadOutcome& outcome) {
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
    ReportWarning(
        session.console,
        absl::StrCat("and ", outcome.summary.rejected - named,
                     " more; `resnetctl data rejected ",
                     ShortDataset(outcome.dataset.name), "` lists them"));
  }
}

}  // namespace resnetd::cli
