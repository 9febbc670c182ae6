#include "client/cli/text.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace resnetd::cli {
namespace {

using std::chrono::nanoseconds;

TEST(PrintableTest, LeavesTextAsItIs) {
  EXPECT_EQ(Printable("tabby cat, Brünn, 猫, 🐈"), "tabby cat, Brünn, 猫, 🐈");
  EXPECT_EQ(Printable(""), "");
}

TEST(PrintableTest, EscapesWhatATerminalObeys) {
  EXPECT_EQ(Printable("\x1b[31m"), R"(\x1b[31m)");
  EXPECT_EQ(Printable("a\nb\rc\td"), R"(a\nb\rc\td)");
  EXPECT_EQ(Printable(absl::string_view("\0\x7f", 2)), R"(\x00\x7f)");
  EXPECT_EQ(Printable("\u009b2J"), R"(\u{9b}2J)");
  EXPECT_EQ(Printable("\u202eabc\u200b\ufeff"),
            R"(\u{202e}abc\u{200b}\u{feff})");
}

TEST(PrintableTest, EscapesBytesThatAreNotUtf8) {
  EXPECT_EQ(Printable("a\xff"
                      "b\xc3"),
            R"(a\xffb\xc3)");
  EXPECT_EQ(Printable("\xc0\xaf"), R"(\xc0\xaf)");  // Overlong.
}

TEST(PrintableJsonTest, KeepsTheMeaning) {
  const std::string text = R"({"a": "x\u001b )"
                           "\u202e\u009b\U000e0041 猫\"}";
  const std::string safe = PrintableJson(text);
  EXPECT_EQ(safe, R"({"a": "x\u001b \u202e\u009b\udb40\udc41 猫"})");
  EXPECT_EQ(nlohmann::json::parse(safe), nlohmann::json::parse(text));
}

TEST(DisplayWidthTest, CountsColumns) {
  EXPECT_EQ(DisplayWidth(""), 0U);
  EXPECT_EQ(DisplayWidth("cat"), 3U);
  EXPECT_EQ(DisplayWidth("ü█"), 2U);
  EXPECT_EQ(DisplayWidth("猫🐈"), 4U);
  EXPECT_EQ(DisplayWidth("e\u0301"), 1U);
}

TEST(PadTest, FillsColumnsNotBytes) {
  EXPECT_EQ(PadRight("猫", 4), "猫  ");
  EXPECT_EQ(PadLeft("ü", 3), "  ü");
  EXPECT_EQ(PadRight("long", 2), "long");
}

TEST(ShortenTest, CutsAtCharacters) {
  EXPECT_EQ(Shorten("abcdef", 6), "abcdef");
  EXPECT_EQ(Shorten("abcdefg", 6), "abc...");
  EXPECT_EQ(Shorten("猫猫猫猫", 7), "猫猫...");
  EXPECT_EQ(Shorten("猫猫猫猫", 6), "猫...");
  EXPECT_EQ(Shorten("abc", 2), "..");
  EXPECT_EQ(Shorten("abc", 0), "");
}

TEST(FormatDurationTest, ChoosesTheUnit) {
  EXPECT_EQ(FormatDuration(nanoseconds(0)), "0.00 ms");
  EXPECT_EQ(FormatDuration(nanoseconds(83'000)), "0.08 ms");
  EXPECT_EQ(FormatDuration(nanoseconds(9'990'000)), "9.99 ms");
  EXPECT_EQ(FormatDuration(nanoseconds(9'996'000)), "10.0 ms");
  EXPECT_EQ(FormatDuration(nanoseconds(999'900'000)), "999.9 ms");
  EXPECT_EQ(FormatDuration(nanoseconds(999'960'000)), "1.00 s");
  EXPECT_EQ(FormatDuration(std::chrono::seconds(119)), "119.00 s");
  EXPECT_EQ(FormatDuration(std::chrono::seconds(303)), "5 min 3 s");
  EXPECT_EQ(FormatDuration(std::chrono::minutes(125)), "2 h 5 min");
}

TEST(FormatBytesTest, ChoosesTheUnit) {
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(1023), "1023 B");
  EXPECT_EQ(FormatBytes(1024), "1.0 KiB");
  EXPECT_EQ(FormatBytes(20 << 20), "20.0 MiB");
  EXPECT_EQ(FormatBytes((1 << 20) - 1), "1.0 MiB");
  EXPECT_EQ(FormatBytes(std::int64_t{3} << 40), "3.0 TiB");
}

TEST(FormatCountTest, GroupsThousands) {
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(1000), "1,000");
  EXPECT_EQ(FormatCount(11'689'512), "11,689,512");
  EXPECT_EQ(FormatCount(-1234), "-1,234");
  EXPECT_EQ(FormatCount(-123), "-123");
}

}  // namespace
}  // namespace resnetd::cli
