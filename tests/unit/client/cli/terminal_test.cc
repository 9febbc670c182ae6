#include "client/cli/terminal.h"

#include <gtest/gtest.h>

namespace resnetd::cli {
namespace {

constexpr StreamFacts kBothTerminals = {
    .out_is_tty = true, .err_is_tty = true, .columns = 120};

TEST(DecideTerminalTest, PaintsOnlyTerminals) {
  Terminal terminal = DecideTerminal(kBothTerminals, {}, false);
  EXPECT_TRUE(terminal.out_colours);
  EXPECT_TRUE(terminal.err_colours);
  EXPECT_TRUE(terminal.err_is_live);
  EXPECT_EQ(terminal.columns, 120U);

  terminal = DecideTerminal({.out_is_tty = true}, {}, false);
  EXPECT_TRUE(terminal.out_colours);
  EXPECT_FALSE(terminal.err_colours);
  EXPECT_FALSE(terminal.err_is_live);
  EXPECT_EQ(terminal.columns, 80U);
}

TEST(DecideTerminalTest, HonoursNoColorAndDumbTerminals) {
  EXPECT_FALSE(
      DecideTerminal(kBothTerminals, {{"NO_COLOR", "1"}}, false).out_colours);
  // Set but empty does not count, as no-color.org has it.
  EXPECT_TRUE(
      DecideTerminal(kBothTerminals, {{"NO_COLOR", ""}}, false).out_colours);
  EXPECT_FALSE(DecideTerminal(kBothTerminals, {}, true).err_colours);
  // Progress needs no colours.
  EXPECT_TRUE(DecideTerminal(kBothTerminals, {}, true).err_is_live);
  const Terminal dumb =
      DecideTerminal(kBothTerminals, {{"TERM", "dumb"}}, false);
  EXPECT_FALSE(dumb.out_colours);
  EXPECT_FALSE(dumb.err_is_live);
}

TEST(DecideTerminalTest, TakesUnicodeFromTheFirstLocaleVariableThatIsSet) {
  const auto unicode = [](const Environment& environment) {
    return DecideTerminal({}, environment, false).unicode;
  };
  EXPECT_FALSE(unicode({}));
  EXPECT_TRUE(unicode({{"LANG", "de_AT.UTF-8"}}));
  EXPECT_TRUE(unicode({{"LC_CTYPE", "C.utf8"}, {"LANG", "C"}}));
  EXPECT_FALSE(unicode({{"LC_ALL", "C"}, {"LANG", "en_US.UTF-8"}}));
  EXPECT_TRUE(unicode({{"LC_ALL", ""}, {"LANG", "en_US.UTF-8"}}));
  EXPECT_FALSE(unicode({{"LANG", "de_AT.ISO-8859-1"}}));
}

TEST(PaintTest, PaintsOnlyIfEnabled) {
  EXPECT_EQ(Paint("x", Colour::kRed, true), "\x1b[31mx\x1b[0m");
  EXPECT_EQ(Paint("x", Colour::kRed, false), "x");
}

}  // namespace
}  // namespace resnetd::cli
