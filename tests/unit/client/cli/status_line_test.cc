#include "client/cli/status_line.h"

#include <gtest/gtest.h>

#include <sstream>

#include "client/cli/text.h"

namespace resnetd::cli {
namespace {

class StatusLineTest : public testing::Test {
 protected:
  std::ostringstream out_;
  std::ostringstream err_;
  Console console_ = {
      .out = out_, .err = err_, .terminal = {.err_is_live = true}};
};

TEST(UsableColumnsTest, LeavesTheLastOneFree) {
  EXPECT_EQ(UsableColumns({.columns = 80}), 79U);
  EXPECT_EQ(UsableColumns({.columns = 1}), 0U);
  // Of a terminal that does not know its own width.
  EXPECT_EQ(UsableColumns({.columns = 0}), 0U);
}

TEST(FittedTest, CutsWhatIsTooLong) {
  EXPECT_EQ(Fitted("12345678", {.columns = 9}), "12345678");
  EXPECT_EQ(Fitted("12345678", {.columns = 8}), "1234...");
  EXPECT_EQ(Fitted("12345678", {.columns = 2}), ".");
  EXPECT_EQ(Fitted("12345678", {.columns = 1}), "");
  EXPECT_EQ(Fitted("12345678", {.columns = 0}), "");
}

TEST_F(StatusLineTest, DrawsOverItselfAndLeavesNothing) {
  {
    StatusLine line(console_, true);
    EXPECT_TRUE(line.enabled());
    line.Show("a long line");
    line.Show("short");
  }
  EXPECT_EQ(err_.str(), "\ra long line\x1b[K\rshort\x1b[K\r\x1b[K");
  EXPECT_EQ(out_.str(), "");
}

TEST_F(StatusLineTest, ClearsOnlyWhatIsThere) {
  StatusLine line(console_, true);
  line.Clear();
  EXPECT_EQ(err_.str(), "");
  line.Show("x");
  line.Clear();
  line.Clear();
  EXPECT_EQ(err_.str(), "\rx\x1b[K\r\x1b[K");
}

TEST_F(StatusLineTest, IsSilentWhenNobodyWatchesOrWants) {
  StatusLine unwanted(console_, false);
  unwanted.Show("x");
  EXPECT_FALSE(unwanted.enabled());
  console_.terminal.err_is_live = false;
  StatusLine unwatched(console_, true);
  unwatched.Show("x");
  EXPECT_FALSE(unwatched.enabled());
  EXPECT_EQ(err_.str(), "");
}

TEST_F(StatusLineTest, StaysWithinATerminalOfAnyWidth) {
  for (const std::size_t columns : {0U, 1U, 2U, 5U}) {
    err_.str("");
    console_.terminal.columns = columns;
    StatusLine line(console_, true);
    line.Show("a line that fits nowhere");
    // "\r" before it, "\x1b[K" behind it.
    EXPECT_EQ(err_.str().size(), 4 + (columns == 0 ? 0 : columns - 1));
  }
}

}  // namespace
}  // namespace resnetd::cli
