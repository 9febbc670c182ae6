#include "server/finetune/recipe_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace resnetd {
namespace {

using ::testing::HasSubstr;

constexpr RecipePreset kPresets[] = {
    RecipePreset::kFewShot, RecipePreset::kMedium, RecipePreset::kLarge,
    RecipePreset::kFromScratch};

std::string Document() {
  std::ifstream file(RESNETD_SOURCE_DIR "/docs/finetuning.md");
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// "| title | few-shot | medium | large | from scratch |"
std::string Row(const std::string& title,
                const std::function<std::string(const RecipeColumn&)>& cell) {
  std::string row = absl::StrCat("| ", title, " |");
  for (const RecipePreset preset : kPresets) {
    absl::StrAppend(&row, " ", cell(ColumnOf(preset)), " |");
  }
  return row;
}

std::string OffOr(double value) {
  return value > 0 ? absl::StrCat(value) : "off";
}

TEST(RecipeTableTest, IsTheOneOfTheDocument) {
  const std::string document = Document();
  EXPECT_THAT(document, HasSubstr(Row("rate of the stem", [](const auto& c) {
                return absl::StrCat(c.first_rate);
              })));
  EXPECT_THAT(document,
              HasSubstr(Row("rate of the last stage", [](const auto& c) {
                return absl::StrCat(c.last_rate);
              })));
  EXPECT_THAT(document, HasSubstr(Row("rate of the head", [](const auto& c) {
                return absl::StrCat(c.head_rate);
              })));
  EXPECT_THAT(document, HasSubstr(Row("weight decay", [](const auto& c) {
                return OffOr(c.weight_decay);
              })));
  EXPECT_THAT(
      document,
      HasSubstr(Row("mixup", [](const auto& c) { return OffOr(c.mixup); })));
  EXPECT_THAT(document, HasSubstr(Row("crops of at least this part of the area",
                                      [](const auto& c) {
                                        return absl::StrCat(100 * c.least_scale,
                                                            " %");
                                      })));
  EXPECT_THAT(document,
              HasSubstr(Row("early stop after so many evaluations",
                            [](const auto& c) { return OffOr(c.patience); })));
  EXPECT_THAT(document, HasSubstr(absl::StrCat("fewer than ", kFewImages,
                                               " pictures, or fewer than ",
                                               kFewPerClass, " a class")));
}

TEST(RecipeTableTest, NeverTrainsTheBodyFasterThanTheHead) {
  for (const RecipePreset preset : kPresets) {
    const RecipeColumn& column = ColumnOf(preset);
    EXPECT_GT(column.first_rate, 0);
    EXPECT_LE(column.first_rate, column.last_rate);
    EXPECT_LE(column.last_rate, column.head_rate);
    EXPECT_LT(column.head_share, 0.5);
  }
}

}  // namespace
}  // namespace resnetd
