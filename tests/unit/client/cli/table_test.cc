#include "client/cli/table.h"

#include <gtest/gtest.h>

#include <limits>

#include "client/cli/text.h"

namespace resnetd::cli {
namespace {

TEST(TableTest, AlignsColumnsByWhatATerminalShows) {
  Table table({{"NAME"}, {"N", Align::kRight}, {"END"}});
  table.AddRow({"猫", "1", "x"});
  table.AddRow({"cats", "100", ""});
  EXPECT_EQ(table.Render(),
            "NAME    N  END\n"
            "猫      1  x\n"
            "cats  100\n");
}

TEST(TableTest, LeavesOutEmptyHeadingsAndIndents) {
  Table table({{}, {}});
  table.AddRow({"a", "b"});
  EXPECT_EQ(table.Render("  "), "  a  b\n");
}

TEST(TableTest, CutsAndEscapesCells) {
  Table table({{"", Align::kLeft, 6}, {}});
  table.AddRow({"abcdefghi", "x\ny"});
  EXPECT_EQ(table.Render(), "abc...  x\\ny\n");
}

TEST(TableTest, FillsUpMissingCells) {
  Table table({{}, {}});
  table.AddRow({"a"});
  EXPECT_EQ(table.Render(), "a\n");
}

TEST(BarTest, FillsInEighthsWithUnicode) {
  EXPECT_EQ(Bar(0, 4, true), "    ");
  EXPECT_EQ(Bar(1, 4, true), "████");
  EXPECT_EQ(Bar(0.5, 4, true), "██  ");
  EXPECT_EQ(Bar(0.53125, 4, true), "██▏ ");
  EXPECT_EQ(Bar(0.96875, 4, true), "███▉");
}

TEST(BarTest, FillsInWholeColumnsWithoutUnicode) {
  EXPECT_EQ(Bar(0, 4, false), "----");
  EXPECT_EQ(Bar(0.5, 4, false), "##--");
  EXPECT_EQ(Bar(1, 4, false), "####");
}

TEST(BarTest, IsAlwaysAsWideAsAsked) {
  for (int share = 0; share <= 1000; ++share) {
    for (const bool unicode : {false, true}) {
      EXPECT_EQ(DisplayWidth(Bar(share / 1000.0, 20, unicode)), 20U) << share;
    }
  }
}

TEST(BarTest, StandsValuesThatAreNoShare) {
  EXPECT_EQ(Bar(7, 2, true), "██");
  EXPECT_EQ(Bar(-1, 2, false), "--");
  EXPECT_EQ(Bar(std::numeric_limits<double>::quiet_NaN(), 2, false), "--");
  EXPECT_EQ(Bar(0.5, 0, true), "");
}

}  // namespace
}  // namespace resnetd::cli
