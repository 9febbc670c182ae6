#include "server/app/default_model.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

namespace resnetd {
namespace {

ModelName Name(const std::string& text) {
  return ModelName::Parse(text).value();
}

StoredModel Stored(const std::string& name, int since) {
  return {.name = Name(name), .since = WallTime(std::chrono::seconds(since))};
}

const std::vector<DeclaredModel>& NoneDeclared() {
  static const std::vector<DeclaredModel> none;
  return none;
}

TEST(ChooseDefaultModelTest, IsTheOneAskedFor) {
  const std::vector<DeclaredModel> declared = {DeclaredModel(Name("a"))};
  const auto chosen = ChooseDefaultModel(
      "b", declared, std::vector{Stored("a", 1), Stored("b", 2)});
  ASSERT_TRUE(chosen.ok()) << chosen.status();
  EXPECT_EQ(*chosen, Name("b"));
}

TEST(ChooseDefaultModelTest, IsTheFirstDeclaredWhenNoneIsAskedFor) {
  const std::vector<DeclaredModel> declared = {DeclaredModel(Name("z")),
                                               DeclaredModel(Name("b"))};
  EXPECT_EQ(ChooseDefaultModel(
                "", declared,
                std::vector{Stored("a", 1), Stored("b", 2), Stored("z", 3)})
                .value(),
            Name("z"));
}

TEST(ChooseDefaultModelTest, IsTheOldestOfTheStoreWhenNothingIsDeclared) {
  EXPECT_EQ(ChooseDefaultModel(
                "", NoneDeclared(),
                std::vector{Stored("a", 3), Stored("z", 1), Stored("b", 1)})
                .value(),
            Name("b"));
}

TEST(ChooseDefaultModelTest, ThereIsNoneWithoutModels) {
  EXPECT_EQ(ChooseDefaultModel("", NoneDeclared(), {}).value(), std::nullopt);
}

TEST(ChooseDefaultModelTest, RefusesAModelThatIsNotServed) {
  const absl::Status status =
      ChooseDefaultModel("digit", NoneDeclared(),
                         std::vector{Stored("digits", 1), Stored("flowers", 2)})
          .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(),
            "--default-model names \"digit\", which is not served; did you "
            "mean \"digits\"?");
}

}  // namespace
}  // namespace resnetd
