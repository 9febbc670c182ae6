#include "server/base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/base/thread.h"
#include "server/base/utf8.h"

namespace resnetd {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

constexpr char kTime[] = "2026-01-31T12:00:00.123Z";

std::string Text(absl::string_view message,
                 std::initializer_list<LogField> fields = {}) {
  return FormatLogLine(LogFormat::kText, kTime, LogLevel::kInfo, message,
                       fields)
      .substr(sizeof(kTime) + 5);
}

std::string Json(absl::string_view message,
                 std::initializer_list<LogField> fields = {}) {
  return FormatLogLine(LogFormat::kJson, kTime, LogLevel::kInfo, message,
                       fields);
}

TEST(FormatLogLineTest, WritesTextAsKeysAndValues) {
  EXPECT_EQ(FormatLogLine(LogFormat::kText, kTime, LogLevel::kWarning,
                          "queue full", {{"model", "digits"}, {"depth", "3"}}),
            "2026-01-31T12:00:00.123Z warning queue full model=digits depth=3");
}

TEST(FormatLogLineTest, WritesJsonAsOneObject) {
  EXPECT_EQ(
      FormatLogLine(LogFormat::kJson, kTime, LogLevel::kError, "queue full",
                    {{"model", "digits"}, {"depth", "3"}}),
      "{\"time\":\"2026-01-31T12:00:00.123Z\",\"level\":\"error\",\"message\":"
      "\"queue full\",\"model\":\"digits\",\"depth\":\"3\"}");
}

TEST(FormatLogLineTest, NamesTheLevels) {
  const auto level = [](LogLevel of) {
    return FormatLogLine(LogFormat::kText, "t", of, "m", {});
  };
  EXPECT_EQ(level(LogLevel::kDebug), "t debug m");
  EXPECT_EQ(level(LogLevel::kInfo), "t info m");
  EXPECT_EQ(level(LogLevel::kWarning), "t warning m");
  EXPECT_EQ(level(LogLevel::kError), "t error m");
}

TEST(FormatLogLineTest, QuotesValuesThatWouldNotBeOneWord) {
  EXPECT_EQ(Text("m", {{"k", "plain/value:1,2"}}), "m k=plain/value:1,2");
  EXPECT_EQ(Text("m", {{"k", ""}}), "m k=\"\"");
  EXPECT_EQ(Text("m", {{"k", "two words"}}), "m k=\"two words\"");
  EXPECT_EQ(Text("m", {{"k", "a=b"}}), "m k=\"a=b\"");
  EXPECT_EQ(Text("m", {{"k", "say \"hi\""}}), "m k=\"say \\\"hi\\\"\"");
  EXPECT_EQ(Text("m", {{"k", "back\\slash"}}), "m k=\"back\\\\slash\"");
  EXPECT_EQ(Text("m", {{"k", "caf\xC3\xA9"}}), "m k=caf\xC3\xA9");
}

TEST(FormatLogLineTest, EscapesWhatATerminalWouldObey) {
  EXPECT_EQ(Text("a\nb"), "a\\nb");
  EXPECT_EQ(Text("a\r\tb"), "a\\u000d\\u0009b");
  EXPECT_EQ(Text("\x1b[2J"), "\\u001b[2J");
  EXPECT_EQ(Text("\x7f"), "\\u007f");
  EXPECT_EQ(Text("\xC2\x9B"
                 "2J"),
            "\\u009b2J");  // CSI as one character
  EXPECT_EQ(Text("\xC2\xA0"), "\xC2\xA0");
  EXPECT_EQ(Text(absl::string_view("\0", 1)), "\\u0000");
  EXPECT_EQ(Text("m", {{"k", "\n"}}), "m k=\"\\n\"");
  EXPECT_EQ(Text("m", {{"k", "\xC2\x9B"}}), "m k=\"\\u009b\"");
}

TEST(FormatLogLineTest, ReplacesBytesThatAreNoUtf8) {
  EXPECT_EQ(Text("caf\xE9!"), "caf\xEF\xBF\xBD!");
  EXPECT_THAT(Json("caf\xE9!"), HasSubstr("\"caf\xEF\xBF\xBD!\""));
}

TEST(FormatLogLineTest, KeepsQuotesOfAMessageReadable) {
  EXPECT_EQ(Text("model \"digits\" is ready"), "model \"digits\" is ready");
  EXPECT_THAT(Json("model \"digits\""), HasSubstr("\"model \\\"digits\\\"\""));
}

TEST(FormatLogLineTest, IsOneLineOfUtf8WhateverItIsGiven) {
  std::mt19937 random(2);
  for (int i = 0; i < 3000; ++i) {
    std::string bytes(random() % 30, '\0');
    for (char& c : bytes) {
      c = static_cast<char>(random());
    }
    for (const std::string& line :
         {Text(bytes, {{"k", bytes}}), Json(bytes, {{"k", bytes}})}) {
      EXPECT_TRUE(IsUtf8(line));
      EXPECT_TRUE(std::none_of(line.begin(), line.end(), [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
      }));
    }
  }
}

TEST(LogTest, WritesWholeLinesOfTheConfiguredLevelToStderr) {
  testing::internal::CaptureStderr();
  ConfigureLog({.level = LogLevel::kInfo, .format = LogFormat::kText});
  Log(LogLevel::kDebug, "not shown");
  Log(LogLevel::kInfo, "shown {} %s", {{"k", "{}"}});
  ConfigureLog({.level = LogLevel::kDebug, .format = LogFormat::kJson});
  Log(LogLevel::kDebug, "shown too");
  ConfigureLog({});
  const std::string written = testing::internal::GetCapturedStderr();
  EXPECT_THAT(
      written,
      testing::MatchesRegex(
          "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\\.[0-9]{3}Z info shown "
          "[{][}] %s k=[{][}]\n"
          "[{]\"time\":\"[-0-9T:.]{23}Z\",\"level\":\"debug\",\"message\":"
          "\"shown too\"[}]\n"));
}

TEST(LogTest, KeepsLinesOfSeveralThreadsApart) {
  constexpr int kThreads = 4;
  constexpr int kLines = 100;
  testing::internal::CaptureStderr();
  {
    std::vector<Thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back("log", [i] {
        for (int line = 0; line < kLines; ++line) {
          Log(LogLevel::kInfo, "line",
              {{"from", absl::StrCat(i)}, {"end", "yes"}});
        }
      });
    }
  }
  const std::string written = testing::internal::GetCapturedStderr();
  int whole = 0;
  for (const absl::string_view line : absl::StrSplit(written, '\n')) {
    whole += absl::StrContains(line, " info line from=") &&
                     absl::EndsWith(line, " end=yes")
                 ? 1
                 : 0;
  }
  EXPECT_EQ(whole, kThreads * kLines);
}

TEST(LogLimiterTest, LetsSoManyPassInEachSecond) {
  LogLimiter limiter(3);
  const SteadyTime start{std::chrono::seconds(100)};
  for (const int at : {0, 1, 999}) {
    EXPECT_TRUE(limiter.Allow(start + milliseconds(at)));
  }
  EXPECT_FALSE(limiter.Allow(start + milliseconds(999)));
  EXPECT_EQ(limiter.suppressed(), 1U);
  for (const int at : {1000, 1500, 1999}) {
    EXPECT_TRUE(limiter.Allow(start + milliseconds(at)));
  }
  EXPECT_FALSE(limiter.Allow(start + milliseconds(1999)));
  EXPECT_TRUE(limiter.Allow(start + std::chrono::hours(1000)));
  EXPECT_EQ(limiter.suppressed(), 2U);
}

TEST(LogLimiterTest, LetsNothingPassWithALimitOfZero) {
  LogLimiter limiter(0);
  EXPECT_FALSE(limiter.Allow(SteadyTime{}));
  EXPECT_FALSE(limiter.Allow(SteadyTime{std::chrono::seconds(5)}));
}

TEST(LogLimiterTest, CountsExactlyFromManyThreads) {
  constexpr int kThreads = 4;
  constexpr int kTurns = 5000;
  LogLimiter limiter(1000);
  std::atomic<int> allowed = 0;
  {
    std::vector<Thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back("limit", [&] {
        for (int turn = 0; turn < kTurns; ++turn) {
          allowed += limiter.Allow(SteadyTime{}) ? 1 : 0;
        }
      });
    }
  }
  EXPECT_EQ(allowed.load(), 1000);
  EXPECT_EQ(limiter.suppressed(), kThreads * kTurns - 1000U);
}

}  // namespace
}  // namespace resnetd
