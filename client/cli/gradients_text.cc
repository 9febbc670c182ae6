#include "client/cli/gradients_text.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/job_text.h"
#include "client/cli/sparkline.h"
#include "client/cli/text.h"

namespace resnetd::cli {
namespace {

constexpr std::size_t kBarColumns = 12;
constexpr std::size_t kSparkColumns = 20;
// From an empty bar to a full one.
constexpr double kBarDecades = 4;

// As the server judges them: see docs/gradients.md.
constexpr double kLeastDepthRatio = 1e-3;
constexpr double kMostDepthRatio = 1e3;
constexpr double kFrozenUpdate = 6e-8;
constexpr double kDeadShare = 1e-6;
// Where one path carries nearly everything.
constexpr double kSmallShare = 0.01;
constexpr double kLargeShare = 0.99;

std::string Short(double number) { return absl::StrFormat("%.2e", number); }

std::string OrDash(const std::optional<double>& number) {
  return number ? absl::StrFormat("%.3g", *number) : "-";
}

std::optional<double> UpdateRatio(const client::BlockSample& block) {
  if (!block.parameters || block.parameters->weights == 0) {
    return std::nullopt;
  }
  return block.parameters->update / block.parameters->weights;
}

double LargestPath(const client::GradientSample& sample) {
  double largest = 0;
  for (const client::BlockSample& block : sample.blocks) {
    if (block.paths) {
      largest = std::max({largest, block.paths->shortcut, block.paths->main});
    }
  }
  return largest;
}

std::string Course(const client::GradientReport& report, std::size_t block,
                   bool unicode) {
  Series series;
  for (const client::GradientSample& sample : report.samples) {
    const auto& paths = sample.blocks[block].paths;
    if (paths && paths->input > 0) {
      series.Add(std::log10(paths->input));
    }
  }
  return Sparkline(series.Means(kSparkColumns), unicode);
}

std::string NoiseText(const client::GradientReport& report) {
  const int examples =
      report.samples.empty() ? 0 : report.samples.back().examples;
  if (!report.noise_scale_examples) {
    return "noise scale unknown: the gradient cannot be told from its noise";
  }
  const double scale = *report.noise_scale_examples;
  std::string text = absl::StrFormat("noise scale %.0f pictures", scale);
  if (examples > 0) {
    absl::StrAppend(&text, ", a step takes ", examples,
                    scale > 4.0 * examples
                        ? ": larger batches would learn more from each step"
                    : scale < examples / 4.0
                        ? ": smaller batches would learn more from each picture"
                        : ": that fits");
  }
  return text;
}

}  // namespace

std::string DepthText(double ratio) {
  const std::string number = absl::StrFormat("%.3g", ratio);
  if (ratio < kLeastDepthRatio) {
    return absl::StrCat("depth ratio ", number,
                        ": the gradient vanishes on its way to the input");
  }
  if (ratio > kMostDepthRatio) {
    return absl::StrCat("depth ratio ", number,
                        ": the gradient explodes on its way to the input");
  }
  return absl::StrCat("depth ratio ", number,
                      ": the first block gets about as much as the last "
                      "(0.001 to 1000 is healthy)");
}

std::string PathBar(double norm, double largest, bool unicode) {
  double share = 0;
  if (norm > 0 && largest > 0) {
    share = std::clamp(1 + std::log10(norm / largest) / kBarDecades, 0.0, 1.0);
  }
  return Bar(share, kBarColumns, unicode);
}

std::string BlockWord(const client::BlockSample& block,
                      const client::BlockNoise& noise) {
  if (!block.parameters && !block.paths) {
    return "frozen";
  }
  if (!block.paths) {
    return "first trained";
  }
  if (!block.paths->main_share) {
    return "nothing comes back";
  }
  const double share = *block.paths->main_share;
  if (share < kDeadShare && block.parameters &&
      block.parameters->gradient == 0) {
    return "dead";
  }
  if (const auto update = UpdateRatio(block);
      update && *update < kFrozenUpdate) {
    return "does not move";
  }
  const std::string paths = share < kSmallShare   ? "shortcut"
                            : share > kLargeShare ? "main path"
                                                  : "both paths";
  return noise.snr_ratio && *noise.snr_ratio <= 0
             ? absl::StrCat(paths, ", noise")
             : paths;
}

std::string SampleText(const client::GradientSample& sample) {
  std::string text =
      absl::StrCat("step ", sample.step, ", ", sample.examples,
                   " pictures, gradient ", FormatNumber(sample.all.gradient));
  if (sample.all.weights > 0) {
    absl::StrAppend(&text, ", update ",
                    Short(sample.all.update / sample.all.weights),
                    " of the weights");
  }
  if (sample.depth_ratio) {
    absl::StrAppend(&text, ", depth ratio ", FormatNumber(*sample.depth_ratio));
  }
  return text;
}

Table GradientsTable(const client::GradientReport& report, bool unicode) {
  Table table({{"BLOCK"},
               {"SHORTCUT", Align::kRight},
               {""},
               {"MAIN", Align::kRight},
               {""},
               {"SHARE", Align::kRight},
               {"UPDATE", Align::kRight},
               {"SNR", Align::kRight},
               {"INPUT OVER TIME"},
               {"CARRIED BY"}});
  if (report.samples.empty()) {
    return table;
  }
  const client::GradientSample& last = report.samples.back();
  const double largest = LargestPath(last);
  const client::BlockNoise none;
  for (std::size_t i = 0; i < report.blocks.size(); ++i) {
    const client::BlockSample& block = last.blocks[i];
    const client::BlockNoise& noise =
        i < report.block_noise.size() ? report.block_noise[i] : none;
    const auto& paths = block.paths;
    table.AddRow({report.blocks[i], paths ? Short(paths->shortcut) : "-",
                  paths ? PathBar(paths->shortcut, largest, unicode) : "",
                  paths ? Short(paths->main) : "-",
                  paths ? PathBar(paths->main, largest, unicode) : "",
                  paths && paths->main_share
                      ? absl::StrFormat("%.0f %%", *paths->main_share * 100)
                      : "-",
                  UpdateRatio(block) ? Short(*UpdateRatio(block)) : "-",
                  OrDash(noise.snr_ratio), Course(report, i, unicode),
                  BlockWord(block, noise)});
  }
  return table;
}

std::string AlarmText(const client::ActiveAlarm& alarm) {
  return absl::StrCat("alarm ", client::AlarmKindName(alarm.kind),
                      " since step ", alarm.step, ": ", alarm.text);
}

std::vector<std::string> GradientVerdicts(
    const client::GradientReport& report) {
  std::vector<std::string> lines;
  if (!report.samples.empty() && report.samples.back().depth_ratio) {
    lines.push_back(DepthText(*report.samples.back().depth_ratio));
  }
  if (report.noise) {
    lines.push_back(NoiseText(report));
  }
  for (const client::ActiveAlarm& alarm : report.alarms) {
    lines.push_back(AlarmText(alarm));
  }
  if (report.alarms.empty()) {
    lines.emplace_back("no alarm is raised");
  }
  return lines;
}

std::string GradientsText(const std::string& title,
                          const client::GradientReport& report, bool unicode) {
  std::string text = Printable(
      report.samples.empty()
          ? absl::StrCat(title, ": no samples in this range")
          : absl::StrCat(title, ": ", SampleText(report.samples.back())));
  text += "\n";
  if (!report.samples.empty()) {
    text += GradientsTable(report, unicode).Render();
  }
  for (const std::string& line : GradientVerdicts(report)) {
    absl::StrAppend(&text, Printable(line), "\n");
  }
  const auto shown = static_cast<std::int64_t>(report.samples.size());
  if (shown < report.samples_in_range) {
    absl::StrAppend(&text, shown, " of ", report.samples_in_range,
                    " samples\n");
  }
  return text;
}

}  // namespace resnetd::cli
