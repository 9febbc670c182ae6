#include "client/cli/progress.h"

#include <gtest/gtest.h>

#include <sstream>

#include "client/cli/text.h"

namespace resnetd::cli {
namespace {

TEST(ProgressLineTest, TellsHowFarItIs) {
  EXPECT_EQ(ProgressLine("sent", 1, 2, {.unicode = false, .columns = 80}),
            "sent ###############--------------- 1/2");
  EXPECT_EQ(ProgressLine("sent", 0, 0, {.unicode = false, .columns = 80}),
            "sent ------------------------------ 0/0");
}

TEST(ProgressLineTest, StaysWithinTheTerminal) {
  for (const std::size_t columns : {0U, 1U, 5U, 20U, 39U, 40U, 41U}) {
    const std::string line =
        ProgressLine("sent", 1, 2, {.unicode = true, .columns = columns});
    EXPECT_LT(DisplayWidth(line), std::max<std::size_t>(columns, 1));
  }
}

class ProgressTest : public testing::Test {
 protected:
  std::ostringstream out_;
  std::ostringstream err_;
  Console console_ = {
      .out = out_, .err = err_, .terminal = {.err_is_live = true}};
};

TEST_F(ProgressTest, DrawsOverTheSameLineAndLeavesNothing) {
  {
    Progress progress(console_, "sent", 2, true);
    progress.Show(1);
    progress.Show(2);
  }
  const std::string text = err_.str();
  EXPECT_EQ(text.find('\n'), std::string::npos);
  EXPECT_EQ(text.substr(text.size() - 4), "\r\x1b[K");
  EXPECT_EQ(out_.str(), "");
}

TEST_F(ProgressTest, ClearsOnlyWhatIsThere) {
  Progress progress(console_, "sent", 2, true);
  progress.Clear();
  EXPECT_EQ(err_.str(), "");
}

TEST_F(ProgressTest, IsSilentWhenNobodyWatchesOrWants) {
  Progress unwanted(console_, "sent", 2, false);
  unwanted.Show(1);
  console_.terminal.err_is_live = false;
  Progress unwatched(console_, "sent", 2, true);
  unwatched.Show(1);
  EXPECT_EQ(err_.str(), "");
}

}  // namespace
}  // namespace resnetd::cli
