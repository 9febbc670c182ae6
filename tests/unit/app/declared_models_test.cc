#include "server/app/declared_models.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"

namespace resnetd {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kDigest[] =
    "7c19c93de74826dd04b65ff2073c3d28dea9689c10c025139369e9c6b501c5c3";

absl::StatusOr<std::vector<DeclaredModel>> Parse(const std::string& text) {
  return ParseModelsFile(text, "/etc/resnetd", "models file \"m.toml\"");
}

std::string ErrorOf(const std::string& text) {
  const absl::Status status = Parse(text).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
  EXPECT_EQ(DetailsOf(status).reason, "MODEL_INVALID");
  return std::string(status.message());
}

TEST(ParseModelsFileTest, ReadsEveryMember) {
  const auto models = Parse(absl::StrCat(R"(# What is served.
[[model]]
name = "flowers"
file = "weights/flowers.pth"
sha256 = ")",
                                         kDigest, R"("
labels = "../flowers.txt"
alias = "canary"
architecture = "resnet18"
description = "of the garden"
precision = "int8"
preprocess = {resize = 40, crop = 32, mean = [0.5, 0, 1], std = [1, 0.5, 0.25]}

[[model]]
name = "plain"
file = "/models/plain.safetensors"
)"));
  ASSERT_TRUE(models.ok()) << models.status();
  ASSERT_THAT(*models, SizeIs(2));
  const DeclaredModel& flowers = models->front();
  EXPECT_EQ(flowers.name.text(), "flowers");
  EXPECT_EQ(flowers.file, "/etc/resnetd/weights/flowers.pth");
  EXPECT_EQ(flowers.sha256, kDigest);
  EXPECT_EQ(flowers.labels_file, "/etc/flowers.txt");
  EXPECT_EQ(flowers.alias, "canary");
  EXPECT_EQ(flowers.architecture, "resnet18");
  EXPECT_EQ(flowers.description, "of the garden");
  EXPECT_EQ(flowers.precision, "int8");
  EXPECT_EQ(flowers.preprocess, (PreprocessSpec{.resize = 40,
                                                .crop = 32,
                                                .mean = {0.5F, 0, 1},
                                                .std = {1, 0.5F, 0.25F}}));
  const DeclaredModel& plain = models->back();
  EXPECT_EQ(plain.file, "/models/plain.safetensors");
  EXPECT_EQ(plain.alias, "stable");
  EXPECT_EQ(plain.labels_file, "");
  EXPECT_EQ(plain.precision, "");
  EXPECT_FALSE(plain.preprocess.has_value());
  EXPECT_EQ(plain.origin, "models file \"m.toml\", model \"plain\"");
}

TEST(ParseModelsFileTest, PreprocessMayBeATableOfItsOwn) {
  const auto models =
      Parse("[[model]]\nname='a'\nfile='a'\n[model.preprocess]\nresize=232\n");
  ASSERT_TRUE(models.ok()) << models.status();
  EXPECT_EQ(models->front().preprocess, PreprocessSpec{.resize = 232});
}

TEST(ParseModelsFileTest, AnEmptyFileDeclaresNothing) {
  const auto models = Parse("# nothing yet\n");
  ASSERT_TRUE(models.ok()) << models.status();
  EXPECT_THAT(*models, IsEmpty());
}

TEST(ParseModelsFileTest, ADigestAloneNamesWhatTheStoreHas) {
  const auto models =
      Parse(absl::StrCat("[[model]]\nname='a'\nsha256='", kDigest, "'\n"));
  ASSERT_TRUE(models.ok()) << models.status();
  EXPECT_EQ(models->front().file, "");
  EXPECT_THAT(ErrorOf(absl::StrCat("[[model]]\nname='a'\nlabels='l'\nsha256='",
                                   kDigest, "'\n")),
              HasSubstr("need file"));
}

struct BadCase {
  std::string text;
  std::string error;
};

class BadModelsFileTest : public testing::TestWithParam<BadCase> {};

TEST_P(BadModelsFileTest, IsRefusedWithTheLine) {
  EXPECT_EQ(ErrorOf(GetParam().text),
            absl::StrCat("models file \"m.toml\", line ", GetParam().error));
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadModelsFileTest,
    testing::Values(
        BadCase{"[[model]]\nname='a'\nfile='a'\nlables='l'\n",
                "4: unknown key \"lables\"; did you mean \"labels\"?"},
        BadCase{"models = 3\n",
                "1: unknown key \"models\"; did you mean \"model\"?"},
        BadCase{"[model]\nname='a'\n",
                "1: each model is a [[model]], in two brackets"},
        BadCase{"model = [1]\n", "1: each model is a [[model]]"},
        BadCase{"[[model]]\nfile='a'\n", "1: needs name"},
        BadCase{"\n[[model]]\nname='a'\n",
                "2: needs file, or sha256 of weights that the store has"},
        BadCase{"[[model]]\nname='a'\nfile=''\n",
                "3: file must be a text that is not empty"},
        BadCase{"[[model]]\nname='a'\nfile=3\n",
                "3: file must be a text that is not empty"},
        BadCase{"[[model]]\nname='a'\nfile=\"a\\u0000b\"\n",
                "3: file must be a text that is not empty"},
        BadCase{"[[model]]\nname='a'\nfile='a'\nsha256='ABC'\n",
                "1: sha256 must be 64 lower-case hex digits"},
        BadCase{"[[model]]\nname='a'\nfile='a'\nprecision='fp8'\n",
                "1: precision is \"fp8\", not fp32, bf16, int8 or auto"},
        BadCase{"[[model]]\nname='a'\nfile='a'\npreprocess=3\n",
                "4: preprocess must be a table"},
        BadCase{"[[model]]\nname='a'\nfile='a'\npreprocess={crop='x'}\n",
                "4: crop must be a whole number"},
        BadCase{"[[model]]\nname='a'\nfile='a'\npreprocess={crop=-1}\n",
                "4: crop must be a whole number"},
        BadCase{"[[model]]\nname='a'\nfile='a'\npreprocess={mean=[1,2]}\n",
                "4: mean must be three numbers"},
        BadCase{"[[model]]\nname='a'\nfile='a'\npreprocess={std=[1,2,'3']}\n",
                "4: std must be three numbers"}));

TEST(ParseModelsFileTest, NamesWhatIsWrongWithANameOrAValue) {
  EXPECT_THAT(ErrorOf("[[model]]\nname='../x'\nfile='a'\n"),
              HasSubstr("line 1: name: "));
  EXPECT_THAT(ErrorOf("[[model]]\nname='a'\nfile='a'\n"
                      "preprocess={resize=10, crop=32}\n"),
              HasSubstr("line 4: preprocess: "));
  EXPECT_THAT(ErrorOf("[[model]]\nname='a'\nfile='a'\n"
                      "preprocess={std=[inf, 1, 1]}\n"),
              HasSubstr("line 4: preprocess: "));
}

TEST(ParseModelsFileTest, RefusesWhatIsNoToml) {
  EXPECT_THAT(ErrorOf("[[model]\n"), HasSubstr("line 1: no TOML: "));
  EXPECT_THAT(ErrorOf("[[model]]\nname='a'\nname='b'\n"),
              HasSubstr("line 3: no TOML: "));
  EXPECT_THAT(ErrorOf("x = \"\xff\"\n"), HasSubstr("no TOML: "));
  EXPECT_THAT(ErrorOf("a = " + std::string(100'000, '[')),
              HasSubstr("no TOML: "));
}

TEST(ParseModelsFileTest, TakesFilesUpToItsLimit) {
  const std::string model = "[[model]]\nname='a'\nfile='a'\n#";
  for (const std::size_t size :
       {kMaxModelsFileBytes - 1, kMaxModelsFileBytes}) {
    EXPECT_TRUE(Parse(model + std::string(size - model.size(), 'x')).ok());
  }
  EXPECT_THAT(
      ErrorOf(model + std::string(kMaxModelsFileBytes + 1 - model.size(), 'x')),
      HasSubstr("has 1048577 bytes, over 1048576"));
}

TEST(ParseModelsFileTest, TakesModelsUpToTheirLimit) {
  const auto models = [](std::size_t count) {
    std::string text;
    for (std::size_t i = 0; i < count; ++i) {
      absl::StrAppend(&text, "[[model]]\nname='m", i, "'\nfile='f'\n");
    }
    return text;
  };
  EXPECT_TRUE(Parse(models(kMaxDeclaredModels - 1)).ok());
  EXPECT_TRUE(Parse(models(kMaxDeclaredModels)).ok());
  EXPECT_THAT(ErrorOf(models(kMaxDeclaredModels + 1)),
              HasSubstr("has 1001 models, over 1000"));
}

TEST(CheckDistinctTest, OneAliasOfAModelIsDeclaredOnce) {
  const auto models = [](const std::string& alias) {
    return Parse(absl::StrCat("[[model]]\nname='a'\nfile='a'\n[[model]]\n",
                              "name='a'\nfile='b'\nalias='", alias, "'\n"))
        .value();
  };
  EXPECT_TRUE(CheckDistinct(models("canary")).ok());
  const absl::Status twice = CheckDistinct(models("stable"));
  EXPECT_EQ(twice.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(twice.message(),
            "models file \"m.toml\", model \"a\": the alias \"stable\" of the "
            "model \"a\" is declared twice; give one another name, or another "
            "alias");
}

}  // namespace
}  // namespace resnetd
