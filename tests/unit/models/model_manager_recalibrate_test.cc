#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "server/models/stored_version.h"
#include "server/models/version_import.h"
#include "tests/unit/models/manager_fixture.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;

// Versions 1 (stable) and 2 of "digits"; the gate refused 2.
class RecalibrateTest : public ::testing::Test {
 protected:
  RecalibrateTest() {
    fixture_.Import("digits", 1);
    const std::string file = TinyWeightsFile(2);
    ImportHeader header = HeaderOf("digits", file);
    header.description = "the second";
    header.gate = GateRecord{.failed = {{"not_worse", "it is worse"}}};
    header.parent = VersionNumber{1};
    Must(fixture_.TryImport(header, file));
  }
  ModelManager& manager() { return fixture_.manager(); }
  absl::StatusOr<Imported> Recalibrate(std::int64_t version, double temperature,
                                       const Mutation& mutation = {}) {
    return manager().Recalibrate(Named("digits"), {version}, temperature,
                                 mutation);
  }
  VersionView Version(std::int64_t number) {
    return Must(manager().GetVersion(Named("digits"), {number}));
  }

  ManagerFixture fixture_;
};

TEST_F(RecalibrateTest, MakesAVersionThatDiffersInNothingElse) {
  const std::int64_t last = Must(manager().LastEvent());
  const Imported made = Must(Recalibrate(2, 1.5));
  EXPECT_TRUE(made.created);
  EXPECT_EQ(made.version.row.version.value, 3);
  EXPECT_EQ(made.version.residency, Residency::kUnloaded);
  const VersionView before = Version(2);
  const VersionView after = Version(3);
  EXPECT_EQ(before.facts->temperature, 1);
  EXPECT_EQ(after.facts->temperature, 1.5);
  EXPECT_EQ(after.row.weights, before.row.weights);
  EXPECT_EQ(after.row.labels, before.row.labels);
  EXPECT_EQ(after.row.golden, before.row.golden);
  EXPECT_NE(after.row.manifest, before.row.manifest);
  EXPECT_EQ(after.row.parent, VersionNumber{2});
  EXPECT_EQ(after.facts->description, "the second");
  // No way around the gate.
  EXPECT_EQ(after.facts->gate, before.facts->gate);
  const Manifest manifest =
      Must(ReadStoredManifest(fixture_.store(), after.row));
  EXPECT_THAT(manifest.lineage,
              ElementsAre(before.row.weights, Version(1).row.weights));
  EXPECT_EQ(manifest.parent_version, VersionNumber{2});
  // It is told, and answers once it is asked to.
  EXPECT_EQ(Must(manager().LastEvent()), last + 1);
  Must(fixture_.Point("digits", "stable", 3));
  EXPECT_EQ(fixture_.Answering("digits"), 3);
  fixture_.Restart();
  EXPECT_EQ(fixture_.Answering("digits"), 3);
  EXPECT_EQ(Version(3).facts->temperature, 1.5);
}

TEST_F(RecalibrateTest, TheSameTemperatureIsTheSameVersion) {
  EXPECT_EQ(Must(Recalibrate(2, 1)).version.row.version.value, 2);
  EXPECT_EQ(Must(Recalibrate(2, 1.5)).version.row.version.value, 3);
  const Imported again = Must(Recalibrate(2, 1.5));
  EXPECT_FALSE(again.created);
  EXPECT_EQ(again.version.row.version.value, 3);
  // And back.
  EXPECT_EQ(Must(Recalibrate(3, 1)).version.row.version.value, 2);
  EXPECT_EQ(Must(Recalibrate(3, 0.5)).version.row.version.value, 4);
}

TEST_F(RecalibrateTest, AnImportAtThatTemperatureIsTheSameVersion) {
  Must(Recalibrate(1, 1.5));
  const std::string file = TinyWeightsFile(1);
  ImportHeader header = HeaderOf("digits", file);
  header.temperature = 1.5;
  const Imported imported = Must(fixture_.TryImport(header, file));
  EXPECT_FALSE(imported.created);
  EXPECT_EQ(imported.version.row.version.value, 3);
  header.temperature = 0;
  EXPECT_EQ(ReasonOf(fixture_.TryImport(header, file).status()),
            "MODEL_INVALID");
}

TEST_F(RecalibrateTest, TheWeightsStayForTheOther) {
  Must(Recalibrate(2, 1.5));
  Must(manager().DeleteVersion(Named("digits"), {2}, "", false, {}));
  Must(fixture_.store().Collect());
  Must(fixture_.Point("digits", "stable", 3));
  EXPECT_TRUE(Must(fixture_.store().Verify()).empty());
}

TEST_F(RecalibrateTest, RefusesWhatIsNoTemperatureAndNoVersion) {
  for (const double bad :
       {0.0, -1.0, 0.009, 101.0, std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_EQ(ReasonOf(Recalibrate(2, bad).status()), "MODEL_INVALID") << bad;
  }
  EXPECT_EQ(ReasonOf(Recalibrate(9, 2).status()), "VERSION_NOT_FOUND");
  Must(manager().DeleteVersion(Named("digits"), {2}, "", false, {}));
  EXPECT_EQ(ReasonOf(Recalibrate(2, 2).status()), "VERSION_NOT_FOUND");
}

TEST_F(RecalibrateTest, ARepetitionIsAnsweredWithTheFirst) {
  const Mutation mutation = {
      .method = "CalibrateVersion", .request_id = "once", .request_hash = "h"};
  EXPECT_TRUE(Must(Recalibrate(2, 1.5, mutation)).created);
  // Another temperature may have been measured since.
  EXPECT_EQ(Must(Recalibrate(2, 1.6, mutation)).version.row.version.value, 3);
  EXPECT_EQ(Must(manager().ListVersions(Named("digits"))).size(), 3);
}

TEST(ContentKeyTest, ATemperatureOfOneIsNone) {
  Manifest manifest{.architecture = "cifar_resnet8", .num_classes = 10};
  const std::string plain = ContentKey(manifest);
  manifest.description = "not part of it";
  manifest.gate = GateRecord{};
  EXPECT_EQ(ContentKey(manifest), plain);
  manifest.temperature = 1.001;
  EXPECT_NE(ContentKey(manifest), plain);
}

}  // namespace
}  // namespace resnetd
