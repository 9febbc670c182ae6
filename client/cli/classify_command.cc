#include <algorithm>
#include <chrono>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "client/cli/classify_run.h"
#include "client/cli/commands.h"
#include "client/cli/grpcurl.h"
#include "client/cli/progress.h"
#include "client/cli/report.h"
#include "client/cli/table.h"
#include "client/cli/text.h"
#include "client/error_info.h"

namespace resnetd::cli {
namespace {

constexpr std::size_t kBarColumns = 20;
constexpr std::size_t kMaxLabelColumns = 40;

client::ClassifyRequest RequestOf(const ClassifyOptions& options) {
  client::ClassifyRequest request;
  request.model = options.model;
  request.top_k = options.top_k;
  request.min_probability = options.min_probability;
  request.request_id = options.request_id;
  request.logits = options.logits;
  request.timing = true;
  request.fail_fast = options.fail_fast;
  // Many pictures are work that can wait: others go first, and the server
  // takes more of it than anybody would want to wait for.
  request.priority = options.images.size() > 1 ? client::Priority::kBatch
                                               : client::Priority::kNormal;
  return request;
}

// The call with its first picture; a line with hundreds of them helps nobody.
void AnnounceClassify(const Session& session) {
  const ClassifyOptions& options = session.arguments.classify;
  if (!session.arguments.global.verbose) {
    return;
  }
  constexpr absl::string_view kMethod =
      "resnetd.v1.ClassificationService/Classify";
  Json request = {{"options", {{"timing", true}}}};
  if (options.top_k > 0) {
    request["top_k"] = options.top_k;
  }
  if (!options.model.empty()) {
    request["model"] = options.model;
  }
  const std::string rest =
      absl::StrReplaceAll(request.dump().substr(1), {{"'", R"('\'')"}});
  session.console.err << "call: " << kMethod << " (" << options.images.size()
                      << (options.images.size() == 1 ? " picture" : " pictures")
                      << ")\nlike: "
                      << Printable(GrpcurlLine(
                             session.arguments.global.server, kMethod,
                             absl::StrCat(R"({"images":[)",
                                          GrpcurlImage(options.images.front()),
                                          "],", rest)))
                      << "\n";
}

std::string ImageError(const absl::Status& error) {
  const std::string cause = client::ErrorInfoOf(error).Metadata("cause");
  const std::string text = Explain(error);
  return cause.empty() || absl::StrContains(text, cause)
             ? text
             : absl::StrCat(text, " (", Printable(cause), ")");
}

void PrintImage(const Session& session, const ImageOutcome& outcome) {
  const Console& console = session.console;
  const bool colours = console.terminal.out_colours;
  const std::string name =
      outcome.image == "-" ? "standard input" : Printable(outcome.image);
  if (!outcome.result.ok()) {
    console.out << Paint(name, Colour::kBold, colours) << "\n  "
                << Paint("error:", Colour::kRed, colours) << " "
                << ImageError(outcome.result.status()) << "\n";
    return;
  }
  Table table({{.max_width = kMaxLabelColumns},
               {},
               {.align = Align::kRight},
               {.align = Align::kRight}});
  for (const client::Prediction& prediction : outcome.result->predictions) {
    table.AddRow(
        {prediction.label,
         Bar(prediction.probability, kBarColumns, console.terminal.unicode),
         absl::StrFormat("%.1f %%", 100 * prediction.probability),
         absl::StrCat(prediction.index)});
  }
  console.out << Paint(name, Colour::kBold, colours) << "\n"
              << table.Render("  ");
  if (outcome.result->predictions.empty()) {
    console.out << "  no prediction reaches --min-probability\n";
  }
}

std::string ServedByText(const client::ServedBy& served_by) {
  absl::string_view model = served_by.model;
  absl::ConsumePrefix(&model, "models/");
  return Printable(absl::StrCat(model, " version ", served_by.version, " on ",
                                served_by.backend, " in ",
                                served_by.precision));
}

std::string TimingText(const client::Timing& timing) {
  return absl::StrCat("queue ", FormatDuration(timing.queue), ", decode ",
                      FormatDuration(timing.decode), ", preprocess ",
                      FormatDuration(timing.preprocess), ", compute ",
                      FormatDuration(timing.compute), ", total ",
                      FormatDuration(timing.total));
}

void WarnOfFailures(const Console& console, const ClassifySummary& summary,
                    std::size_t images) {
  std::string text;
  if (summary.failed_images > 0) {
    text =
        absl::StrCat(summary.failed_images, " of ", images, " pictures failed");
  }
  if (summary.skipped_images > 0) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", summary.skipped_images,
                    " of ", images, " were not classified");
  }
  if (!text.empty()) {
    ReportWarning(console, text);
  }
}

// What follows all pictures.
void PrintSummary(const Session& session, const ClassifySummary& summary,
                  std::size_t images) {
  const Console& console = session.console;
  const bool quiet = session.arguments.global.quiet;
  if (summary.served_by && !session.json() && !quiet) {
    std::string line = ServedByText(*summary.served_by);
    if (summary.timing) {
      absl::StrAppend(&line, ": ", TimingText(*summary.timing));
    }
    console.out << Paint(line, Colour::kDim, console.terminal.out_colours)
                << "\n";
  }
  if (!summary.call_error.ok()) {
    ReportError(console, summary.call_error);
  }
  if (images > 1 && !quiet) {
    WarnOfFailures(console, summary, images);
  }
}

Json ImageJson(const Session& session, const ImageOutcome& outcome) {
  Json out = {{"image", outcome.image}};
  if (!outcome.result.ok()) {
    out["error"] = ErrorJson(outcome.result.status());
    return out;
  }
  out["version"] = outcome.version;
  out["predictions"] = PredictionsJson(*outcome.result);
  if (session.arguments.classify.logits) {
    out["logits"] = LogitsJson(*outcome.result);
  }
  return out;
}

Json Document(Json images, const ClassifySummary& summary,
              std::chrono::nanoseconds wall) {
  Json out = {{"images", std::move(images)},
              {"served_by",
               summary.served_by ? ServedByJson(*summary.served_by) : Json()}};
  if (!summary.timing) {
    out["timing"] = Json();
    return out;
  }
  out["timing"] = TimingJson(*summary.timing);
  out["timing"]["requests"] = summary.requests;
  out["timing"]["client_ms"] =
      std::chrono::duration<double, std::milli>(wall).count();
  return out;
}

ExitCode CodeOf(const ClassifySummary& summary) {
  if (!summary.call_error.ok()) {
    return ExitCodeFor(summary.call_error.code());
  }
  return summary.failed_images > 0 ? ExitCode::kInvalidInput : ExitCode::kOk;
}

// Standard input can be read only once.
absl::Status CheckNames(const std::vector<std::string>& names) {
  if (std::count(names.begin(), names.end(), "-") > 1) {
    return client::ClientError(absl::StatusCode::kInvalidArgument,
                               "STDIN_TWICE",
                               "- (standard input) is named more than once");
  }
  return absl::OkStatus();
}

}  // namespace

ExitCode RunClassify(const Session& session) {
  const ClassifyOptions& options = session.arguments.classify;
  const Console& console = session.console;
  absl::StatusOr<Client> client = Connect(session);
  if (!client.ok()) {
    return Fail(session, client.status());
  }
  if (const absl::Status names = CheckNames(options.images); !names.ok()) {
    Fail(session, names);
    return ExitCode::kUsage;
  }
  const auto start = std::chrono::steady_clock::now();
  ClassifyRun run({.request = RequestOf(options)},
                  [&client](client::ClassifyRequest request) {
                    return client->Classify(std::move(request));
                  });
  run.Inspect(options.images, session.input);
  AnnounceClassify(session);
  Progress progress(console, "classified", run.images(),
                    run.images() > 1 && !session.arguments.global.quiet);
  progress.Show(0);
  Json images = Json::array();
  std::size_t done = 0;
  const ClassifySummary summary = run.Run([&](const ImageOutcome& outcome) {
    progress.Clear();
    if (session.json()) {
      images.push_back(ImageJson(session, outcome));
    } else if (!outcome.bystander) {
      PrintImage(session, outcome);
    }
    progress.Show(++done);
  });
  progress.Clear();
  if (session.json()) {
    console.out << JsonText(Document(std::move(images), summary,
                                     std::chrono::steady_clock::now() - start));
  }
  PrintSummary(session, summary, run.images());
  return CodeOf(summary);
}

}  // namespace resnetd::cli
