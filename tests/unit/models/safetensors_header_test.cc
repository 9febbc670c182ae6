#include "server/models/safetensors_header.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/base/error.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

absl::StatusOr<SafetensorsHeader> Parse(absl::string_view json) {
  return ParseSafetensorsHeader(json, {});
}

TEST(SafetensorsHeaderTest, KeepsTheOrderOfTheText) {
  const auto header =
      Parse(R"({"b":{"dtype":"U8","shape":[2,3],"data_offsets":[4,10]},)"
            R"("__metadata__":{"y":"1","x":"2"},)"
            R"("a":{"shape":[],"data_offsets":[0,4],"dtype":"F32"}})");
  ASSERT_TRUE(header.ok()) << header.status();
  ASSERT_EQ(header->entries.size(), 2U);
  EXPECT_EQ(header->entries[0].name, "b");
  EXPECT_EQ(header->entries[0].dtype, DType::kU8);
  EXPECT_THAT(header->entries[0].shape, ElementsAre(2, 3));
  EXPECT_EQ(header->entries[0].begin, 4U);
  EXPECT_EQ(header->entries[0].end, 10U);
  EXPECT_EQ(header->entries[1].name, "a");
  EXPECT_THAT(header->metadata, ElementsAre(Pair("y", "1"), Pair("x", "2")));
}

// Places are the file's business, not the header's.
TEST(SafetensorsHeaderTest, DoesNotLookAtPlaces) {
  EXPECT_TRUE(
      Parse(R"({"a":{"dtype":"F32","shape":[9],"data_offsets":[7,3]}})").ok());
}

// Every value but the right one is refused at every place of the grammar.
TEST(SafetensorsHeaderTest, RefusesEveryOtherKindOfValueAtEveryPlace) {
  const std::vector<std::string> values = {
      "null",          "true",     "-1",      "1",
      "1.5",           "\"U8\"",   "[]",      "[1]",
      "[1,2]",         "[[1,2]]",  "[\"1\"]", "{}",
      "{\"k\":\"v\"}", "{\"k\":1}"};
  struct Place {
    std::string before;
    std::string after;
    std::vector<std::string> taken;
  };
  const std::vector<Place> places = {
      {"{\"a\":", "}", {}},
      {"{\"__metadata__\":", "}", {"{}", "{\"k\":\"v\"}"}},
      {"{\"__metadata__\":{\"k\":", "}}", {"\"U8\""}},
      {"{\"a\":{\"shape\":[],\"data_offsets\":[0,1],\"dtype\":",
       "}}",
       {"\"U8\""}},
      {"{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,1],\"shape\":",
       "}}",
       {"[]", "[1]", "[1,2]"}},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":",
       "}}",
       {"[1,2]"}},
      {"{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,1],\"shape\":[",
       "]}}",
       {"1"}},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,",
       "]}}",
       {"1"}},
  };
  for (const Place& place : places) {
    for (const std::string& value : values) {
      const std::string json = absl::StrCat(place.before, value, place.after);
      const bool taken = std::find(place.taken.begin(), place.taken.end(),
                                   value) != place.taken.end();
      const absl::Status status = Parse(json).status();
      EXPECT_EQ(status.ok(), taken) << json << " " << status;
      if (!taken) {
        EXPECT_EQ(DetailsOf(status).reason, "WEIGHTS_CORRUPT") << json;
      }
    }
  }
}

TEST(SafetensorsHeaderTest, NeverGoesDeeperThanThree) {
  std::string deep = R"({"a":{"dtype":"U8","shape":)";
  deep.append(500'000, '[');
  EXPECT_EQ(std::string(Parse(deep).status().message()),
            "header: tensor \"a\": found an array, expected an integer from 0 "
            "to 2^53");
}

TEST(SafetensorsHeaderTest, TakesIntegersUpTo2To53) {
  const auto with = [](const std::string& number) {
    return Parse(absl::StrCat(R"({"a":{"dtype":"U8","shape":[)", number,
                              R"(],"data_offsets":[0,)", number, "]}}"))
        .ok();
  };
  EXPECT_TRUE(with("0"));
  EXPECT_TRUE(with("9007199254740991"));
  EXPECT_TRUE(with("9007199254740992"));
  EXPECT_FALSE(with("9007199254740993"));
  EXPECT_FALSE(with("18446744073709551615"));
  EXPECT_FALSE(with("18446744073709551616"));
  EXPECT_FALSE(with("1e3"));
  EXPECT_FALSE(with("-0"));
}

TEST(SafetensorsHeaderTest, LimitsKeysOfTheMetadataToo) {
  const auto with = [](std::size_t length) {
    return Parse(absl::StrCat("{\"__metadata__\":{\"", std::string(length, 'k'),
                              "\":\"v\"}}"));
  };
  EXPECT_TRUE(with(256).ok());
  EXPECT_EQ(DetailsOf(with(257).status()).reason, "LIMIT_EXCEEDED");
}

TEST(SafetensorsHeaderTest, RefusesMetadataTwice) {
  EXPECT_EQ(
      std::string(
          Parse(R"({"__metadata__":{},"__metadata__":{}})").status().message()),
      "header: \"__metadata__\" occurs twice");
  EXPECT_EQ(std::string(Parse(R"({"__metadata__":{"k":"1","\u006b":"2"}})")
                            .status()
                            .message()),
            "header: __metadata__: \"k\" occurs twice");
}

}  // namespace
}  // namespace resnetd
