#include "server/app/declaration_plan.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <string>
#include <vector>

namespace resnetd {
namespace {

const std::string kThis(64, 'a');
const std::string kOther(64, 'b');

struct PlanCase {
  std::string title;
  std::optional<DeclaredBefore> before;
  bool version_there;
  bool alias_there;
  DeclarationPlan expected;
};

class PlanDeclarationTest : public testing::TestWithParam<PlanCase> {};

TEST_P(PlanDeclarationTest, DoesWhatIsNeeded) {
  const PlanCase& given = GetParam();
  EXPECT_EQ(PlanDeclaration({.fingerprint = kThis,
                             .before = given.before,
                             .version_there = given.version_there,
                             .alias_there = given.alias_there}),
            given.expected)
      << given.title;
}

const DeclarationPlan kNothing{};
const DeclarationPlan kAll{.bring_version = true, .point_alias = true};
const DeclarationPlan kPoint{.bring_version = false, .point_alias = true};

std::vector<PlanCase> Cases() {
  const DeclaredBefore same{.fingerprint = kThis, .version = {3}};
  const DeclaredBefore other{.fingerprint = kOther, .version = {3}};
  return {
      {"first declaration, empty store", std::nullopt, false, false, kAll},
      {"first declaration of an alias there is", std::nullopt, false, true,
       kAll},
      {"changed since", other, true, true, kAll},
      {"changed since, alias gone", other, true, false, kAll},
      {"changed since, version gone", other, false, true, kAll},
      {"changed since, all gone", other, false, false, kAll},
      {"a restart undoes no promotion", same, true, true, kNothing},
      {"a restart undoes no deletion", same, false, true, kNothing},
      {"the alias was removed", same, true, false, kPoint},
      {"all was removed", same, false, false, kAll},
  };
}

INSTANTIATE_TEST_SUITE_P(Table, PlanDeclarationTest,
                         testing::ValuesIn(Cases()));

TEST(NoteTest, ReadsBackAsItWasWritten) {
  const DeclaredBefore before{.fingerprint = kThis, .version = {42}};
  EXPECT_EQ(ParseNote(FormatNote(before)), before);
}

TEST(NoteTest, WhatIsNoNoteIsNone) {
  for (const std::string& text :
       {std::string(), std::string("x"), kThis, kThis + " ", kThis + " x",
        kThis + " 0", kThis + " -1", kThis + " 1 2", std::string("a 1")}) {
    EXPECT_FALSE(ParseNote(text).has_value()) << text;
  }
}

DeclaredModel Model(const std::string& name = "m") {
  return DeclaredModel(ModelName::Parse(name).value());
}

TEST(NoteTest, EachAliasHasItsOwn) {
  DeclaredModel canary = Model();
  canary.alias = "canary";
  EXPECT_EQ(NoteKeyOf(Model()), "declared/m/stable");
  EXPECT_EQ(NoteKeyOf(canary), "declared/m/canary");
}

TEST(FingerprintOfTest, ChangesWithAllThatIsDeclared) {
  const std::vector<std::function<void(DeclaredModel&)>> changes = {
      [](DeclaredModel&) {},
      [](DeclaredModel& model) { model.architecture = "resnet18"; },
      [](DeclaredModel& model) { model.description = "resnet18"; },
      [](DeclaredModel& model) { model.num_classes = 10; },
      [](DeclaredModel& model) { model.preprocess.emplace(); },
      [](DeclaredModel& model) { model.preprocess.emplace().resize = 257; },
      [](DeclaredModel& model) { model.preprocess.emplace().crop = 223; },
      [](DeclaredModel& model) { model.preprocess.emplace().mean[2] = 0.4F; },
      [](DeclaredModel& model) { model.preprocess.emplace().std[0] = 0.4F; },
      [](DeclaredModel& model) {
        model.evaluations = {{"d", 1, 0.5}};
      },
      [](DeclaredModel& model) {
        model.evaluations = {{"d", 2, 0.5}};
      },
      [](DeclaredModel& model) {
        model.evaluations = {{"d", 1, 0.6}};
      },
  };
  std::set<std::string> seen;
  for (const auto& change : changes) {
    DeclaredModel model = Model();
    change(model);
    const std::string fingerprint = FingerprintOf(model, "w", "l");
    EXPECT_EQ(fingerprint.size(), 64U);
    EXPECT_TRUE(seen.insert(fingerprint).second);
    EXPECT_EQ(FingerprintOf(model, "w", "l"), fingerprint);
  }
  EXPECT_TRUE(seen.insert(FingerprintOf(Model(), "w2", "l")).second);
  EXPECT_TRUE(seen.insert(FingerprintOf(Model(), "w", "l2")).second);
}

TEST(FingerprintOfTest, TheNamesOfFilesAreNotPartOfIt) {
  DeclaredModel moved = Model();
  moved.file = "/elsewhere/w";
  moved.labels_file = "/elsewhere/l";
  moved.origin = "models file";
  EXPECT_EQ(FingerprintOf(moved, "w", "l"), FingerprintOf(Model(), "w", "l"));
}

}  // namespace
}  // namespace resnetd
