#include "client/cli/evaluation_text.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/job_text.h"
#include "client/cli/model_ref.h"
#include "client/cli/table.h"
#include "client/cli/text.h"

namespace resnetd::cli {
namespace {

// Rows that people read; -o json has all.
constexpr std::size_t kMostClasses = 40;
constexpr std::size_t kMostPairs = 10;
constexpr std::size_t kBarColumns = 20;
constexpr std::size_t kLabelColumns = 24;
// A share of a class's pictures from which a confusion is shown in red.
constexpr double kMuch = 0.1;

std::string Headline(const client::EvaluationReport& report) {
  return absl::StrCat(ShortName(report.version), " on dataset ",
                      ShortDataset(report.dataset), " (",
                      FormatCount(report.examples),
                      report.examples == 1 ? " picture, " : " pictures, ",
                      client::DatasetPartName(report.part), ")");
}

std::string CalibrationCell(const client::EvaluationReport& report) {
  return absl::StrCat(
      FormatNumber(report.calibration_error), " at temperature ",
      FormatNumber(report.temperature),
      report.fitted_temperature == report.temperature
          ? ", which fits best"
          : absl::StrCat("; ", FormatNumber(report.fitted_calibration_error),
                         " at ", FormatNumber(report.fitted_temperature),
                         ", which fits best"));
}

std::string SharePart(const std::optional<double>& share) {
  return share ? FormatShare(*share) : "-";
}

Table Numbers(const client::EvaluationReport& report) {
  Table table({{}, {}});
  table.AddRow(
      {"accuracy", absl::StrCat(FormatShare(report.accuracy), ", ",
                                FormatCount(report.correct), " of ",
                                FormatCount(report.examples), "; always ",
                                report.majority_label, " would be ",
                                FormatShare(report.majority_baseline))});
  if (report.top5_accuracy) {
    table.AddRow({"top 5", FormatShare(*report.top5_accuracy)});
  }
  table.AddRow({"loss", FormatNumber(report.loss)});
  table.AddRow({"confidence", absl::StrCat(FormatShare(report.mean_confidence),
                                           " on average")});
  table.AddRow({"calibration error", CalibrationCell(report)});
  table.AddRow({"time a picture",
                absl::StrCat(report.latency ? FormatDuration(*report.latency)
                                            : "not measured",
                             ", ", report.backend, " in ", report.precision,
                             ", at the lowest priority")});
  return table;
}

// The worst first, so that what is left out is what is well.
std::vector<client::EvaluatedClass> ByRecall(
    const client::EvaluationReport& report) {
  std::vector<client::EvaluatedClass> classes = report.classes;
  std::stable_sort(
      classes.begin(), classes.end(),
      [](const client::EvaluatedClass& a, const client::EvaluatedClass& b) {
        return a.recall.value_or(2) < b.recall.value_or(2);
      });
  return classes;
}

std::string MoreLine(std::size_t more) {
  return more == 0 ? ""
                   : absl::StrCat("and ",
                                  FormatCount(static_cast<std::int64_t>(more)),
                                  " classes more; -o json has every one\n");
}

std::string ClassesText(const client::EvaluationReport& report,
                        const Terminal& terminal) {
  const bool all = report.classes.size() <= kMostClasses;
  const std::vector<client::EvaluatedClass> classes =
      all ? report.classes : ByRecall(report);
  Table table({{"CLASS", Align::kLeft, kLabelColumns},
               {"PICTURES", Align::kRight},
               {"RECALL", Align::kRight},
               {""},
               {"PRECISION", Align::kRight}});
  const std::size_t shown = std::min(classes.size(), kMostClasses);
  for (std::size_t i = 0; i < shown; ++i) {
    const client::EvaluatedClass& one = classes[i];
    table.AddRow({one.label, FormatCount(one.examples), SharePart(one.recall),
                  one.recall && terminal.out_is_live
                      ? Bar(*one.recall, kBarColumns, terminal.unicode)
                      : "",
                  SharePart(one.precision)});
  }
  return absl::StrCat(table.Render(), MoreLine(classes.size() - shown));
}

using Cells = std::map<std::pair<int, int>, std::int64_t>;

Cells CellsOf(const client::EvaluationReport& report) {
  Cells cells;
  for (const client::ConfusionCell& cell : report.confusion) {
    cells[{cell.label, cell.predicted}] = cell.examples;
  }
  return cells;
}

Colour HeatOf(bool is_right, double share) {
  if (is_right) {
    return Colour::kGreen;
  }
  return share >= kMuch ? Colour::kRed : Colour::kYellow;
}

// Columns have the numbers of the classes: their labels are too long.
std::string MatrixText(const client::EvaluationReport& report,
                       const Terminal& terminal) {
  std::size_t label_width = 0;
  std::size_t width = 2;
  for (const client::EvaluatedClass& one : report.classes) {
    const std::string label = Shorten(Printable(one.label), kLabelColumns);
    label_width = std::max(label_width, DisplayWidth(label));
    width = std::max({width, absl::StrCat(one.index).size(),
                      absl::StrCat(one.examples).size()});
  }
  const std::size_t row_width =
      label_width + 2 + (report.classes.size() + 1) * (width + 1);
  if (row_width >= terminal.columns) {
    return "";
  }
  std::string text =
      absl::StrCat(std::string(label_width + 2, ' '), PadLeft("#", width));
  for (const client::EvaluatedClass& one : report.classes) {
    absl::StrAppend(&text, " ", PadLeft(absl::StrCat(one.index), width));
  }
  text += "\n";
  const Cells cells = CellsOf(report);
  for (const client::EvaluatedClass& row : report.classes) {
    const std::string label = Shorten(Printable(row.label), kLabelColumns);
    absl::StrAppend(&text, PadRight(label, label_width), "  ",
                    PadLeft(absl::StrCat(row.index), width));
    for (const client::EvaluatedClass& column : report.classes) {
      const auto found = cells.find({row.index, column.index});
      const std::int64_t examples = found == cells.end() ? 0 : found->second;
      const std::string cell =
          PadLeft(examples == 0 ? "." : absl::StrCat(examples), width);
      const double share =
          static_cast<double>(examples) /
          static_cast<double>(std::max<std::int64_t>(row.examples, 1));
      absl::StrAppend(
          &text, " ",
          examples == 0 ? Paint(cell, Colour::kDim, terminal.out_colours)
                        : Paint(cell, HeatOf(row.index == column.index, share),
                                terminal.out_colours));
    }
    text += "\n";
  }
  return absl::StrCat("what it is (rows) and what it was taken for (columns)\n",
                      text);
}

// The largest confusions, as a list.
std::string PairsText(const client::EvaluationReport& report) {
  std::map<int, const client::EvaluatedClass*> classes;
  for (const client::EvaluatedClass& one : report.classes) {
    classes[one.index] = &one;
  }
  std::vector<client::ConfusionCell> pairs;
  for (const client::ConfusionCell& cell : report.confusion) {
    if (cell.label != cell.predicted && classes.count(cell.label) > 0 &&
        classes.count(cell.predicted) > 0) {
      pairs.push_back(cell);
    }
  }
  if (pairs.empty()) {
    return "nothing was confused\n";
  }
  std::stable_sort(
      pairs.begin(), pairs.end(),
      [](const client::ConfusionCell& a, const client::ConfusionCell& b) {
        return a.examples > b.examples;
      });
  Table table({{"CONFUSED", Align::kLeft, kLabelColumns},
               {"TAKEN FOR", Align::kLeft, kLabelColumns},
               {"PICTURES", Align::kRight},
               {"OF THE CLASS", Align::kRight}});
  for (std::size_t i = 0; i < std::min(pairs.size(), kMostPairs); ++i) {
    const client::EvaluatedClass& from = *classes.at(pairs[i].label);
    table.AddRow({from.label, classes.at(pairs[i].predicted)->label,
                  FormatCount(pairs[i].examples),
                  FormatShare(static_cast<double>(pairs[i].examples) /
                              static_cast<double>(
                                  std::max<std::int64_t>(from.examples, 1)))});
  }
  return table.Render();
}

// E.g. "+1.25" in points of 100.
std::string PointsText(double share) {
  return absl::StrFormat("%+.2f", 100 * share);
}

std::int64_t Examples(const client::PairedCounts& counts) {
  return counts.both + counts.only_champion + counts.only_candidate +
         counts.neither;
}

double Share(std::int64_t part, std::int64_t all) {
  return all == 0 ? 0 : static_cast<double>(part) / static_cast<double>(all);
}

double ChampionShare(const client::PairedCounts& counts) {
  return Share(counts.both + counts.only_champion, Examples(counts));
}

double CandidateShare(const client::PairedCounts& counts) {
  return Share(counts.both + counts.only_candidate, Examples(counts));
}

void AddShares(absl::string_view name, const client::PairedCounts& counts,
               Table& table) {
  if (Examples(counts) == 0) {
    return;
  }
  const double before = ChampionShare(counts);
  const double after = CandidateShare(counts);
  table.AddRow({absl::StrCat(name), FormatShare(before), FormatShare(after),
                PointsText(after - before),
                absl::StrCat(FormatCount(Examples(counts)), " pictures")});
}

Table Beside(const client::PairedReport& report) {
  const client::EvaluationReport& before = report.champion;
  const client::EvaluationReport& after = report.candidate;
  Table table({{""},
               {ShortName(before.version), Align::kRight},
               {ShortName(after.version), Align::kRight},
               {"CHANGE", Align::kRight},
               {""}});
  AddShares("accuracy", report.all, table);
  if (Examples(report.new_classes) > 0) {
    AddShares("classes both know", report.old_classes, table);
    AddShares("new classes", report.new_classes, table);
  }
  table.AddRow({"loss", FormatNumber(before.loss), FormatNumber(after.loss),
                absl::StrFormat("%+.4f", after.loss - before.loss), ""});
  table.AddRow({"calibration error", FormatNumber(before.calibration_error),
                FormatNumber(after.calibration_error),
                absl::StrFormat("%+.4f", after.calibration_error -
                                             before.calibration_error),
                ""});
  table.AddRow(
      {"time a picture", before.latency ? FormatDuration(*before.latency) : "-",
       after.latency ? FormatDuration(*after.latency) : "-",
       report.latency_ratio ? absl::StrFormat("x %.2f", *report.latency_ratio)
                            : "-",
       "at the lowest priority"});
  table.AddRow(
      {"weights", "", "", absl::StrFormat("x %.2f", report.size_ratio), ""});
  return table;
}

// Those that changed most first.
std::string PairedClassesText(const client::PairedReport& report) {
  std::vector<client::PairedClass> classes = report.classes;
  const auto change = [](const client::PairedClass& one) {
    return CandidateShare(one.counts) - ChampionShare(one.counts);
  };
  if (classes.size() > kMostClasses) {
    std::stable_sort(
        classes.begin(), classes.end(),
        [&](const client::PairedClass& a, const client::PairedClass& b) {
          return std::abs(change(a)) > std::abs(change(b));
        });
  }
  Table table({{"CLASS", Align::kLeft, kLabelColumns},
               {"PICTURES", Align::kRight},
               {"RECALL BEFORE", Align::kRight},
               {"AFTER", Align::kRight},
               {"CHANGE", Align::kRight}});
  const std::size_t shown = std::min(classes.size(), kMostClasses);
  for (std::size_t i = 0; i < shown; ++i) {
    const client::PairedClass& one = classes[i];
    table.AddRow({one.label, FormatCount(Examples(one.counts)),
                  one.is_old ? FormatShare(ChampionShare(one.counts)) : "new",
                  FormatShare(CandidateShare(one.counts)),
                  one.is_old ? PointsText(change(one)) : ""});
  }
  return absl::StrCat(table.Render(), MoreLine(classes.size() - shown));
}

}  // namespace

std::string EvaluationText(const client::EvaluationReport& report,
                           const Terminal& terminal) {
  std::string text = absl::StrCat(Printable(Headline(report)), "\n",
                                  Numbers(report).Render("  "), "\n",
                                  ClassesText(report, terminal), "\n");
  if (terminal.out_is_live && report.confusion_is_complete &&
      static_cast<int>(report.classes.size()) <= kMatrixClasses) {
    const std::string matrix = MatrixText(report, terminal);
    if (!matrix.empty()) {
      return absl::StrCat(text, matrix);
    }
  }
  return absl::StrCat(text, PairsText(report));
}

std::string ComparisonText(const client::PairedReport& report,
                           const Terminal& terminal) {
  const std::string verdict = report.gate.passed
                                  ? "the gate would let it pass"
                                  : "the gate would not let it pass";
  return absl::StrCat(
      Printable(absl::StrCat(Headline(report.candidate), ", against ",
                             ShortName(report.champion.version))),
      "\n", Beside(report).Render("  "), "\n", Printable(report.text), "\n\n",
      PairedClassesText(report), "\n", GateTable(report.gate).Render(), "\n",
      Paint(verdict, report.gate.passed ? Colour::kGreen : Colour::kYellow,
            terminal.out_colours),
      "\n");
}

std::string CalibrationText(const client::Calibrated& calibrated,
                            bool dry_run) {
  const client::EvaluationReport& report = calibrated.report;
  const std::string before = ShortName(report.version);
  std::string text;
  if (dry_run) {
    text = absl::StrCat("measured, nothing was changed: ", before,
                        " would get temperature ",
                        FormatNumber(report.fitted_temperature), " instead of ",
                        FormatNumber(report.temperature));
  } else if (calibrated.created) {
    text = absl::StrCat(ShortName(calibrated.version.name), " is ", before,
                        " with temperature ",
                        FormatNumber(report.fitted_temperature), " instead of ",
                        FormatNumber(report.temperature));
  } else {
    text = absl::StrCat(ShortName(calibrated.version.name), " has temperature ",
                        FormatNumber(report.fitted_temperature),
                        " already: nothing was made");
  }
  return Printable(absl::StrCat(text, "; calibration error ",
                                FormatNumber(report.calibration_error), " -> ",
                                FormatNumber(report.fitted_calibration_error),
                                ", loss ", FormatNumber(report.loss), " -> ",
                                FormatNumber(report.fitted_loss), " on ",
                                FormatCount(report.examples),
                                " pictures; the best classes stay the same")) +
         "\n";
}

}  // namespace resnetd::cli
