#include "client/cli/classify_text.h"

#include <ostream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "client/cli/grpcurl.h"
#include "client/cli/report.h"
#include "client/cli/table.h"
#include "client/cli/text.h"
#include "client/error_info.h"

namespace resnetd::cli {
namespace {

constexpr std::size_t kBarColumns = 20;
constexpr std::size_t kMaxLabelColumns = 40;

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
                    std::size_t pictures) {
  std::string text;
  if (summary.failed_images > 0) {
    text = absl::StrCat(summary.failed_images, " of ", pictures,
                        " pictures failed");
  }
  if (summary.skipped_images > 0) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", summary.skipped_images,
                    " of ", pictures, " were not classified");
  }
  if (!text.empty()) {
    ReportWarning(console, text);
  }
}

}  // namespace

void AnnouncePictures(const Session& session, absl::string_view method,
                      const std::string& first_picture, std::size_t pictures,
                      const Json& request) {
  if (!session.arguments.global.verbose) {
    return;
  }
  const std::string rest =
      absl::StrReplaceAll(request.dump().substr(1), {{"'", R"('\'')"}});
  session.console.err << "call: " << method << " (" << pictures
                      << (pictures == 1 ? " picture" : " pictures")
                      << ")\nlike: "
                      << Printable(GrpcurlLine(
                             session.arguments.global.server, method,
                             absl::StrCat(R"({"images":[)",
                                          GrpcurlImage(first_picture), "],",
                                          rest),
                             session.arguments.global.security))
                      << "\n";
}

std::string PictureTitle(const Console& console, const std::string& name) {
  return Paint(name == "-" ? "standard input" : Printable(name), Colour::kBold,
               console.terminal.out_colours);
}

void PrintPictureError(const Console& console, const ImageOutcome& outcome) {
  const absl::Status& error = outcome.result.status();
  const std::string cause = client::ErrorInfoOf(error).Metadata("cause");
  std::string text = Explain(error);
  if (!cause.empty() && !absl::StrContains(text, cause)) {
    absl::StrAppend(&text, " (", Printable(cause), ")");
  }
  console.out << PictureTitle(console, outcome.image) << "\n  "
              << Paint("error:", Colour::kRed, console.terminal.out_colours)
              << " " << text << "\n";
}

void PrintPicture(const Console& console, const ImageOutcome& outcome) {
  if (!outcome.result.ok()) {
    PrintPictureError(console, outcome);
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
  console.out << PictureTitle(console, outcome.image) << "\n"
              << table.Render("  ");
  if (outcome.result->predictions.empty()) {
    console.out << "  no prediction reaches --min-probability\n";
  }
}

Json PictureJson(const ImageOutcome& outcome) {
  Json out = {{"image", outcome.image}};
  if (outcome.result.ok()) {
    out["version"] = outcome.version;
  } else {
    out["error"] = ErrorJson(outcome.result.status());
  }
  return out;
}

Json PredictedJson(const ImageOutcome& outcome, bool logits) {
  Json out = PictureJson(outcome);
  if (outcome.result.ok()) {
    out["predictions"] = PredictionsJson(*outcome.result);
    if (logits) {
      out["logits"] = LogitsJson(*outcome.result);
    }
  }
  return out;
}

void PrintPictureSummary(const Session& session, const ClassifySummary& summary,
                         std::size_t pictures) {
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
  if (pictures > 1 && !quiet) {
    WarnOfFailures(console, summary, pictures);
  }
}

Json PictureSummaryJson(const ClassifySummary& summary,
                        std::chrono::nanoseconds wall) {
  Json out = {{"served_by",
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

}  // namespace resnetd::cli
