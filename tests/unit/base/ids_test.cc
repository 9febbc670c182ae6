#include "server/base/ids.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "absl/status/status.h"
#include "server/base/error.h"

namespace resnetd {
namespace {

using ::testing::HasSubstr;

TEST(ModelNameTest, AcceptsWhatTheContractSays) {
  for (const std::string name : {"a", "0", "resnet50", "a.b", "a-b", "a_b",
                                 "a--b", "a_.b", "digits-2026.01.31"}) {
    ASSERT_TRUE(ModelName::Parse(name).ok()) << name;
    EXPECT_EQ(ModelName::Parse(name)->text(), name);
  }
}

TEST(ModelNameTest, RefusesEverythingElse) {
  for (const std::string name :
       {"",    ".",   "..",   "-",   "_a",       "a_",   ".a",     "a.",
        "-a",  "a-",  "a..b", "A",   "aB",       "a b",  "a/b",    "a\\b",
        "a:b", "a@1", "../a", "a\n", "\xC3\xA9", "a%2e", "caf\xE9"}) {
    const absl::Status status = ModelName::Parse(name).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_EQ(DetailsOf(status).reason, "REQUEST_INVALID") << name;
  }
  EXPECT_FALSE(ModelName::Parse(absl::string_view("a\0b", 3)).ok());
}

TEST(ModelNameTest, HasAtMost64Characters) {
  EXPECT_TRUE(ModelName::Parse(std::string(63, 'a')).ok());
  EXPECT_TRUE(ModelName::Parse(std::string(64, 'a')).ok());
  EXPECT_FALSE(ModelName::Parse(std::string(65, 'a')).ok());
}

// The regular expression of the contract, over all texts of up to 3 of the
// characters that matter.
TEST(ModelNameTest, AgreesWithItsRegularExpression) {
  const auto has_form = testing::Matches(
      testing::MatchesRegex("[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?"));
  const std::string alphabet = "az09._-A/ ";
  int checked = 0;
  const auto check = [&](const std::string& name) {
    const bool wanted = has_form(name) && name.find("..") == std::string::npos;
    EXPECT_EQ(ModelName::Parse(name).ok(), wanted) << name;
    ++checked;
  };
  for (const char a : alphabet) {
    check({a});
    for (const char b : alphabet) {
      check({a, b});
      for (const char c : alphabet) {
        check({a, b, c});
        for (const char d : alphabet) {
          check({a, b, c, d});
        }
      }
    }
  }
  EXPECT_EQ(checked, 11110);
}

TEST(ModelNameTest, QuotesABadNameInItsError) {
  const absl::Status status = ModelName::Parse("\x1b[2J\n").status();
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("model name \"\\x1b[2J\\n\" is not valid"));
  EXPECT_LT(
      ModelName::Parse(std::string(1'000'000, 'X')).status().message().size(),
      300U);
}

TEST(ModelNameTest, IsOrderedByItsText) {
  EXPECT_LT(ModelName::Parse("a").value(), ModelName::Parse("b").value());
  EXPECT_EQ(ModelName::Parse("a").value(), ModelName::Parse("a").value());
}

TEST(RequestIdTest, IsRandomHex) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string id = NewRequestId();
    EXPECT_THAT(id, testing::MatchesRegex("[0-9a-f]{32}"));
    EXPECT_TRUE(seen.insert(id).second) << id;
  }
}

}  // namespace
}  // namespace resnetd
