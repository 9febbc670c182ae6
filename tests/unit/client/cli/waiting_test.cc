#include "client/cli/waiting.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <sstream>
#include <string>

namespace resnetd::cli {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

TEST(WaitingTest, IsALineThatGoesAway) {
  std::ostringstream out;
  std::ostringstream err;
  const Console console{
      .out = out, .err = err, .terminal = {.err_is_live = true}};
  { const Waiting waiting(console, "measuring digits@2", true); }
  // However short it was: nothing is left of it.
  EXPECT_THAT(err.str(), EndsWith("\r\x1b[K"));
  EXPECT_EQ(out.str(), "");
}

TEST(WaitingTest, SaysNothingWhereNobodyWatches) {
  std::ostringstream out;
  std::ostringstream err;
  const Console dumb{.out = out, .err = err, .terminal = {}};
  { const Waiting waiting(dumb, "measuring", true); }
  const Console live{.out = out, .err = err, .terminal = {.err_is_live = true}};
  { const Waiting waiting(live, "measuring", false); }
  EXPECT_EQ(err.str(), "");
}

TEST(WaitingLineTest, IsSafeAndFits) {
  EXPECT_EQ(
      WaitingLine("measuring digits@2", std::chrono::milliseconds(12999), {}),
      "measuring digits@2 ... 12 s");
  EXPECT_EQ(WaitingLine("measuring digits@2", std::chrono::seconds(1),
                        {.columns = 11}),
            "measuri...");
  EXPECT_THAT(WaitingLine("a\nb", std::chrono::seconds(1), {}),
              HasSubstr("a\\nb"));
}

}  // namespace
}  // namespace resnetd::cli
