#include "server/models/version_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/models/memory_estimate.h"
#include "tests/unit/models/manager_fixture.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

// What a load of the tiny network is thought to need.
std::int64_t Estimate() {
  return EstimateMemory(BuildNetwork(TinyArchitecture()), 32,
                        ModelManagerOptions().max_batch)
      .total();
}

// Room for `loaded` networks, each as large as estimated, and `more` bytes.
ModelManagerOptions RoomFor(int loaded, std::int64_t more) {
  ModelManagerOptions options;
  options.max_model_bytes = loaded * Estimate() + more;
  options.keep_loaded = 10;
  return options;
}

Residency StateOf(ManagerFixture& fixture, absl::string_view model,
                  std::int64_t version) {
  return Must(fixture.manager().GetVersion(Named(model), {version})).residency;
}

TEST(VersionLoaderTest, AdmitsUpToTheLimit) {
  ManagerFixture fixture(RoomFor(2, 0));
  fixture.loader().SetResidentBytes(Estimate());
  fixture.Import("digits", 1);
  fixture.Import("birds", 2);
  EXPECT_EQ(StateOf(fixture, "digits", 1), Residency::kReady);
  EXPECT_EQ(StateOf(fixture, "birds", 1), Residency::kReady);
  EXPECT_EQ(fixture.sink().counts().memory.total(), 2 * Estimate());
}

TEST(VersionLoaderTest, RefusesWithTheFiguresWhenEverythingAnswers) {
  ManagerFixture fixture(RoomFor(2, -1));
  fixture.loader().SetResidentBytes(Estimate());
  fixture.Import("digits", 1);
  const std::string file = TinyWeightsFile(2);
  const absl::Status status =
      fixture.TryImport(HeaderOf("birds", file), file).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(status), "MEMORY_ADMISSION");
  EXPECT_THAT(DetailsOf(status).metadata,
              ElementsAre(Pair("needed", absl::StrCat(Estimate())),
                          Pair("free", absl::StrCat(Estimate() - 1)),
                          Pair("limit", absl::StrCat(2 * Estimate() - 1))));
  EXPECT_EQ(fixture.Answering("digits"), 1);
  EXPECT_EQ(fixture.StagedFiles(), 0);
  EXPECT_EQ(Must(fixture.store().ListModels()).size(), 1U);
}

TEST(VersionLoaderTest, FreesTheLeastRecentlyUsedIdleVersion) {
  ManagerFixture fixture(RoomFor(3, 0));
  fixture.loader().SetResidentBytes(Estimate());
  fixture.Import("digits", 1);
  fixture.Import("digits", 2);
  fixture.Import("digits", 3);
  // 2 was used after 3.
  Must(fixture.Point("digits", "stable", 2));
  Must(fixture.Point("digits", "stable", 1));
  fixture.Import("birds", 4);
  EXPECT_EQ(StateOf(fixture, "digits", 1), Residency::kReady);
  EXPECT_EQ(StateOf(fixture, "digits", 2), Residency::kReady);
  EXPECT_EQ(StateOf(fixture, "digits", 3), Residency::kUnloaded);
  EXPECT_EQ(fixture.WhyNot("models/digits/versions/3"), "VERSION_NOT_READY");
  EXPECT_EQ(fixture.sink().counts().unloaded, 1);
  // And then 2.
  fixture.Import("cats", 5);
  EXPECT_EQ(StateOf(fixture, "digits", 2), Residency::kUnloaded);
  EXPECT_EQ(fixture.Answering("digits"), 1);
}

TEST(VersionLoaderTest, KeepsWhatSomebodyAskedFor) {
  ManagerFixture fixture(RoomFor(2, 0));
  fixture.loader().SetResidentBytes(Estimate());
  fixture.Import("digits", 1);
  fixture.Import("digits", 2);
  Must(fixture.manager().Load(Named("digits"), {2}));
  const std::string file = TinyWeightsFile(3);
  EXPECT_EQ(ReasonOf(fixture.TryImport(HeaderOf("birds", file), file).status()),
            "MEMORY_ADMISSION");
  EXPECT_EQ(fixture.Answering("models/digits/versions/2"), 2);
  Must(fixture.manager().Unload(Named("digits"), {2}));
  EXPECT_TRUE(fixture.TryImport(HeaderOf("birds", file), file).ok());
}

TEST(VersionLoaderTest, ANetworkThatTakesMoreThanThereIsIsFreedAgain) {
  ManagerFixture fixture(RoomFor(2, 0));
  fixture.loader().SetResidentBytes(Estimate());
  fixture.Import("digits", 1);
  fixture.loader().SetResidentBytes(Estimate() + 1);
  const std::string file = TinyWeightsFile(2);
  EXPECT_EQ(ReasonOf(fixture.TryImport(HeaderOf("birds", file), file).status()),
            "MEMORY_ADMISSION");
  EXPECT_EQ(fixture.loader().live(), 1);
  fixture.loader().SetResidentBytes(Estimate());
  EXPECT_TRUE(fixture.TryImport(HeaderOf("birds", file), file).ok());
}

TEST(VersionLoaderTest, BooksWhatANetworkHolds) {
  ManagerFixture fixture;
  const std::int64_t weights = FloatBytes(BuildNetwork(TinyArchitecture()));
  fixture.loader().SetResidentBytes(weights + 77);
  fixture.Import("digits", 1);
  EXPECT_EQ(fixture.sink().counts().memory,
            (MemoryUse{.weights = weights, .activations = 77}));
  EXPECT_EQ(
      Must(fixture.manager().GetVersion(Named("digits"), {1})).resident_bytes,
      weights + 77);
}

TEST(VersionLoaderTest, KeepsOnlyTheLastIdleVersions) {
  ModelManagerOptions options;
  options.keep_loaded = 1;
  ManagerFixture fixture(options);
  fixture.Import("digits", 1);
  fixture.Import("digits", 2);
  fixture.Import("digits", 3);
  EXPECT_EQ(StateOf(fixture, "digits", 1), Residency::kReady);
  EXPECT_EQ(StateOf(fixture, "digits", 2), Residency::kUnloaded);
  EXPECT_EQ(StateOf(fixture, "digits", 3), Residency::kReady);
  // What answered until now is the last one used.
  Must(fixture.Point("digits", "stable", 2));
  EXPECT_EQ(StateOf(fixture, "digits", 1), Residency::kReady);
  EXPECT_EQ(StateOf(fixture, "digits", 3), Residency::kUnloaded);
}

TEST(VersionLoaderTest, AVersionDrainsWhileABatchHoldsIt) {
  ManagerFixture fixture;
  fixture.Import("digits", 1);
  fixture.Import("digits", 2);
  ModelHandle held = Must(fixture.registry().Acquire(
      Must(ParseModelReference("models/digits/versions/2"))));
  EXPECT_EQ(Must(fixture.manager().Unload(Named("digits"), {2})).residency,
            Residency::kDraining);
  EXPECT_EQ(fixture.WhyNot("models/digits/versions/2"), "VERSION_NOT_READY");
  EXPECT_EQ(StateOf(fixture, "digits", 2), Residency::kDraining);
  // It can be loaded again beside itself.
  Must(fixture.manager().Load(Named("digits"), {2}));
  EXPECT_EQ(fixture.loader().live(), 3);
  EXPECT_EQ(Must(fixture.manager().Unload(Named("digits"), {2})).residency,
            Residency::kUnloaded);
  held.reset();
  EXPECT_EQ(StateOf(fixture, "digits", 2), Residency::kUnloaded);
  // Nothing to do is no error.
  EXPECT_EQ(Must(fixture.manager().Unload(Named("digits"), {2})).residency,
            Residency::kUnloaded);
}

TEST(VersionLoaderTest, WhatAnAliasNamesIsNotUnloaded) {
  ManagerFixture fixture;
  fixture.Import("digits", 1);
  const absl::Status status =
      fixture.manager().Unload(Named("digits"), {1}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(status), "VERSION_IN_USE");
  EXPECT_THAT(DetailsOf(status).metadata,
              ElementsAre(Pair("aliases", "stable")));
  EXPECT_EQ(fixture.Answering("digits"), 1);
}

TEST(VersionLoaderTest, WarmsAReadyVersionUpAgain) {
  ManagerFixture fixture;
  fixture.Import("digits", 1);
  fixture.Import("digits", 2);
  const WarmUp warm =
      Must(fixture.manager().WarmUpVersion(Named("digits"), {1}));
  EXPECT_EQ(warm.batches, 4);
  EXPECT_EQ(warm.version.row.version.value, 1);
  Must(fixture.manager().Unload(Named("digits"), {2}));
  EXPECT_EQ(
      ReasonOf(fixture.manager().WarmUpVersion(Named("digits"), {2}).status()),
      "VERSION_NOT_READY");
  EXPECT_EQ(
      ReasonOf(fixture.manager().WarmUpVersion(Named("digits"), {3}).status()),
      "VERSION_NOT_FOUND");
  fixture.loader().SetOffset(1.0F);
  EXPECT_EQ(
      ReasonOf(fixture.manager().WarmUpVersion(Named("digits"), {1}).status()),
      "GOLDEN_MISMATCH");
  EXPECT_EQ(fixture.sink().counts().integrity, 1);
}

TEST(VersionLoaderTest, LoadingWhatIsLoadedDoesNothing) {
  ManagerFixture fixture;
  fixture.Import("digits", 1);
  const int loads = fixture.loader().loads();
  EXPECT_EQ(Must(fixture.manager().Load(Named("digits"), {1})).residency,
            Residency::kReady);
  EXPECT_EQ(fixture.loader().loads(), loads);
  EXPECT_EQ(ReasonOf(fixture.manager().Load(Named("digits"), {2}).status()),
            "VERSION_NOT_FOUND");
}

}  // namespace
}  // namespace resnetd
