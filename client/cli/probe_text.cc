#include "client/cli/probe_text.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/gradients_text.h"
#include "client/cli/job_text.h"
#include "client/cli/model_ref.h"
#include "client/cli/table.h"
#include "client/cli/text.h"

namespace resnetd::cli {
namespace {

// A larger difference is told: a step across the bend of a ReLU, or a gradient
// that is wrong.
constexpr double kLargeDifference = 1e-6;

std::string Short(double number) { return absl::StrFormat("%.2e", number); }
std::string Tiny(double number) { return absl::StrFormat("%.0e", number); }
std::string Percent(double share) {
  return absl::StrFormat("%.1f %%", share * 100);
}

double LargestPath(const client::ProbeReport& report) {
  double largest = 0;
  for (const client::ProbedBlock& block : report.blocks) {
    largest = std::max({largest, block.paths.shortcut, block.paths.main});
  }
  return largest;
}

std::vector<Column> BlockColumns(const client::ProbeOptions& options) {
  std::vector<Column> columns = {{"BLOCK"},
                                 {"SHORTCUT", Align::kRight},
                                 {""},
                                 {"MAIN", Align::kRight},
                                 {""},
                                 {"TOTAL", Align::kRight},
                                 {"SHARE", Align::kRight},
                                 {"COSINE", Align::kRight}};
  if (options.fd_check) {
    columns.push_back({"FD ERROR", Align::kRight});
  }
  if (options.split_parameters) {
    columns.push_back({"BEFORE: SHORTCUT", Align::kRight});
    columns.push_back({"MAIN", Align::kRight});
    columns.push_back({"BOTH", Align::kRight});
  }
  columns.push_back({"SHORTCUT IS"});
  return columns;
}

double LargerError(const client::PathErrors& errors) {
  return std::max(errors.main, errors.shortcut);
}

void AddSplit(const client::ProbedBlock& block,
              std::vector<std::string>& cells) {
  const auto& split = block.parameters;
  cells.push_back(split ? Short(split->by_shortcut) : "-");
  cells.push_back(split ? Short(split->by_main) : "-");
  cells.push_back(split ? Short(split->whole) : "-");
}

Table BlockTable(const client::ProbeReport& report, bool unicode) {
  Table table(BlockColumns(report.options));
  const double largest = LargestPath(report);
  for (const client::ProbedBlock& block : report.blocks) {
    const client::PathNorms& paths = block.paths;
    std::vector<std::string> cells = {
        block.name,
        Short(paths.shortcut),
        PathBar(paths.shortcut, largest, unicode),
        Short(paths.main),
        PathBar(paths.main, largest, unicode),
        Short(paths.input),
        paths.main_share ? absl::StrFormat("%.0f %%", *paths.main_share * 100)
                         : "-",
        absl::StrFormat("%.3f", paths.cosine)};
    if (report.options.fd_check) {
      cells.push_back(block.fd_errors ? Tiny(LargerError(*block.fd_errors))
                                      : "-");
    }
    if (report.options.split_parameters) {
      AddSplit(block, cells);
    }
    cells.emplace_back(block.shortcut_is_identity ? "identity" : "projection");
    table.AddRow(std::move(cells));
  }
  return table;
}

std::string DifferencesText(const client::ProbeReport& report) {
  const auto worst = std::max_element(
      report.blocks.begin(), report.blocks.end(),
      [](const client::ProbedBlock& a, const client::ProbedBlock& b) {
        return (a.fd_errors ? LargerError(*a.fd_errors) : 0) <
               (b.fd_errors ? LargerError(*b.fd_errors) : 0);
      });
  if (worst == report.blocks.end() || !worst->fd_errors) {
    return "";
  }
  const double error = LargerError(*worst->fd_errors);
  return absl::StrCat(
      "central differences of the loss agree to ", Tiny(error), " (",
      worst->name, ")",
      error > kLargeDifference
          ? ": more than rounding, as where a step crosses the bend of a ReLU"
          : "");
}

std::string SplitText(const client::ProbeReport& report) {
  double error = 0;
  for (const client::ProbedBlock& block : report.blocks) {
    error = std::max(error, block.parameters ? block.parameters->error : 0);
  }
  return absl::StrCat(
      "before each block: the layers before it by its shortcut, by its main "
      "path, and both, which add up to ",
      Tiny(error));
}

std::string PathsText(const client::PathDistribution& paths) {
  Table table({{"MAIN PATHS", Align::kRight},
               {"WAYS", Align::kRight},
               {"GONE", Align::kRight},
               {"MEAN NORM", Align::kRight},
               {"SHARE", Align::kRight}});
  for (const client::PathLength& length : paths.lengths) {
    table.AddRow({absl::StrCat(length.main_paths),
                  absl::StrFormat("%.6g", length.ways),
                  absl::StrCat(length.gone), Short(length.mean_norm),
                  Percent(length.mass_share)});
  }
  std::string text = absl::StrCat(
      "ways back to the first block, by how many main paths they take:\n",
      table.Render());
  absl::StrAppend(&text, "by shortcuts alone comes a gradient of ",
                  Percent(paths.direct_share), " of the whole one's norm\n");
  if (paths.error) {
    absl::StrAppend(&text, "all ways were gone; they add up to ",
                    Tiny(*paths.error), "\n");
  }
  return text;
}

Json PathsJson(const client::PathDistribution& paths) {
  Json lengths = Json::array();
  for (const client::PathLength& length : paths.lengths) {
    lengths.push_back({{"main_paths", length.main_paths},
                       {"ways", length.ways},
                       {"gone", length.gone},
                       {"mean_norm", length.mean_norm},
                       {"mass_share", length.mass_share}});
  }
  Json out = {{"lengths", lengths}, {"direct_share", paths.direct_share}};
  if (paths.error) {
    out["error"] = *paths.error;
  }
  return out;
}

Json BlockJson(const client::ProbedBlock& block) {
  Json paths = {{"shortcut", block.paths.shortcut},
                {"main", block.paths.main},
                {"input", block.paths.input},
                {"sum", block.paths.sum},
                {"cosine", block.paths.cosine}};
  if (block.paths.main_share) {
    paths["main_share"] = *block.paths.main_share;
  }
  Json out = {{"name", block.name},
              {"shortcut_is_identity", block.shortcut_is_identity},
              {"paths", paths}};
  if (block.residual_ratio) {
    out["residual_ratio"] = *block.residual_ratio;
  }
  if (block.fd_errors) {
    out["fd_errors"] = {{"main", block.fd_errors->main},
                        {"shortcut", block.fd_errors->shortcut}};
  }
  if (block.parameters) {
    out["parameters"] = {{"by_main", block.parameters->by_main},
                         {"by_shortcut", block.parameters->by_shortcut},
                         {"whole", block.parameters->whole},
                         {"error", block.parameters->error}};
  }
  return out;
}

}  // namespace

std::string ProbeText(const client::ProbeReport& report, bool unicode) {
  std::string text = Printable(absl::StrCat(
      ShortName(report.version), ": ", report.examples,
      report.examples == 1 ? " picture" : " pictures", ", loss ",
      FormatNumber(report.loss), ", batch norms of ",
      report.options.batch_statistics ? "these pictures" : "the version", ", ",
      FormatDuration(report.took), "; nothing was changed"));
  absl::StrAppend(&text, "\n", BlockTable(report, unicode).Render());
  std::vector<std::string> lines;
  if (report.depth_ratio) {
    lines.push_back(DepthText(*report.depth_ratio));
  }
  if (report.options.fd_check) {
    lines.push_back(DifferencesText(report));
  }
  if (report.options.split_parameters) {
    lines.push_back(SplitText(report));
  }
  for (const std::string& line : lines) {
    if (!line.empty()) {
      absl::StrAppend(&text, Printable(line), "\n");
    }
  }
  if (report.paths) {
    text += PathsText(*report.paths);
  }
  return text;
}

Json ProbeOptionsJson(const client::ProbeOptions& options) {
  return {{"batch_statistics", options.batch_statistics},
          {"fd_check", options.fd_check},
          {"split_parameters", options.split_parameters},
          {"path_passes", options.path_passes},
          {"path_seed", options.path_seed}};
}

Json ProbeJson(const client::ProbeReport& report) {
  Json blocks = Json::array();
  for (const client::ProbedBlock& block : report.blocks) {
    blocks.push_back(BlockJson(block));
  }
  Json out = {{"version", report.version},
              {"weights_sha256", report.weights_sha256},
              {"examples", report.examples},
              {"loss", report.loss},
              {"options", ProbeOptionsJson(report.options)},
              {"blocks", blocks}};
  if (report.depth_ratio) {
    out["depth_ratio"] = *report.depth_ratio;
  }
  if (report.paths) {
    out["paths"] = PathsJson(*report.paths);
  }
  out["took_ms"] =
      std::chrono::duration<double, std::milli>(report.took).count();
  return out;
}

}  // namespace resnetd::cli
