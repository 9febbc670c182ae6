#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace resnetd::cli {

enum class Align { kLeft, kRight };

struct Column {
  // Heading; all empty: no line of headings.
  std::string heading = {};
  Align align = Align::kLeft;
  // Cells wider than this are cut; 0: never.
  std::size_t max_width = 0;
};

// Rows of cells in columns that are as wide as their widest cell, two spaces
// apart. Knows how wide characters are on a terminal. Cells are escaped
// (Printable). Not thread-safe.
class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // As many cells as columns.
  void AddRow(std::vector<std::string> cells);

  // All lines, each behind `indent`, without spaces at their end.
  std::string Render(absl::string_view indent = "") const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// A bar `width` columns long, filled by `share` (0 to 1): in eighths of a
// column with `unicode`, else in whole columns of '#' and '-'.
std::string Bar(double share, std::size_t width, bool unicode);

}  // namespace resnetd::cli
