#include "client/cli/byte_progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "client/cli/text.h"

namespace resnetd::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

constexpr Terminal kTerminal = {.unicode = false, .columns = 80};

TEST(ByteProgressLineTest, TellsBytesRateAndTimeLeft) {
  EXPECT_EQ(
      ByteProgressLine("sending", 10 << 20, 40 << 20, seconds(2), kTerminal),
      "sending #####--------------- 10.0 MiB of 40.0 MiB, 5.0 MiB/s, 7 s "
      "left");
  EXPECT_EQ(
      ByteProgressLine("sending", 40 << 20, 40 << 20, seconds(8), kTerminal),
      "sending #################### 40.0 MiB of 40.0 MiB, 5.0 MiB/s");
}

TEST(ByteProgressLineTest, GuessesNothingAtTheBeginning) {
  EXPECT_EQ(ByteProgressLine("sending", 0, 0, seconds(0), kTerminal),
            "sending -------------------- 0 B of 0 B");
  EXPECT_EQ(ByteProgressLine("sending", 1 << 20, 2 << 20, milliseconds(499),
                             kTerminal),
            "sending ##########---------- 1.0 MiB of 2.0 MiB");
  EXPECT_EQ(ByteProgressLine("sending", 0, 2 << 20, seconds(9), kTerminal),
            "sending -------------------- 0 B of 2.0 MiB");
}

TEST(ByteProgressLineTest, StaysWithinTheTerminal) {
  for (const std::size_t columns : {0U, 1U, 5U, 40U, 60U}) {
    EXPECT_LT(
        DisplayWidth(ByteProgressLine("sending", 1 << 20, 2 << 20, seconds(1),
                                      {.unicode = true, .columns = columns})),
        std::max<std::size_t>(columns, 1));
  }
}

class ByteProgressTest : public testing::Test {
 protected:
  ByteProgress::Now Clock() {
    return [this] { return now_; };
  }
  std::size_t Drawn() const {
    const std::string text = err_.str();
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\r'));
  }

  std::chrono::steady_clock::time_point now_;
  std::ostringstream out_;
  std::ostringstream err_;
  Console console_ = {
      .out = out_, .err = err_, .terminal = {.err_is_live = true}};
};

TEST_F(ByteProgressTest, DrawsTenTimesASecondAndAtTheEnd) {
  ByteProgress progress(console_, "sending", true, Clock());
  progress.Show(1, 100);
  EXPECT_EQ(Drawn(), 1U);
  now_ += milliseconds(99);
  progress.Show(2, 100);
  EXPECT_EQ(Drawn(), 1U);
  now_ += milliseconds(1);
  progress.Show(3, 100);
  EXPECT_EQ(Drawn(), 2U);
  progress.Show(100, 100);
  EXPECT_EQ(Drawn(), 3U);
}

TEST_F(ByteProgressTest, LeavesNothing) {
  {
    ByteProgress progress(console_, "sending", true, Clock());
    progress.Show(1, 2);
    progress.Say("the server checks it");
  }
  const std::string text = err_.str();
  EXPECT_THAT(text, HasSubstr("the server checks it"));
  EXPECT_EQ(text.find('\n'), std::string::npos);
  EXPECT_EQ(text.substr(text.size() - 4), "\r\x1b[K");
  EXPECT_EQ(out_.str(), "");
}

TEST_F(ByteProgressTest, IsSilentWhenNobodyWatchesOrWants) {
  {
    ByteProgress unwanted(console_, "sending", false, Clock());
    unwanted.Show(1, 1);
    unwanted.Say("text");
  }
  console_.terminal.err_is_live = false;
  ByteProgress unwatched(console_, "sending", true, Clock());
  unwatched.Show(1, 1);
  unwatched.Say("text");
  EXPECT_EQ(err_.str(), "");
}

}  // namespace
}  // namespace resnetd::cli
