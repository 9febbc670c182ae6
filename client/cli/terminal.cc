#include "client/cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace resnetd::cli {
namespace {

std::string Get(const Environment& environment, const std::string& name) {
  const auto found = environment.find(name);
  return found == environment.end() ? "" : found->second;
}

bool IsUtf8Locale(const Environment& environment) {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const std::string value = absl::AsciiStrToLower(Get(environment, name));
    if (!value.empty()) {
      return absl::StrContains(value, "utf-8") ||
             absl::StrContains(value, "utf8");
    }
  }
  return false;
}

absl::string_view Sequence(Colour colour) {
  switch (colour) {
    case Colour::kRed:
      return "\x1b[31m";
    case Colour::kGreen:
      return "\x1b[32m";
    case Colour::kYellow:
      return "\x1b[33m";
    case Colour::kBold:
      return "\x1b[1m";
    case Colour::kDim:
      return "\x1b[2m";
  }
  return "";
}

}  // namespace

StreamFacts InspectStreams() {
  StreamFacts facts = {.in_is_tty = isatty(STDIN_FILENO) == 1,
                       .out_is_tty = isatty(STDOUT_FILENO) == 1,
                       .err_is_tty = isatty(STDERR_FILENO) == 1};
  winsize size = {};
  if (facts.err_is_tty && ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0) {
    facts.columns = size.ws_col;
  }
  return facts;
}

Terminal DecideTerminal(const StreamFacts& facts,
                        const Environment& environment, bool no_color) {
  const bool dumb = Get(environment, "TERM") == "dumb";
  const bool colours =
      !no_color && !dumb && Get(environment, "NO_COLOR").empty();
  return {.out_colours = colours && facts.out_is_tty,
          .err_colours = colours && facts.err_is_tty,
          .out_is_live = facts.out_is_tty && !dumb,
          .err_is_live = facts.err_is_tty && !dumb,
          .can_ask = facts.in_is_tty && facts.err_is_tty,
          .unicode = IsUtf8Locale(environment),
          .columns = facts.columns == 0 ? 80 : facts.columns};
}

std::string Paint(absl::string_view text, Colour colour, bool enabled) {
  return enabled ? absl::StrCat(Sequence(colour), text, "\x1b[0m")
                 : std::string(text);
}

}  // namespace resnetd::cli
