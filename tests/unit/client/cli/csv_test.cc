#include "client/cli/csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace resnetd::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::vector<std::string>> Rows(absl::string_view text) {
  std::vector<std::vector<std::string>> rows;
  const auto parsed = ParseCsv(text);
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  if (parsed.ok()) {
    for (const CsvRow& row : *parsed) {
      rows.push_back(row.fields);
    }
  }
  return rows;
}

std::string Wrong(absl::string_view text) {
  return std::string(ParseCsv(text).status().message());
}

TEST(CsvTest, ReadsRowsThatEndInEveryWay) {
  for (const char* text : {"a,b\nc,d\n", "a,b\r\nc,d\r\n", "a,b\nc,d",
                           "\xEF\xBB\xBF"
                           "a,b\r\n\r\n\nc,d\r\n"}) {
    EXPECT_THAT(Rows(text),
                ElementsAre(ElementsAre("a", "b"), ElementsAre("c", "d")))
        << text;
  }
}

TEST(CsvTest, NothingHasNoRows) {
  EXPECT_THAT(Rows(""), IsEmpty());
  EXPECT_THAT(Rows("\n\r\n"), IsEmpty());
}

TEST(CsvTest, FieldsMayBeEmpty) {
  EXPECT_THAT(Rows(",\na,,b\n"),
              ElementsAre(ElementsAre("", ""), ElementsAre("a", "", "b")));
}

// The examples of RFC 4180, section 2.
TEST(CsvTest, QuotesHoldEverything) {
  EXPECT_THAT(Rows("\"aaa\",\"b \r\nbb\",\"ccc\"\r\nzzz,yyy,xxx"),
              ElementsAre(ElementsAre("aaa", "b \r\nbb", "ccc"),
                          ElementsAre("zzz", "yyy", "xxx")));
  EXPECT_THAT(Rows("\"aaa\",\"b\"\"bb\",\"ccc\""),
              ElementsAre(ElementsAre("aaa", "b\"bb", "ccc")));
  EXPECT_THAT(Rows("\"a,b\",\"\"\n"), ElementsAre(ElementsAre("a,b", "")));
}

TEST(CsvTest, KnowsTheLineOfEachRow) {
  const auto rows = ParseCsv("a,b\n\n\"x\ny\",z\nlast,1\n");
  ASSERT_TRUE(rows.ok());
  EXPECT_EQ((*rows)[0].line, 1U);
  EXPECT_EQ((*rows)[1].line, 3U);
  EXPECT_EQ((*rows)[2].line, 5U);
}

TEST(CsvTest, NamesTheLineThatIsWrong) {
  EXPECT_THAT(Wrong("a,b\nc,\"d\n"), HasSubstr("line 2 begins a quote"));
  EXPECT_THAT(Wrong("\"a\"b,c\n"), HasSubstr("line 1 has text behind"));
  EXPECT_THAT(Wrong("a\"b,c\n"), HasSubstr("line 1 has a quote inside"));
}

}  // namespace
}  // namespace resnetd::cli
