#include "server/models/version_views.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/unit/models/manager_fixture.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(VersionViewsTest, ShowAVersionWithEverythingKnownAboutIt) {
  ManagerFixture fixture;
  fixture.loader().SetResidentBytes(1234);
  fixture.Import("digits", 1);
  Must(fixture.Point("digits", "canary", 1));
  const VersionView view =
      Must(fixture.manager().GetVersion(Named("digits"), {1}));
  EXPECT_EQ(view.row.weights, Sha256Hex(BytesOf(TinyWeightsFile(1))));
  EXPECT_EQ(view.facts->architecture.num_classes, 10);
  EXPECT_EQ(view.facts->labels.size(), 10U);
  EXPECT_THAT(view.aliases, ElementsAre("canary", "stable"));
  EXPECT_EQ(view.residency, Residency::kReady);
  EXPECT_TRUE(view.failure.ok());
  EXPECT_EQ(view.precision, "fp32");
  EXPECT_EQ(view.backend, "fake");
  EXPECT_EQ(view.resident_bytes, 1234);
  EXPECT_GT(view.load_time.count(), 0);
}

TEST(VersionViewsTest, SayNothingOfWhatIsNotLoaded) {
  ManagerFixture fixture;
  fixture.Import("digits", 1);
  fixture.Import("digits", 2);
  Must(fixture.manager().Unload(Named("digits"), {2}));
  const VersionView view =
      Must(fixture.manager().GetVersion(Named("digits"), {2}));
  EXPECT_EQ(view.residency, Residency::kUnloaded);
  EXPECT_EQ(view.precision, "");
  EXPECT_EQ(view.resident_bytes, 0);
  EXPECT_EQ(view.facts->labels.size(), 10U);
}

TEST(VersionViewsTest, NameWhatThereIsWhenAModelIsUnknown) {
  ManagerFixture fixture;
  fixture.Import("digits", 1);
  for (const absl::Status& status :
       {fixture.manager().GetModel(Named("digit")).status(),
        fixture.manager().ListVersions(Named("digit")).status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(ReasonOf(status), "MODEL_NOT_FOUND");
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("did you mean \"digits\""));
  }
  EXPECT_EQ(
      ReasonOf(fixture.manager().GetVersion(Named("digit"), {1}).status()),
      "MODEL_NOT_FOUND");
}

TEST(VersionViewsTest, DoNotShowDeletedVersions) {
  ManagerFixture fixture;
  fixture.Import("digits", 1);
  fixture.Import("digits", 2);
  Must(fixture.manager().DeleteVersion(Named("digits"), {2}, "", false, {}));
  EXPECT_EQ(
      ReasonOf(fixture.manager().GetVersion(Named("digits"), {2}).status()),
      "VERSION_NOT_FOUND");
  EXPECT_EQ(Must(fixture.manager().ListVersions(Named("digits"))).size(), 1U);
}

TEST(VersionViewsTest, OneUnreadableManifestHidesNothingElse) {
  ManagerFixture fixture;
  fixture.Import("digits", 1);
  const VersionView damaged = fixture.Import("digits", 2).version;
  fixture.Damage(damaged.row.manifest, 100);
  fixture.Restart();
  const auto versions = Must(fixture.manager().ListVersions(Named("digits")));
  ASSERT_EQ(versions.size(), 2U);
  EXPECT_EQ(versions[0].residency, Residency::kFailed);
  EXPECT_EQ(ReasonOf(versions[0].failure), "STORE_CORRUPT");
  EXPECT_EQ(versions[0].facts->weights_sha256, damaged.row.weights);
  EXPECT_EQ(versions[1].residency, Residency::kReady);
}

}  // namespace
}  // namespace resnetd
