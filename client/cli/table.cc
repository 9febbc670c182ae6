#include "client/cli/table.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/cli/text.h"

namespace resnetd::cli {

void Table::AddRow(std::vector<std::string> cells) {
  cells.resize(columns_.size());
  for (std::size_t i = 0; i < cells.size(); ++i) {
    cells[i] = Printable(cells[i]);
    if (columns_[i].max_width > 0) {
      cells[i] = Shorten(cells[i], columns_[i].max_width);
    }
  }
  rows_.push_back(std::move(cells));
}

std::string Table::Render(absl::string_view indent) const {
  std::vector<std::size_t> widths(columns_.size());
  std::vector<std::string> headings(columns_.size());
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    headings[i] = columns_[i].heading;
    widths[i] = DisplayWidth(headings[i]);
    for (const std::vector<std::string>& row : rows_) {
      widths[i] = std::max(widths[i], DisplayWidth(row[i]));
    }
  }
  std::string out;
  const auto append = [&](const std::vector<std::string>& cells) {
    std::string line(indent);
    for (std::size_t i = 0; i < cells.size(); ++i) {
      absl::StrAppend(&line, i == 0 ? "" : "  ",
                      columns_[i].align == Align::kRight
                          ? PadLeft(cells[i], widths[i])
                          : PadRight(cells[i], widths[i]));
    }
    absl::StripTrailingAsciiWhitespace(&line);
    absl::StrAppend(&out, line, "\n");
  };
  if (std::any_of(headings.begin(), headings.end(),
                  [](const std::string& text) { return !text.empty(); })) {
    append(headings);
  }
  for (const std::vector<std::string>& row : rows_) {
    append(row);
  }
  return out;
}

std::string Bar(double share, std::size_t width, bool unicode) {
  constexpr std::array<const char*, 8> kEighths = {"",  "▏", "▎", "▍",
                                                   "▌", "▋", "▊", "▉"};
  // Not a number counts as nothing.
  const double filled = share > 0 ? std::min(share, 1.0) : 0.0;
  const auto columns = static_cast<double>(width);
  std::string out;
  if (!unicode) {
    const auto whole = static_cast<std::size_t>(std::lround(filled * columns));
    return absl::StrCat(std::string(whole, '#'),
                        std::string(width - whole, '-'));
  }
  const auto eighths =
      static_cast<std::size_t>(std::lround(filled * columns * 8));
  for (std::size_t i = 0; i < eighths / 8; ++i) {
    absl::StrAppend(&out, "█");
  }
  absl::StrAppend(&out, kEighths.at(eighths % 8));
  return PadRight(out, width);
}

}  // namespace resnetd::cli
