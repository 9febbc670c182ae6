#include "server/models/json_object.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/status/status.h"
#include "server/base/error.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;
using Json = nlohmann::json;

ObjectReader Open(const Json& json) {
  return ObjectReader::Open(json, "at", {"a", "b"}).value();
}

TEST(ParseStrictJsonTest, LimitsTheSize) {
  EXPECT_TRUE(ParseStrictJson("{}", 3).ok());
  EXPECT_TRUE(ParseStrictJson("{}", 2).ok());
  EXPECT_EQ(std::string(ParseStrictJson("{}", 1).status().message()),
            "has 2 bytes, at most 1 are accepted");
}

TEST(ParseStrictJsonTest, CountsLinesAndColumnsFromOne) {
  EXPECT_EQ(std::string(ParseStrictJson("x", 100).status().message()),
            "is not valid JSON at line 1, column 1");
  EXPECT_EQ(std::string(ParseStrictJson("{\n\n  x", 100).status().message()),
            "is not valid JSON at line 3, column 3");
}

TEST(ObjectReaderTest, AnswersAbsentForMembersThatAreNotThere) {
  const Json json = Json::object();
  const ObjectReader reader = Open(json);
  EXPECT_EQ(reader.Find("a"), nullptr);
  EXPECT_EQ(reader.Text("a", 9).value(), std::nullopt);
  EXPECT_EQ(reader.Integer("a", 0, 9).value(), std::nullopt);
  EXPECT_EQ(reader.Number("a", 0, 9).value(), std::nullopt);
  EXPECT_EQ(reader.Channels("a").value(), std::nullopt);
  const absl::Status status =
      reader.Required(reader.Integer("a", 0, 9), "a").status();
  EXPECT_EQ(std::string(status.message()), "\"at.a\" is missing");
  EXPECT_THAT(DetailsOf(status).violations,
              ElementsAre(Pair("at.a", "is missing")));
}

TEST(ObjectReaderTest, AcceptsIntegersFromLeastToMost) {
  for (const auto& [value, fits] : {std::pair(-3, false), std::pair(-2, true),
                                    std::pair(5, true), std::pair(6, false)}) {
    const Json json = {{"a", value}};
    EXPECT_EQ(Open(json).Integer("a", -2, 5).ok(), fits) << value;
    EXPECT_EQ(Open(json).Number("a", -2, 5).ok(), fits) << value;
  }
  const Json large = {{"a", 18446744073709551615U}};
  EXPECT_FALSE(Open(large).Integer("a", -2, 5).ok());
  const Json fraction = {{"a", 1.0}};
  EXPECT_FALSE(Open(fraction).Integer("a", -2, 5).ok());
  EXPECT_EQ(Open(fraction).Number("a", -2, 5).value(), 1.0);
}

TEST(ObjectReaderTest, LimitsTextsInBytes) {
  const Json json = {{"a", "1234"}};
  EXPECT_EQ(Open(json).Text("a", 4).value(), "1234");
  EXPECT_EQ(std::string(Open(json).Text("a", 3).status().message()),
            "\"at.a\" has 4 bytes, at most 3 are accepted");
}

TEST(ObjectReaderTest, RefusesUnknownMembersAndOtherTypes) {
  EXPECT_EQ(
      std::string(
          ObjectReader::Open({{"cc", 1}}, "", {"a", "b"}).status().message()),
      "unknown member \"cc\"; there are a, b");
  EXPECT_EQ(std::string(
                ObjectReader::Open(Json::array(), "at", {}).status().message()),
            "\"at\" must be an object");
}

}  // namespace
}  // namespace resnetd
