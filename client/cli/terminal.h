#pragma once

#include <cstddef>
#include <map>
#include <ostream>
#include <string>

#include "absl/strings/string_view.h"

namespace resnetd::cli {

// Variables of the environment by name.
using Environment = std::map<std::string, std::string>;

// How to write to the two streams.
struct Terminal {
  // Colours are wanted and understood.
  bool out_colours = false;
  bool err_colours = false;
  // A person watches stdout.
  bool out_is_live = false;
  // A person watches stderr: redraw a line of progress.
  bool err_is_live = false;
  // A person can be asked: stderr shows the question, stdin brings the answer.
  bool can_ask = false;
  // Characters beyond ASCII are shown.
  bool unicode = false;
  // Columns of stderr.
  std::size_t columns = 80;
};

// What is known about the streams of the process.
struct StreamFacts {
  bool in_is_tty = false;
  bool out_is_tty = false;
  bool err_is_tty = false;
  // 0: unknown.
  std::size_t columns = 0;
};

StreamFacts InspectStreams();

// Colours only on a terminal that is not dumb, without NO_COLOR (set and not
// empty) and without --no-color. Unicode by LC_ALL, LC_CTYPE, LANG, in this
// order.
Terminal DecideTerminal(const StreamFacts& facts,
                        const Environment& environment, bool no_color);

enum class Colour { kRed, kGreen, kYellow, kBold, kDim };

// `text` between escape sequences, if `enabled`.
std::string Paint(absl::string_view text, Colour colour, bool enabled);

// Where a command writes and how. Does not own the streams.
struct Console {
  // Data.
  std::ostream& out;
  // Everything else.
  std::ostream& err;
  Terminal terminal;
};

}  // namespace resnetd::cli
