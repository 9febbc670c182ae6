#include "server/app/access_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace resnetd {
namespace {

using testing::HasSubstr;

const std::string kDigest(64, 'a');

std::string Token(const std::string& name, const std::string& role,
                  const std::string& digest, const std::string& more = "") {
  return absl::StrCat("[[token]]\nname = \"", name, "\"\nrole = \"", role,
                      "\"\nsha256 = \"", digest, "\"\n", more);
}

std::string ErrorOf(const std::string& text) {
  const auto grants = ParseAccessFile(text, "tokens.toml");
  EXPECT_EQ(grants.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(grants.status().message());
}

TEST(ParseAccessFileTest, ReadsTokensAndCertificates) {
  const auto grants = ParseAccessFile(
      Token("ci", "trainer", kDigest,
            "not_after = 2027-01-31T12:00:00+01:00\n") +
          "[[certificate]]\nname = \"edge\"\nrole = \"classifier\"\n"
          "san = \"spiffe://c/edge\"\n",
      "t");
  ASSERT_TRUE(grants.ok()) << grants.status();
  ASSERT_EQ(grants->size(), 2U);
  const Grant& edge = grants->at(0);
  const Grant& ci = grants->at(1);
  EXPECT_EQ(edge.name, "edge");
  EXPECT_EQ(edge.role, Role::kClassifier);
  EXPECT_EQ(edge.certificate, "spiffe://c/edge");
  EXPECT_EQ(edge.token_sha256, "");
  EXPECT_EQ(ci.name, "ci");
  EXPECT_EQ(ci.role, Role::kTrainer);
  EXPECT_EQ(ci.token_sha256, kDigest);
  // date -u -d '2027-01-31 11:00' +%s
  EXPECT_EQ(ci.not_after, std::chrono::system_clock::time_point(
                              std::chrono::seconds(1'801'393'200)));
}

TEST(ParseAccessFileTest, AnEmptyFileLetsNobodyIn) {
  EXPECT_TRUE(ParseAccessFile("", "t")->empty());
  EXPECT_TRUE(ParseAccessFile("# nobody\n", "t")->empty());
}

TEST(ParseAccessFileTest, TwoTokensOfOneNameAreARotation) {
  const auto grants =
      ParseAccessFile(Token("ci", "trainer", kDigest) +
                          Token("ci", "trainer", std::string(64, 'b')),
                      "t");
  EXPECT_EQ(grants->size(), 2U);
}

TEST(ParseAccessFileTest, RefusesWhatItDoesNotKnowWithItsLine) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"[[tokens]]\n",
       "line 1: unknown key \"tokens\"; did you mean \"token\"?"},
      {"[token]\nname = \"x\"\n", "each entry is a [[token]]"},
      {"token = [1]\n", "each entry is a [[token]]"},
      {"[[token]]\nnam = \"x\"\n",
       "line 2: unknown key \"nam\"; did you mean \"name\"?"},
      {"[[token]]\nsan = \"x\"\n", "unknown key \"san\""},
      {"[[certificate]]\nsha256 = \"x\"\n", "unknown key \"sha256\""},
      {"[[token]]\nrole = \"viewer\"\n", "needs name"},
      {Token("x", "king", kDigest), "unknown role \"king\""},
      {Token("x", "trainr", kDigest), "did you mean \"trainer\"?"},
      {Token("x", "viewer", "resnetd_token"), "never the token"},
      {Token("x", "viewer", std::string(64, 'A')), "64 lower-case"},
      {Token("anonymous", "viewer", kDigest), "means another"},
      {Token("startup", "viewer", kDigest), "means another"},
      {Token("a b", "viewer", kDigest), "needs name"},
      {Token(std::string(65, 'x'), "viewer", kDigest), "1 to 64"},
      {Token("x", "viewer", kDigest, "not_after = 2027-01-31\n"),
       "a time with its zone"},
      {Token("x", "viewer", kDigest, "not_after = 2027-01-31T12:00:00\n"),
       "a time with its zone"},
      {Token("x", "viewer", kDigest) + Token("y", "viewer", kDigest),
       "\"y\" has the token or the certificate of another entry"},
      {Token("x", "viewer", kDigest) +
           Token("x", "trainer", std::string(64, 'b')),
       "\"x\" has two roles"},
  };
  for (const auto& [text, error] : cases) {
    EXPECT_THAT(ErrorOf(text), HasSubstr(error)) << text;
  }
}

TEST(ParseAccessFileTest, WhatIsNoTomlIsNotQuoted) {
  const std::string error = ErrorOf("resnetd_secret_token secret\n");
  EXPECT_EQ(error, "tokens.toml, line 1: this is no TOML");
}

TEST(ParseAccessFileTest, RefusesOneEntryTooMany) {
  const auto entries = [](std::size_t count) {
    std::string text;
    for (std::size_t i = 0; i < count; ++i) {
      text += absl::StrCat("[[certificate]]\nname = \"n\"\nrole = \"viewer\"\n",
                           "san = \"s", i, "\"\n");
    }
    return text;
  };
  EXPECT_TRUE(ParseAccessFile(entries(kMaxGrants - 1), "t").ok());
  EXPECT_TRUE(ParseAccessFile(entries(kMaxGrants), "t").ok());
  EXPECT_THAT(ErrorOf(entries(kMaxGrants + 1)), HasSubstr("over 1000"));
}

}  // namespace
}  // namespace resnetd
