#include "server/app/model_precisions.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/base/ids.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

DeclaredModel Declared(const std::string& name, const std::string& precision) {
  DeclaredModel model(ModelName::Parse(name).value());
  model.precision = precision;
  model.origin = "models file, model \"" + name + "\"";
  return model;
}

TEST(ModelPrecisionsTest, ReadsOneEach) {
  EXPECT_THAT(*ParseModelPrecisions({"a=int8", "b.c=auto"}),
              ElementsAre(Pair("a", "int8"), Pair("b.c", "auto")));
  EXPECT_TRUE(ParseModelPrecisions({})->empty());
}

TEST(ModelPrecisionsTest, SaysWhatIsWrong) {
  const struct {
    std::vector<std::string> settings;
    std::string text;
  } rows[] = {
      {{"int8"}, "no NAME=PRECISION"},
      {{"=int8"}, "names no model"},
      {{"A b=int8"}, "names no model"},
      {{"a=fp16"}, "none of fp32, bf16, int8 and auto"},
      {{"a="}, "none of fp32"},
      {{"a=int8", "a=int8"}, "a second time"},
  };
  for (const auto& row : rows) {
    const auto parsed = ParseModelPrecisions(row.settings);
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(parsed.status().message()), HasSubstr(row.text));
  }
}

TEST(ModelPrecisionsTest, ASettingGoesBeforeADeclaration) {
  EXPECT_THAT(*WithDeclared({{"a", "fp32"}},
                            {Declared("a", "int8"), Declared("b", "bf16"),
                             Declared("c", "")}),
              ElementsAre(Pair("a", "fp32"), Pair("b", "bf16")));
}

TEST(ModelPrecisionsTest, TwoDeclarationsOfAModelAgree) {
  EXPECT_THAT(*WithDeclared({}, {Declared("a", "int8"), Declared("a", "int8")}),
              ElementsAre(Pair("a", "int8")));
  EXPECT_THAT(std::string(WithDeclared({}, {Declared("a", "int8"),
                                            Declared("a", "auto")})
                              .status()
                              .message()),
              HasSubstr("all versions of a model have one"));
}

}  // namespace
}  // namespace resnetd
