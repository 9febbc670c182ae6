#include "client/cli/gradients_svg.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"

namespace resnetd::cli {
namespace {

// Of one field, in pixels.
constexpr int kFieldWidth = 420;
constexpr int kLabelWidth = 84;
constexpr int kGap = 40;
constexpr int kTop = 56;
constexpr int kTitleHeight = 26;
constexpr int kLegendHeight = 62;
constexpr int kMargin = 24;
constexpr int kColours = 9;
// More cells would be smaller than a pixel.
constexpr std::size_t kMostColumns = 210;
// Labels further apart than this many pixels can be read.
constexpr int kLabelPixels = 11;

// From dark to bright, as in viridis: told apart by those who see no red or
// green. On dark ground the small ones are dark, on light ground light.
constexpr std::array<const char*, kColours> kRamp = {
    "#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c",
    "#28ae80", "#5ec962", "#addc30", "#fde725"};

// What a field shows of a block at a sample.
using Value = std::function<std::optional<double>(
    const client::GradientSample& sample, std::size_t block)>;

struct Scale {
  double least = 0;
  double most = 0;

  bool is_empty() const { return !(least <= most); }
  // 0 to kColours - 1.
  int ColourOf(double value) const {
    if (most <= least) {
      return kColours / 2;
    }
    const double share = (value - least) / (most - least);
    return std::clamp(static_cast<int>(share * kColours), 0, kColours - 1);
  }
};

std::string Escaped(const std::string& text) {
  return absl::StrReplaceAll(
      text, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}});
}

std::optional<double> Log(double norm) {
  return norm > 0 && std::isfinite(norm) ? std::optional(std::log10(norm))
                                         : std::nullopt;
}

std::optional<double> Shortcut(const client::GradientSample& sample,
                               std::size_t block) {
  const auto& paths = sample.blocks[block].paths;
  return paths ? Log(paths->shortcut) : std::nullopt;
}

std::optional<double> Main(const client::GradientSample& sample,
                           std::size_t block) {
  const auto& paths = sample.blocks[block].paths;
  return paths ? Log(paths->main) : std::nullopt;
}

std::optional<double> Input(const client::GradientSample& sample,
                            std::size_t block) {
  const auto& paths = sample.blocks[block].paths;
  return paths ? Log(paths->input) : std::nullopt;
}

// Of the batch; what cannot be told from noise is at the end of the scale.
std::optional<double> Snr(const client::GradientSample& sample,
                          std::size_t block) {
  constexpr double kLeast = 1e-4;
  const auto& noise = sample.blocks[block].noise;
  if (!noise || !(noise->noise > 0)) {
    return std::nullopt;
  }
  return Log(std::max(noise->signal * sample.examples / noise->noise, kLeast));
}

std::vector<client::GradientSample> Columns(
    const client::GradientReport& report, const Value& value) {
  // Only samples that have the value: the noise is not measured in each.
  std::vector<client::GradientSample> found;
  for (const client::GradientSample& sample : report.samples) {
    bool has_value = false;
    for (std::size_t i = 0; i < report.blocks.size(); ++i) {
      has_value = has_value || value(sample, i).has_value();
    }
    if (has_value) {
      found.push_back(sample);
    }
  }
  if (found.size() <= kMostColumns) {
    return found;
  }
  std::vector<client::GradientSample> chosen;
  for (std::size_t i = 0; i < kMostColumns; ++i) {
    chosen.push_back(found[i * (found.size() - 1) / (kMostColumns - 1)]);
  }
  return chosen;
}

void Widen(const client::GradientReport& report, const Value& value,
           Scale& scale) {
  for (const client::GradientSample& sample : report.samples) {
    for (std::size_t i = 0; i < report.blocks.size(); ++i) {
      if (const auto one = value(sample, i)) {
        scale.least = std::min(scale.least, *one);
        scale.most = std::max(scale.most, *one);
      }
    }
  }
}

Scale ScaleOf(const client::GradientReport& report,
              const std::vector<Value>& values) {
  Scale scale{.least = std::numeric_limits<double>::infinity(),
              .most = -std::numeric_limits<double>::infinity()};
  for (const Value& value : values) {
    Widen(report, value, scale);
  }
  return scale;
}

struct Frame {
  int x = 0;
  int y = 0;
  int row_height = 0;
};

std::string Text(int x, int y, const char* look, const std::string& text) {
  return absl::StrCat("<text x=\"", x, "\" y=\"", y, "\" class=\"", look, "\">",
                      Escaped(text), "</text>\n");
}

std::string Rect(double x, int y, double width, int height,
                 const std::string& look) {
  return absl::StrFormat(
      "<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" "
      "class=\"%s\"/>\n",
      x, y, width, height, look);
}

// One row, neighbours of one colour as one piece.
std::string Row(const std::vector<client::GradientSample>& columns,
                const Value& value, const Scale& scale, const Frame& frame,
                std::size_t block) {
  const double width =
      static_cast<double>(kFieldWidth) / static_cast<double>(columns.size());
  const int y = frame.y + static_cast<int>(block) * frame.row_height;
  std::string out;
  std::size_t begin = 0;
  while (begin < columns.size()) {
    const std::optional<double> first = value(columns[begin], block);
    const int colour = first ? scale.ColourOf(*first) : -1;
    std::size_t end = begin + 1;
    for (; end < columns.size(); ++end) {
      const std::optional<double> next = value(columns[end], block);
      if ((next ? scale.ColourOf(*next) : -1) != colour) {
        break;
      }
    }
    out += Rect(frame.x + static_cast<double>(begin) * width, y,
                static_cast<double>(end - begin) * width, frame.row_height,
                colour < 0 ? "none" : absl::StrCat("c", colour));
    begin = end;
  }
  return out;
}

std::string RowLabels(const client::GradientReport& report,
                      const Frame& frame) {
  const int every =
      std::max(1, (kLabelPixels + frame.row_height - 1) / frame.row_height);
  std::string out;
  for (std::size_t i = 0; i < report.blocks.size();
       i += static_cast<std::size_t>(every)) {
    out += Text(frame.x - 6,
                frame.y + static_cast<int>(i) * frame.row_height +
                    std::max(frame.row_height / 2 + 4, 8),
                "right", report.blocks[i]);
  }
  return out;
}

std::string Legend(const Scale& scale, const Frame& frame, int rows,
                   const std::string& unit) {
  const int y = frame.y + rows * frame.row_height + 32;
  const int width = 18;
  std::string out;
  for (int i = 0; i < kColours; ++i) {
    out += Rect(frame.x + i * width, y, width, 10, absl::StrCat("c", i));
  }
  out += Text(frame.x + kColours * width + 8, y + 9, "small",
              absl::StrFormat("%.2g to %.2g %s", std::pow(10, scale.least),
                              std::pow(10, scale.most), unit));
  return out;
}

std::string Field(const client::GradientReport& report, const Value& value,
                  const Scale& scale, const Frame& frame,
                  const std::string& title, const std::string& unit) {
  const std::vector<client::GradientSample> columns = Columns(report, value);
  std::string out = Text(frame.x, frame.y - 8, "head", title);
  out += RowLabels(report, frame);
  const int rows = static_cast<int>(report.blocks.size());
  if (columns.empty() || scale.is_empty()) {
    return out + Text(frame.x, frame.y + 16, "small", "not measured");
  }
  for (std::size_t i = 0; i < report.blocks.size(); ++i) {
    out += Row(columns, value, scale, frame, i);
  }
  const int below = frame.y + rows * frame.row_height + 14;
  out += Text(frame.x, below, "small",
              absl::StrCat("step ", columns.front().step));
  out += Text(frame.x + kFieldWidth, below, "right",
              absl::StrCat("step ", columns.back().step));
  return out + Legend(scale, frame, rows, unit);
}

std::string Style() {
  std::string light;
  std::string dark;
  for (std::size_t i = 0; i < kRamp.size(); ++i) {
    // Small is like the ground, large stands out.
    absl::StrAppend(&light, ".c", i, "{fill:", kRamp[kRamp.size() - 1 - i],
                    "}");
    absl::StrAppend(&dark, ".c", i, "{fill:", kRamp[i], "}");
  }
  return absl::StrCat(
      "<style>text{font:12px system-ui,sans-serif;fill:#1f2328}"
      ".title{font-size:16px;font-weight:600}.head{font-weight:600}"
      ".small{font-size:11px}.right{font-size:11px;text-anchor:end}"
      ".ground{fill:#ffffff}.none{fill:#e6e8eb}.alarm{fill:#b42318}",
      light,
      "@media (prefers-color-scheme:dark){text{fill:#e6edf3}"
      ".ground{fill:#0d1117}.none{fill:#21262d}.alarm{fill:#ff7b72}",
      dark, "}</style>\n");
}

}  // namespace

std::string GradientsSvg(const std::string& title,
                         const client::GradientReport& report) {
  const int rows = static_cast<int>(report.blocks.size());
  const int row_height = std::clamp(320 / std::max(rows, 1), 5, 26);
  const int field_height = rows * row_height + kLegendHeight + kTitleHeight;
  const int left = kMargin + kLabelWidth;
  const int right = left + kFieldWidth + kGap + kLabelWidth;
  const int upper = kTop + kTitleHeight;
  const int lower = upper + field_height;
  const int alarms_at = lower + field_height - 8;
  const int width = right + kFieldWidth + kMargin;
  const int height = alarms_at + 18 * static_cast<int>(report.alarms.size());
  const Scale paths = ScaleOf(report, {Shortcut, Main});
  std::string out = absl::StrFormat(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
      "viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">\n",
      width, height, width, height, Escaped(title));
  out += absl::StrCat("<title>", Escaped(title), "</title>\n", Style());
  out += Rect(0, 0, width, height, "ground");
  out += Text(kMargin, 32, "title", title);
  out += Field(report, Shortcut, paths, {left, upper, row_height},
               "gradient through the shortcut", "(norm)");
  out += Field(report, Main, paths, {right, upper, row_height},
               "gradient through the main path", "(norm)");
  out +=
      Field(report, Input, ScaleOf(report, {Input}), {left, lower, row_height},
            "both together, at the input", "(norm)");
  out += Field(report, Snr, ScaleOf(report, {Snr}), {right, lower, row_height},
               "signal-to-noise ratio of a batch", "");
  int y = alarms_at;
  for (const client::ActiveAlarm& alarm : report.alarms) {
    out += Text(kMargin, y, "alarm",
                absl::StrCat(client::AlarmKindName(alarm.kind), " since step ",
                             alarm.step, ": ", alarm.text));
    y += 18;
  }
  return out + "</svg>\n";
}

}  // namespace resnetd::cli
