#include "client/cli/data_text.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "client/cli/model_text.h"
#include "client/cli/status_line.h"
#include "client/cli/table.h"
#include "client/cli/text.h"

namespace resnetd::cli {
namespace {

constexpr std::size_t kBarColumns = 20;
// Longer labels are cut, so that a row fits on a line.
constexpr std::size_t kLabelColumns = 30;
// More classes than anybody reads; -o json has every one.
constexpr std::size_t kMaxClasses = 40;
// Before this the rate says more about buffers than about the way.
constexpr std::chrono::milliseconds kFirstRate(500);

std::int64_t All(const client::SplitCounts& counts) {
  return counts.train + counts.validation + counts.test;
}

Json CountsJson(const client::SplitCounts& counts) {
  return {{"train", counts.train},
          {"validation", counts.validation},
          {"test", counts.test}};
}

Json SideJson(const client::SideReport& side) {
  return {{"min", side.min}, {"median", side.median}, {"max", side.max}};
}

std::string Range(const client::SideReport& side) {
  return side.min == side.max
             ? absl::StrCat(side.min)
             : absl::StrCat(side.min, " to ", side.max, " (half at most ",
                            side.median, ")");
}

std::string Channels(const std::vector<double>& values) {
  return absl::StrJoin(values, ", ", [](std::string* out, double value) {
    absl::StrAppendFormat(out, "%.3f", value);
  });
}

std::string Share(double share) {
  return absl::StrFormat("%.1f %%", share * 100);
}

void AddPictures(const client::DatasetReport& report, Table& table) {
  table.AddRow({"width", absl::StrCat(Range(report.width), " pixels")});
  table.AddRow({"height", absl::StrCat(Range(report.height), " pixels")});
  table.AddRow({"without colour", Share(report.grey_share)});
  table.AddRow({"mean", Channels(report.mean)});
  table.AddRow({"deviation", Channels(report.std)});
  table.AddRow({"imbalance", absl::StrFormat("%.1f", report.imbalance)});
  table.AddRow({"always the largest class", Share(report.majority_baseline)});
}

std::string FactsText(const client::DescribedDataset& described) {
  const client::Dataset& dataset = described.dataset;
  Table table({{}, {}});
  table.AddRow({"dataset", dataset.name});
  table.AddRow({"state", std::string(DatasetStateName(dataset.state))});
  if (!dataset.digest.empty()) {
    table.AddRow({"digest", dataset.digest});
  }
  table.AddRow(
      {"pictures", absl::StrCat(FormatCount(dataset.example_count), ", ",
                                FormatBytes(dataset.size_bytes))});
  table.AddRow({"created", FormatTime(dataset.create_time)});
  if (dataset.seal_time) {
    table.AddRow({"sealed", FormatTime(*dataset.seal_time)});
  }
  if (dataset.example_count > 0) {
    AddPictures(described.report, table);
  }
  if (dataset.rejected_count > 0) {
    table.AddRow({"rejected",
                  absl::StrJoin(described.report.rejections, ", ",
                                [](std::string* out, const auto& rejection) {
                                  absl::StrAppend(out,
                                                  FormatCount(rejection.second),
                                                  " ", rejection.first);
                                })});
  }
  return table.Render();
}

std::string ClassesText(const client::DatasetReport& report, bool unicode) {
  std::int64_t largest = 1;
  for (const client::ClassReport& one : report.classes) {
    largest = std::max(largest, All(one.counts));
  }
  Table table({{.heading = "CLASS", .max_width = kLabelColumns},
               {.heading = ""},
               {.heading = "TRAIN", .align = Align::kRight},
               {.heading = "VALIDATION", .align = Align::kRight},
               {.heading = "TEST", .align = Align::kRight}});
  const std::size_t shown = std::min(report.classes.size(), kMaxClasses);
  for (std::size_t i = 0; i < shown; ++i) {
    const client::ClassReport& one = report.classes[i];
    table.AddRow({one.label,
                  Bar(static_cast<double>(All(one.counts)) /
                          static_cast<double>(largest),
                      kBarColumns, unicode),
                  FormatCount(one.counts.train),
                  FormatCount(one.counts.validation),
                  FormatCount(one.counts.test)});
  }
  table.AddRow({"all", "", FormatCount(report.total.train),
                FormatCount(report.total.validation),
                FormatCount(report.total.test)});
  std::string text = table.Render();
  if (shown < report.classes.size()) {
    absl::StrAppend(&text, "and ", report.classes.size() - shown,
                    " more classes; -o json has every one\n");
  }
  return text;
}

}  // namespace

Json DatasetJson(const client::Dataset& dataset) {
  Json out = {{"name", dataset.name},
              {"state", DatasetStateName(dataset.state)},
              {"num_classes", dataset.num_classes},
              {"labels", dataset.labels},
              {"digest", dataset.digest},
              {"example_count", dataset.example_count},
              {"rejected_count", dataset.rejected_count},
              {"size_bytes", dataset.size_bytes},
              {"create_time", TimeText(dataset.create_time)},
              {"seal_time",
               dataset.seal_time ? Json(TimeText(*dataset.seal_time)) : Json()},
              {"etag", dataset.etag}};
  return out;
}

Json ReportJson(const client::DatasetReport& report) {
  Json classes = Json::array();
  for (const client::ClassReport& one : report.classes) {
    Json row = {{"label", one.label}};
    row.update(CountsJson(one.counts));
    classes.push_back(row);
  }
  Json rejections = Json::object();
  for (const auto& [code, count] : report.rejections) {
    rejections[code] = count;
  }
  Json advice = Json::array();
  for (const client::DatasetAdvice& one : report.advice) {
    advice.push_back({{"code", one.code},
                      {"blocking", one.blocking},
                      {"message", one.message}});
  }
  return {{"classes", classes},
          {"split",
           {{"validation", report.split.validation},
            {"test", report.split.test},
            {"seed", report.split.seed}}},
          {"total", CountsJson(report.total)},
          {"imbalance", report.imbalance},
          {"width", SideJson(report.width)},
          {"height", SideJson(report.height)},
          {"grey_share", report.grey_share},
          {"mean", report.mean},
          {"std", report.std},
          {"majority_baseline", report.majority_baseline},
          {"rejections", rejections},
          {"advice", advice}};
}

std::string Describe(const client::Dataset& dataset) {
  return absl::StrCat(FormatCount(dataset.example_count), " pictures, ",
                      FormatCount(dataset.num_classes), " classes, ",
                      FormatBytes(dataset.size_bytes), ", ",
                      DatasetStateName(dataset.state));
}

std::string ReportText(const client::DescribedDataset& described,
                       const Terminal& terminal) {
  std::string text = FactsText(described);
  absl::StrAppend(&text, "\n", ClassesText(described.report, terminal.unicode));
  if (!described.report.advice.empty()) {
    absl::StrAppend(&text, "\n");
  }
  for (const client::DatasetAdvice& advice : described.report.advice) {
    absl::StrAppend(&text,
                    Paint(advice.blocking ? "!" : "-",
                          advice.blocking ? Colour::kRed : Colour::kYellow,
                          terminal.out_colours),
                    " ", Printable(advice.message), "\n");
  }
  return text;
}

std::string UploadLine(const client::UploadSummary& summary,
                       std::int64_t pictures, std::int64_t bytes,
                       std::chrono::nanoseconds elapsed,
                       const Terminal& terminal) {
  const double share = static_cast<double>(summary.next_index) /
                       static_cast<double>(std::max<std::int64_t>(pictures, 1));
  std::string line = absl::StrCat(
      "sending ", Bar(share, kBarColumns, terminal.unicode), " ",
      FormatCount(summary.next_index), " of ", FormatCount(pictures),
      " pictures, ", FormatBytes(summary.bytes), " of ", FormatBytes(bytes));
  if (elapsed >= kFirstRate && summary.bytes > 0) {
    const double seconds = std::chrono::duration<double>(elapsed).count();
    absl::StrAppend(&line, ", ",
                    FormatBytes(static_cast<std::int64_t>(
                        static_cast<double>(summary.bytes) / seconds)),
                    "/s");
  }
  if (summary.rejected > 0) {
    absl::StrAppend(&line, ", ", FormatCount(summary.rejected), " rejected");
  }
  return Fitted(line, terminal);
}

}  // namespace resnetd::cli
