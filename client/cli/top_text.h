#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "client/cli/json.h"
#include "client/cli/sparkline.h"
#include "client/cli/terminal.h"
#include "client/cli/top_figures.h"

namespace resnetd::cli {

// The course of what `resnetctl top` draws.
struct TopHistory {
  Series images_per_second;
  Series p99_seconds;

  void Add(const TopFigures& figures);
};

// For a person who watches: at most `rows` lines, each fitting the terminal.
std::vector<std::string> TopScreen(absl::string_view server,
                                   const TopFigures& figures,
                                   const TopHistory& history,
                                   const Terminal& terminal, std::size_t rows);

// For a pipe or a file: headings, and a line of one reading in columns of fixed
// width, with `time` in front.
std::string TopHeadings();
std::string TopRow(absl::string_view time, const TopFigures& figures);

Json TopJson(absl::string_view server, const TopFigures& figures);

}  // namespace resnetd::cli
