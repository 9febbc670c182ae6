#include "server/base/quote.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/string_view.h"

namespace resnetd {
namespace {

TEST(QuotedTest, KeepsPrintableText) {
  EXPECT_EQ(Quoted("resnet50"), "\"resnet50\"");
  EXPECT_EQ(Quoted(""), "\"\"");
}

TEST(QuotedTest, EscapesWhatATerminalOrALogLineWouldObey) {
  EXPECT_EQ(Quoted("a\nb"), "\"a\\nb\"");
  EXPECT_EQ(Quoted("a\"b"), "\"a\\\"b\"");
  EXPECT_EQ(Quoted("\x1b[31m"), "\"\\x1b[31m\"");
  EXPECT_EQ(Quoted(absl::string_view("\0", 1)), "\"\\x00\"");
  EXPECT_EQ(Quoted("\xc3\xa9"), "\"\\xc3\\xa9\"");
}

TEST(QuotedTest, CutsLongTextAndSaysSo) {
  EXPECT_EQ(Quoted(std::string(63, 'x')), "\"" + std::string(63, 'x') + "\"");
  EXPECT_EQ(Quoted(std::string(64, 'x')), "\"" + std::string(64, 'x') + "\"");
  EXPECT_EQ(Quoted(std::string(65, 'x')),
            "\"" + std::string(64, 'x') + "\"...");
}

}  // namespace
}  // namespace resnetd
