#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/classify_run.h"
#include "client/cli/classify_text.h"
#include "client/cli/commands.h"
#include "client/cli/local_file.h"
#include "client/cli/npy.h"
#include "client/cli/progress.h"
#include "client/cli/report.h"
#include "client/cli/text.h"
#include "server/base/status_macros.h"

namespace resnetd::cli {
namespace {

constexpr absl::string_view kMethod = "resnetd.v1.ClassificationService/Embed";
// Of the values of a picture, those that a person is shown.
constexpr std::size_t kShownValues = 4;

// A request of pictures without predictions.
client::ClassifyRequest RequestOf(const EmbedOptions& options) {
  client::ClassifyRequest request;
  request.model = options.model;
  request.request_id = options.request_id;
  request.fail_fast = options.fail_fast;
  request.timing = true;
  // As `classify` does it.
  request.priority = options.images.size() > 1 ? client::Priority::kBatch
                                               : client::Priority::kNormal;
  return request;
}

// Embed, with the features where Classify has them, too.
absl::StatusOr<client::ClassifyAnswer> Embed(Client& client,
                                             client::ClassifyRequest request) {
  ASSIGN_OR_RETURN(client::EmbedAnswer answer,
                   client.Embed({.model = std::move(request.model),
                                 .images = std::move(request.images),
                                 .request_id = std::move(request.request_id),
                                 .priority = request.priority,
                                 .timing = request.timing,
                                 .fail_fast = request.fail_fast}));
  client::ClassifyAnswer out{.results = {},
                             .served_by = std::move(answer.served_by),
                             .timing = answer.timing,
                             .request_id = std::move(answer.request_id)};
  for (absl::StatusOr<std::vector<float>>& embedding : answer.embeddings) {
    if (embedding.ok()) {
      out.results.emplace_back(
          client::Classification{.embedding = *std::move(embedding)});
    } else {
      out.results.emplace_back(embedding.status());
    }
  }
  return out;
}

void PrintEmbedding(const Console& console, const ImageOutcome& outcome) {
  if (!outcome.result.ok()) {
    PrintPictureError(console, outcome);
    return;
  }
  const std::vector<float>& values = outcome.result->embedding;
  double squares = 0;
  for (const float value : values) {
    squares += static_cast<double>(value) * value;
  }
  console.out << PictureTitle(console, outcome.image) << "\n"
              << absl::StrFormat("  %d values, norm %.4g:", values.size(),
                                 std::sqrt(squares));
  for (std::size_t i = 0; i < std::min(values.size(), kShownValues); ++i) {
    console.out << absl::StrFormat(" %.4g", values[i]);
  }
  console.out << (values.size() > kShownValues ? " ..." : "") << "\n";
}

Json EmbeddingJson(const ImageOutcome& outcome) {
  Json out = PictureJson(outcome);
  if (outcome.result.ok()) {
    out["embedding"] = FloatsJson(outcome.result->embedding);
  }
  return out;
}

// `rows`: one for each picture, empty where it failed.
absl::Status WriteNpy(const Session& session,
                      const std::vector<std::vector<float>>& rows,
                      NewFile& file) {
  std::size_t columns = 0;
  for (const std::vector<float>& row : rows) {
    columns = std::max(columns, row.size());
  }
  RETURN_IF_ERROR(file.Write(NpyFile(rows, columns)));
  RETURN_IF_ERROR(file.Commit());
  if (!session.arguments.global.quiet) {
    session.console.err << "wrote " << Printable(session.arguments.embed.npy)
                        << ": " << rows.size() << " x " << columns << "\n";
  }
  return absl::OkStatus();
}

// Every picture, and what there is to say in the end.
ExitCode EmbedAll(const Session& session, Client& client,
                  std::optional<NewFile>& npy) {
  const EmbedOptions& options = session.arguments.embed;
  const auto start = std::chrono::steady_clock::now();
  ClassifyRun run({.request = RequestOf(options)},
                  [&client](client::ClassifyRequest request) {
                    return Embed(client, std::move(request));
                  });
  run.Inspect(options.images, session.input);
  AnnouncePictures(session, kMethod, options.images.front(),
                   options.images.size(), {{"options", {{"timing", true}}}});
  Progress progress(session.console, "embedded", run.images(),
                    run.images() > 1 && !session.arguments.global.quiet);
  progress.Show(0);
  Json images = Json::array();
  std::vector<std::vector<float>> rows;
  std::size_t done = 0;
  const ClassifySummary summary = run.Run([&](const ImageOutcome& outcome) {
    progress.Clear();
    if (session.json()) {
      images.push_back(EmbeddingJson(outcome));
    } else if (!outcome.bystander) {
      PrintEmbedding(session.console, outcome);
    }
    if (npy) {
      rows.push_back(outcome.result.ok() ? outcome.result->embedding
                                         : std::vector<float>());
    }
    progress.Show(++done);
  });
  progress.Clear();
  if (session.json()) {
    Json document = {{"images", std::move(images)}};
    document.update(
        PictureSummaryJson(summary, std::chrono::steady_clock::now() - start));
    session.console.out << JsonText(document);
  }
  PrintPictureSummary(session, summary, run.images());
  // Of nothing there is no file.
  if (npy && summary.served_by) {
    if (const absl::Status status = WriteNpy(session, rows, *npy);
        !status.ok()) {
      return ReportError(session.console, status);
    }
  }
  return CodeOf(summary);
}

}  // namespace

ExitCode RunEmbed(const Session& session) {
  const EmbedOptions& options = session.arguments.embed;
  absl::StatusOr<Client> client = Connect(session);
  if (!client.ok()) {
    return Fail(session, client.status());
  }
  if (const absl::Status names = CheckNames(options.images); !names.ok()) {
    Fail(session, names);
    return ExitCode::kUsage;
  }
  std::optional<NewFile> npy;
  if (!options.npy.empty()) {
    // Before the work, which would be for nothing.
    absl::StatusOr<NewFile> file = NewFile::Create(options.npy, options.force);
    if (!file.ok()) {
      return Fail(session, file.status());
    }
    npy.emplace(*std::move(file));
  }
  return EmbedAll(session, *client, npy);
}

}  // namespace resnetd::cli
