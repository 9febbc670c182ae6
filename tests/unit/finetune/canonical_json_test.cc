#include "server/finetune/canonical_json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "server/finetune/random.h"

namespace resnetd {
namespace {

using Json = nlohmann::json;

std::string Canonical(const std::string& text) {
  return CanonicalJson(Json::parse(text));
}

TEST(CanonicalJsonTest, SortsMembersAndDropsSpaces) {
  EXPECT_EQ(Canonical(R"( { "b" : [ 1 , 2 ] , "a" : { "d" : null,
                         "c" : true } } )"),
            R"({"a":{"c":true,"d":null},"b":[1,2]})");
  EXPECT_EQ(Canonical("{}"), "{}");
  EXPECT_EQ(Canonical("[]"), "[]");
  EXPECT_EQ(Canonical("[[],{}]"), "[[],{}]");
  EXPECT_EQ(Canonical(R"({"B":1,"a":2,"A":3,"":4})"),
            R"({"":4,"A":3,"B":1,"a":2})");
}

TEST(CanonicalJsonTest, WritesNumbersInTheirShortestForm) {
  EXPECT_EQ(Canonical("[0.10, 1.0, 100, 1e2, -0.0, 0.1e-7, 5e-324]"),
            "[0.1,1,100,100,0,1e-08,5e-324]");
  EXPECT_EQ(Canonical("[1e22, 123456789.125, 9007199254740993]"),
            "[1e+22,123456789.125,9007199254740993]");
  EXPECT_EQ(Canonical("[18446744073709551615, -9223372036854775808]"),
            "[18446744073709551615,-9223372036854775808]");
}

TEST(CanonicalJsonTest, ReadsBackEveryNumberBitForBit) {
  RandomStream stream(1, RandomPurpose::kStep, 0, 0);
  for (int i = 0; i < 20000; ++i) {
    const std::uint64_t bits = stream.Bits64();
    double value = 0;
    std::memcpy(&value, &bits, sizeof(value));
    if (!std::isfinite(value)) {
      continue;
    }
    const std::string text = CanonicalJson(value);
    EXPECT_EQ(Json::parse(text).get<double>(), value) << text;
    EXPECT_LE(text.size(), 24U);
  }
}

TEST(CanonicalJsonTest, EscapesWhatItMustAndNothingElse) {
  const Json value = std::string("\"\\/\b\n\x01\x1f \x7f\xc3\xa9");
  EXPECT_EQ(CanonicalJson(value),
            "\"\\\"\\\\/\\u0008\\u000a\\u0001\\u001f \x7f\xc3\xa9\"");
  EXPECT_EQ(Json::parse(CanonicalJson(value)), value);
}

}  // namespace
}  // namespace resnetd
