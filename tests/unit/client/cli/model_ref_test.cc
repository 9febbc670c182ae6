#include "client/cli/model_ref.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace resnetd::cli {
namespace {

using ::testing::HasSubstr;

struct RefCase {
  const char* text;
  const char* resource;
};

class ModelRefTest : public testing::TestWithParam<RefCase> {};

TEST_P(ModelRefTest, IsReadInEveryForm) {
  ModelRef ref;
  EXPECT_EQ(ParseModelRef(GetParam().text, ref), "");
  EXPECT_EQ(ResourceOf(ref), GetParam().resource);
}

INSTANTIATE_TEST_SUITE_P(
    All, ModelRefTest,
    testing::Values(RefCase{"cats", "models/cats"},
                    RefCase{"models/cats", "models/cats"},
                    RefCase{"cats@2", "models/cats/versions/2"},
                    RefCase{"models/cats@2", "models/cats/versions/2"},
                    RefCase{"cats@stable", "models/cats/aliases/stable"},
                    RefCase{"cats@2b", "models/cats/aliases/2b"},
                    RefCase{"cats/versions/2", "models/cats/versions/2"},
                    RefCase{"models/cats/versions/9223372036854775807",
                            "models/cats/versions/9223372036854775807"},
                    RefCase{"models/cats/aliases/a-b",
                            "models/cats/aliases/a-b"},
                    RefCase{"resnet50-0676ba61", "models/resnet50-0676ba61"}));

TEST(ParseModelRefTest, RefusesWhatIsNone) {
  for (const char* text :
       {"", "Cats", "cats@", "cats@0", "cats@-1", "cats@Big", "cats@1@2",
        "cats@9223372036854775808", "cats/versions/x", "cats/versions/",
        "cats/version/1", "cats/aliases/7", "cats/versions/1/x", "a..b",
        "models/", "../etc", "@1", "cats/", "cats /versions/1"}) {
    ModelRef ref;
    EXPECT_NE(ParseModelRef(text, ref), "") << text;
  }
  ModelRef ref;
  EXPECT_THAT(ParseModelRef("cats\x1b[2J", ref),
              HasSubstr(R"("cats\x1b[2J" is not a name)"));
}

TEST(ParseModelRefTest, ForgetsWhatTheRefWasBefore) {
  ModelRef ref;
  EXPECT_EQ(ParseModelRef("cats@2", ref), "");
  EXPECT_EQ(ParseModelRef("dogs@stable", ref), "");
  EXPECT_FALSE(ref.version);
  EXPECT_EQ(ref.alias, "stable");
}

TEST(ParseVersionRefTest, WantsAVersionOrAnAlias) {
  ModelRef ref;
  EXPECT_EQ(ParseVersionRef("cats@2", ref), "");
  EXPECT_EQ(ParseVersionRef("cats@stable", ref), "");
  EXPECT_EQ(ParseVersionRef("cats", ref),
            "\"cats\" names no version: write cats@N; `resnetctl models "
            "versions cats` lists them");
}

TEST(ParseModelOnlyTest, RefusesMore) {
  ModelRef ref;
  EXPECT_EQ(ParseModelOnly("models/cats", ref), "");
  EXPECT_EQ(ParseModelOnly("cats@2", ref),
            "\"cats@2\" names more than a model: write cats");
}

TEST(ParseAliasRefTest, WantsAnAlias) {
  ModelRef ref;
  EXPECT_EQ(ParseAliasRef("cats@canary", ref), "");
  EXPECT_NE(ParseAliasRef("cats@2", ref), "");
  EXPECT_NE(ParseAliasRef("cats", ref), "");
}

TEST(ShortNameTest, IsTheFormThatPeopleWrite) {
  EXPECT_EQ(ShortName("models/cats/versions/2"), "cats@2");
  EXPECT_EQ(ShortName("models/cats/aliases/stable"), "cats@stable");
  EXPECT_EQ(ShortName("models/cats"), "cats");
  EXPECT_EQ(ShortName("models/Weird Name"), "models/Weird Name");
  EXPECT_EQ(ModelPart("models/cats/versions/2"), "cats");
  EXPECT_EQ(ModelPart("?"), "");
}

}  // namespace
}  // namespace resnetd::cli
