#include "server/rpc/trace_context.h"

#include <gtest/gtest.h>

#include <string>

namespace resnetd {
namespace {

// The example of the W3C recommendation.
constexpr char kExample[] =
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
constexpr char kTraceId[] = "0af7651916cd43dd8448eb211c80319c";

std::string Replaced(std::size_t at, const std::string& text) {
  std::string value = kExample;
  return value.replace(at, text.size(), text);
}

TEST(TraceContextTest, FindsTheTraceIdOfTheStandardsExample) {
  EXPECT_EQ(TraceIdOf(kExample), kTraceId);
}

TEST(TraceContextTest, TakesLaterVersionsWithMoreFields) {
  EXPECT_EQ(TraceIdOf(Replaced(0, "cc")), kTraceId);
  EXPECT_EQ(TraceIdOf(Replaced(0, "cc") + "-more"), kTraceId);
}

TEST(TraceContextTest, IgnoresValuesThatAreNotValid) {
  const std::string valid = kExample;
  for (const std::string& value :
       {std::string(), std::string("00"), valid.substr(0, 54), valid + "0",
        valid + "-more", Replaced(0, "ff"), Replaced(0, "0X"),
        Replaced(0, "cc") + "more", Replaced(2, "_"), Replaced(35, "_"),
        Replaced(52, "_"), Replaced(3, std::string(32, '0')),
        Replaced(36, std::string(16, '0')), Replaced(3, "A"), Replaced(36, "g"),
        Replaced(53, "0G"), std::string(55, '-'), std::string(55, '\0')}) {
    EXPECT_EQ(TraceIdOf(value), "") << value;
  }
}

}  // namespace
}  // namespace resnetd
