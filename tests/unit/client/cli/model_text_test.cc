#include "client/cli/model_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace resnetd::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(FormatTimeTest, IsInUtc) {
  EXPECT_EQ(FormatTime(std::chrono::system_clock::from_time_t(0)),
            "1970-01-01 00:00:00");
}

TEST(FormatLabelsTest, ShowsTenOfThem) {
  EXPECT_EQ(FormatLabels({}), "");
  EXPECT_EQ(FormatLabels({"a", "b"}), "a, b");
  EXPECT_EQ(FormatLabels(std::vector<std::string>(10, "x")),
            "x, x, x, x, x, x, x, x, x, x");
  EXPECT_THAT(FormatLabels(std::vector<std::string>(11, "x")),
              HasSubstr(", ... (11 in all; -o json has every one)"));
}

TEST(FormatAliasesTest, NamesEachWithItsVersion) {
  client::Alias stable;
  stable.name = "models/cats/aliases/stable";
  stable.version = 3;
  client::Alias canary = stable;
  canary.name = "models/cats/aliases/canary";
  canary.version = 4;
  EXPECT_EQ(FormatAliases({}), "");
  EXPECT_EQ(FormatAliases({canary, stable}), "canary 4, stable 3");
}

TEST(DescribeTest, TellsWhereAnAliasIsAndWas) {
  client::Alias alias;
  alias.name = "models/cats/aliases/stable";
  alias.version = 3;
  EXPECT_EQ(Describe(alias), "stable of cats names version 3");
  alias.previous_version = 2;
  EXPECT_EQ(Describe(alias), "stable of cats names version 3, before 2");
}

TEST(AddVersionTest, LeavesOutWhatIsNotKnown) {
  client::Version version;
  version.version = 7;
  Table table({{}, {}});
  AddVersion(version, table);
  const std::string text = table.Render();
  EXPECT_THAT(text, HasSubstr("version       7\n"));
  for (const char* row :
       {"failure", "aliases", "created", "made from", "source", "manifest",
        "computed by", "in memory", "accuracy", "description"}) {
    EXPECT_THAT(text, Not(HasSubstr(row))) << row;
  }
}

}  // namespace
}  // namespace resnetd::cli
