#include "server/models/model_manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <latch>
#include <string>
#include <vector>

#include "server/base/thread.h"
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

TEST(ModelManagerTest, ADamagedModelDoesNotStopTheOthers) {
  ManagerFixture fixture;
  const VersionView digits = fixture.Import("digits", 1).version;
  fixture.Import("birds", 2);
  fixture.Close();
  fixture.Damage(digits.row.weights, 1000);
  fixture.Open();
  EXPECT_EQ(fixture.WhyNot("digits"), "VERSION_FAILED");
  EXPECT_EQ(fixture.Answering("birds"), 1);
  const ModelView view = Must(fixture.manager().GetModel(Named("digits")));
  EXPECT_EQ(view.serving->residency, Residency::kFailed);
  EXPECT_EQ(ReasonOf(view.serving->failure), "STORE_CORRUPT");
  EXPECT_EQ(fixture.sink().counts().restored_without, 1);
  EXPECT_EQ(fixture.sink().counts().integrity, 1);
}

TEST(ModelManagerTest, ADamagedVersionCanBeImportedAgain) {
  ManagerFixture fixture;
  const VersionView first = fixture.Import("digits", 1).version;
  fixture.Close();
  fixture.Damage(first.row.weights, 1000);
  fixture.Open();
  EXPECT_EQ(fixture.WhyNot("digits"), "VERSION_FAILED");
  const Imported again = fixture.Import("digits", 1);
  EXPECT_FALSE(again.created);
  EXPECT_EQ(again.version.residency, Residency::kReady);
  EXPECT_EQ(fixture.Answering("digits"), 1);
  EXPECT_TRUE(Must(fixture.store().Verify()).empty());
}

TEST(ModelManagerTest, ADamagedManifestIsPutBackToo) {
  ManagerFixture fixture;
  const VersionView first = fixture.Import("digits", 1).version;
  fixture.Close();
  fixture.Damage(first.row.manifest, 100);
  fixture.Damage(first.row.labels, 0);
  fixture.Open();
  EXPECT_EQ(fixture.WhyNot("digits"), "VERSION_FAILED");
  // What was put aside is not "not found": the version is there.
  EXPECT_EQ(ReasonOf(fixture.manager().Load(Named("digits"), {1}).status()),
            "STORE_CORRUPT");
  EXPECT_FALSE(fixture.Import("digits", 1).created);
  EXPECT_EQ(fixture.Answering("digits"), 1);
}

TEST(ModelManagerTest, SaysWhenAnImportCannotRepair) {
  ManagerFixture fixture;
  const VersionView first = fixture.Import("digits", 1).version;
  fixture.Close();
  fixture.Damage(first.row.golden, 100);
  fixture.Open();
  const std::string file = TinyWeightsFile(1);
  const absl::Status status =
      fixture.TryImport(HeaderOf("digits", file), file).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ReasonOf(status), "STORE_CORRUPT");
}

TEST(ModelManagerTest, ALoadThatFailsAtTheStartCanBeTriedAgain) {
  ManagerFixture fixture;
  fixture.Import("digits", 1);
  fixture.Close();
  fixture.loader().SetHook(
      [](const ModelPackage&) { return absl::InternalError("not now"); });
  fixture.Open();
  EXPECT_EQ(fixture.WhyNot("digits"), "VERSION_FAILED");
  fixture.loader().SetHook(nullptr);
  EXPECT_EQ(Must(fixture.manager().Load(Named("digits"), {1})).residency,
            Residency::kReady);
  EXPECT_EQ(fixture.Answering("digits"), 1);
}

TEST(ModelManagerTest, DeletesWhatNobodyNames) {
  ManagerFixture fixture;
  fixture.Import("digits", 1);
  fixture.Import("digits", 2);
  ModelManager& manager = fixture.manager();
  const ModelName digits = Named("digits");
  EXPECT_EQ(
      ReasonOf(manager.DeleteVersion(digits, {1}, "", false, {}).status()),
      "VERSION_IN_USE");
  EXPECT_EQ(
      ReasonOf(manager.DeleteVersion(digits, {2}, "s9", false, {}).status()),
      "ETAG_MISMATCH");
  const VersionView checked =
      Must(manager.DeleteVersion(digits, {2}, "s2", true, {}));
  EXPECT_EQ(checked.row.state, VersionState::kCommitted);
  EXPECT_EQ(fixture.Answering("models/digits/versions/2"), 2);
  const VersionView deleted =
      Must(manager.DeleteVersion(digits, {2}, "s2", false, {}));
  EXPECT_EQ(deleted.row.state, VersionState::kRetired);
  EXPECT_EQ(deleted.residency, Residency::kUnloaded);
  EXPECT_EQ(fixture.WhyNot("models/digits/versions/2"), "VERSION_NOT_FOUND");
  EXPECT_EQ(
      ReasonOf(manager.DeleteVersion(digits, {2}, "", false, {}).status()),
      "VERSION_NOT_FOUND");
  // Its number is never used again.
  EXPECT_EQ(fixture.Import("digits", 2).version.row.version.value, 3);
}

TEST(ModelManagerTest, ARepeatedDeletionIsCarriedOutOnce) {
  ManagerFixture fixture;
  fixture.Import("digits", 1);
  fixture.Import("digits", 2);
  const Mutation mutation{.actor = "ops",
                          .method = "DeleteVersion",
                          .request_id = "key-1",
                          .request_hash = std::string(64, 'a')};
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(Must(fixture.manager().DeleteVersion(Named("digits"), {2}, "",
                                                   false, mutation))
                  .row.state,
              VersionState::kRetired);
  }
}

TEST(ModelManagerTest, TellsListenersOfEveryCommit) {
  ManagerFixture fixture;
  int told = 0;
  auto subscription = fixture.manager().Subscribe([&told] { ++told; });
  fixture.Import("digits", 1);
  fixture.Import("digits", 2);
  EXPECT_EQ(told, 2);
  Must(fixture.Point("digits", "stable", 2));
  EXPECT_EQ(told, 3);
  EXPECT_FALSE(fixture.Point("digits", "stable", 7).ok());
  EXPECT_EQ(told, 3);
  const auto events = Must(fixture.manager().Events(0, 100));
  ASSERT_EQ(events.size(), 4U);
  EXPECT_EQ(events.back().kind, EventKind::kAliasSet);
  EXPECT_EQ(events.back().version, VersionNumber{2});
  EXPECT_EQ(Must(fixture.manager().LastEvent()), events.back().sequence);
  subscription.reset();
  Must(fixture.Point("digits", "stable", 1));
  EXPECT_EQ(told, 3);
}

TEST(ModelManagerTest, OpensBlobsOfAVersion) {
  ManagerFixture fixture;
  const VersionView view = fixture.Import("digits", 1).version;
  EXPECT_EQ(Must(fixture.manager().OpenBlob(view.row.weights))->size(),
            view.row.weights_bytes);
  EXPECT_EQ(ReasonOf(fixture.manager().OpenBlob(std::string(64, '0')).status()),
            "BLOB_NOT_FOUND");
}

TEST(ModelManagerTest, WorksWithoutAnybodyWhoCounts) {
  const auto store = Must(Store::Open({}, RealClock()));
  FakeLoader loader;
  ModelRegistry registry;
  const auto manager =
      ModelManager::Create({}, *store, loader, registry, RealClock());
  ASSERT_TRUE(manager->Start().ok());
  EXPECT_EQ(Must(manager->ListModels()).size(), 0U);
}

TEST(ModelManagerTest, AMutationOfOneModelDoesNotWaitForAnothers) {
  ManagerFixture fixture;
  fixture.Import("digits", 1);
  fixture.Import("digits", 2);
  std::latch loading(1);
  std::latch go_on(1);
  fixture.loader().SetHook([&](const ModelPackage& package) {
    if (package.facts.name.text() == "slow") {
      loading.count_down();
      go_on.wait();
    }
    return absl::OkStatus();
  });
  {
    const Thread slow("slow", [&] { fixture.Import("slow", 3); });
    loading.wait();
    Must(fixture.Point("digits", "stable", 2));
    EXPECT_EQ(fixture.Answering("digits"), 2);
    EXPECT_EQ(Must(fixture.manager().ListModels()).size(), 1U);
    go_on.count_down();
  }
  EXPECT_EQ(fixture.Answering("slow"), 1);
}

}  // namespace
}  // namespace resnetd
