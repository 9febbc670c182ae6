#include "server/models/model_manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/unit/models/manager_fixture.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(ModelManagerTest, TheFirstVersionOfAModelAnswersAtOnce) {
  ManagerFixture fixture;
  const Imported first = fixture.Import("digits", 1);
  EXPECT_TRUE(first.created);
  EXPECT_EQ(first.version.row.version.value, 1);
  EXPECT_EQ(first.version.facts->architecture.name, "cifar_resnet8");
  EXPECT_EQ(first.version.residency, Residency::kReady);
  EXPECT_THAT(first.version.aliases, ElementsAre("stable"));
  EXPECT_EQ(fixture.Answering(""), 1);
  EXPECT_EQ(fixture.Answering("models/digits"), 1);
}

TEST(ModelManagerTest, ALaterVersionAnswersNobodyUntilAnAliasNamesIt) {
  ManagerFixture fixture;
  fixture.Import("digits", 1);
  const Imported second = fixture.Import("digits", 2);
  EXPECT_EQ(second.version.row.version.value, 2);
  EXPECT_THAT(second.version.aliases, IsEmpty());
  EXPECT_EQ(fixture.Answering("digits"), 1);
  EXPECT_EQ(fixture.Answering("models/digits/versions/2"), 2);
  const AliasRow moved = Must(fixture.Point("digits", "stable", 2));
  EXPECT_EQ(moved.generation, 2);
  EXPECT_EQ(moved.previous, VersionNumber{1});
  EXPECT_EQ(fixture.Answering("digits"), 2);
  EXPECT_EQ(fixture.loader().loads(), 2);
}

TEST(ModelManagerTest, RollsBackAndForthAgain) {
  ManagerFixture fixture;
  fixture.Import("digits", 1);
  fixture.Import("digits", 2);
  Must(fixture.Point("digits", "stable", 2));
  for (const std::int64_t version : {1, 2, 1}) {
    const AliasRow row = Must(fixture.manager().RollbackAlias(
        Named("digits"), "stable", "", false, {}));
    EXPECT_EQ(row.version.value, version);
    EXPECT_EQ(fixture.Answering("digits"), version);
  }
}

TEST(ModelManagerTest, SaysWhenThereIsNothingToGoBackTo) {
  ManagerFixture fixture;
  fixture.Import("digits", 1);
  const absl::Status status =
      fixture.manager()
          .RollbackAlias(Named("digits"), "stable", "", false, {})
          .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(status), "NO_PREVIOUS_VERSION");
}

TEST(ModelManagerTest, ListsWhatTheStoreAndThisServerKnow) {
  ManagerFixture fixture;
  fixture.Import("digits", 1);
  fixture.Import("digits", 2);
  fixture.Import("birds", 3);
  const auto models = Must(fixture.manager().ListModels());
  ASSERT_EQ(models.size(), 2U);
  EXPECT_EQ(models[0].name.text(), "birds");
  EXPECT_FALSE(models[0].is_default);
  EXPECT_EQ(models[1].name.text(), "digits");
  EXPECT_TRUE(models[1].is_default);
  EXPECT_EQ(models[1].serving->row.version.value, 1);
  const auto versions = Must(fixture.manager().ListVersions(Named("digits")));
  ASSERT_EQ(versions.size(), 2U);
  EXPECT_EQ(versions[0].row.version.value, 2);
  EXPECT_EQ(versions[1].row.version.value, 1);
  EXPECT_THAT(versions[1].aliases, ElementsAre("stable"));
}

TEST(ModelManagerTest, AnswersAfterARestartAsBefore) {
  ManagerFixture fixture;
  fixture.Import("digits", 1);
  fixture.Import("digits", 2);
  Must(fixture.Point("digits", "stable", 2));
  Must(fixture.Point("digits", "canary", 1));
  fixture.Restart();
  EXPECT_EQ(fixture.Answering("digits"), 2);
  EXPECT_EQ(fixture.Answering("models/digits/aliases/canary"), 1);
  const ModelView model = Must(fixture.manager().GetModel(Named("digits")));
  ASSERT_EQ(model.aliases.size(), 2U);
  EXPECT_EQ(model.aliases[1].generation, 2);
  EXPECT_EQ(fixture.sink().counts().restored, 2);
}

}  // namespace
}  // namespace resnetd
