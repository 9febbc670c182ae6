// Writer and reader together: one list of members serves both.
#include "server/finetune/json_fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "server/base/clock.h"
#include "server/base/ids.h"
#include "server/finetune/json_reader.h"
#include "server/finetune/json_writer.h"

namespace resnetd {

enum class Colour { kRed, kBlue };
enum class Weight { kLight = 3, kHeavy = 7 };

const std::vector<std::pair<Colour, absl::string_view>>& NamesOf(
    Colour /*unused*/) {
  static const auto* const names =
      new std::vector<std::pair<Colour, absl::string_view>>{
          {Colour::kRed, "RED"}, {Colour::kBlue, "BLUE"}};
  return *names;
}
const std::vector<Weight>& NumbersOf(Weight /*unused*/) {
  static const auto* const all =
      new std::vector<Weight>{Weight::kLight, Weight::kHeavy};
  return *all;
}

struct Inner {
  std::uint64_t large = 0;
  std::int8_t small = 0;
};
struct Outer {
  bool flag = false;
  double share = 0;
  std::string text;
  ModelName model = ModelName::Parse("m").value();
  std::optional<DatasetName> dataset;
  VersionNumber version;
  std::chrono::seconds wait{0};
  WallTime time;
  Colour colour = Colour::kRed;
  Weight weight = Weight::kLight;
  std::vector<std::string> words;
  std::vector<Inner> inner;
  std::vector<bool> bits;
  int late = 5;
};

template <typename Fields, typename AnyInner>
OnlyFor<AnyInner, Inner> ListFields(Fields& fields, AnyInner& inner) {
  fields("large", inner.large);
  fields("small", inner.small);
}
template <typename Fields, typename AnyOuter>
OnlyFor<AnyOuter, Outer> ListFields(Fields& fields, AnyOuter& outer) {
  fields("flag", outer.flag);
  fields("share", outer.share);
  fields("text", outer.text);
  fields("model", outer.model);
  fields("dataset", outer.dataset);
  fields("version", outer.version);
  fields("wait_s", outer.wait);
  fields("time_us", outer.time);
  fields("colour", outer.colour);
  fields("weight", outer.weight);
  fields("words", outer.words);
  fields("inner", outer.inner);
  fields("bits", outer.bits);
  fields.Added("late", outer.late, 5);
}

namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Outer Example() {
  return {.flag = true,
          .share = 0.5,
          .text = "t",
          .model = ModelName::Parse("photos").value(),
          .dataset = DatasetName::Parse("d").value(),
          .version = {8},
          .wait = std::chrono::seconds(90),
          .time = WallTime(std::chrono::microseconds(1'700'000)),
          .colour = Colour::kBlue,
          .weight = Weight::kHeavy,
          .words = {"a", ""},
          .inner = {{.large = std::numeric_limits<std::uint64_t>::max(),
                     .small = -128}},
          .bits = {true, false},
          .late = 6};
}

std::vector<std::string> Members(const FieldViolations& violations) {
  std::vector<std::string> members;
  for (const auto& [member, text] : violations) {
    members.push_back(member);
  }
  return members;
}

std::vector<std::string> WrongIn(const nlohmann::json& json) {
  FieldViolations violations;
  Outer outer;
  JsonReader::Read(json, "", violations, outer);
  return Members(violations);
}

TEST(JsonFieldsTest, EveryTypeIsWrittenAsItIsSaidAndComesBack) {
  const nlohmann::json json = JsonWriter::Write(Example());
  EXPECT_EQ(json.dump(),
            R"({"bits":[true,false],"colour":"BLUE","dataset":"d",)"
            R"("flag":true,"inner":[{"large":18446744073709551615,)"
            R"("small":-128}],"late":6,"model":"photos","share":0.5,)"
            R"("text":"t","time_us":1700000,"version":8,"wait_s":90,)"
            R"("weight":7,"words":["a",""]})");
  FieldViolations violations;
  Outer read;
  JsonReader::Read(json, "", violations, read);
  EXPECT_THAT(violations, IsEmpty());
  EXPECT_EQ(JsonWriter::Write(read), json);
}

TEST(JsonFieldsTest, AnAddedMemberIsThereOnlyWhereItSaysSomething) {
  Outer plain;
  nlohmann::json json = JsonWriter::Write(plain);
  EXPECT_FALSE(json.contains("late"));
  FieldViolations violations;
  Outer read{.late = 9};
  JsonReader::Read(json, "", violations, read);
  EXPECT_THAT(violations, IsEmpty());
  EXPECT_EQ(read.late, 5);
  json["late"] = "x";
  EXPECT_THAT(WrongIn(json), ElementsAre("late"));
}

TEST(JsonFieldsTest, EachWrongMemberIsNamed) {
  const nlohmann::json good = JsonWriter::Write(Example());
  struct Case {
    std::string path;
    nlohmann::json value;
    std::string member;
  };
  const std::vector<Case> cases = {
      {"/flag", 1, "flag"},
      {"/share", "half", "share"},
      {"/share", nullptr, "share"},
      {"/text", 1, "text"},
      {"/model", "../x", "model"},
      {"/model", 1, "model"},
      {"/dataset", "", "dataset"},
      {"/version", "8", "version"},
      {"/version", 1.5, "version"},
      {"/wait_s", 1.5, "wait_s"},
      {"/time_us", "now", "time_us"},
      {"/colour", 0, "colour"},
      {"/colour", "GREEN", "colour"},
      {"/weight", 4, "weight"},
      {"/weight", "kHeavy", "weight"},
      {"/weight", 7.0, "weight"},
      {"/words", "a", "words"},
      {"/words/1", 1, "words[1]"},
      {"/inner/0", 5, "inner[0]"},
      {"/inner/0/large", -1, "inner[0].large"},
      {"/inner/0/small", 128, "inner[0].small"},
      {"/inner/0/small", -129, "inner[0].small"},
      {"/inner/0/other", 1, "inner[0].\"other\""},
      {"/bits/0", 1, "bits[0]"},
  };
  for (const Case& one : cases) {
    nlohmann::json json = good;
    json[nlohmann::json::json_pointer(one.path)] = one.value;
    EXPECT_THAT(WrongIn(json), ElementsAre(one.member))
        << one.path << ' ' << one.value;
  }
}

TEST(JsonFieldsTest, WhatIsMissingIsNamedUnlessItMayBe) {
  const nlohmann::json good = JsonWriter::Write(Example());
  for (const auto& [name, value] : good.items()) {
    nlohmann::json json = good;
    json.erase(name);
    if (name == "dataset" || name == "late") {
      EXPECT_THAT(WrongIn(json), IsEmpty());
    } else {
      EXPECT_THAT(WrongIn(json), ElementsAre(name));
    }
  }
}

TEST(JsonFieldsTest, WhatIsNoObjectIsRefused) {
  for (const nlohmann::json& json :
       {nlohmann::json(), nlohmann::json::array(), nlohmann::json(1),
        nlohmann::json::parse("{", nullptr, false)}) {
    EXPECT_THAT(WrongIn(json), ElementsAre(""));
  }
}

}  // namespace
}  // namespace resnetd
