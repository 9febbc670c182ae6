#include "server/models/stored_version.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "tests/unit/models/manager_fixture.h"

namespace resnetd {
namespace {

Digest Put(Store& store, absl::string_view text) {
  const auto blob = Must(store.NewBlob(static_cast<std::int64_t>(text.size())));
  if (!blob->Write(BytesOf(text)).ok()) {
    std::abort();
  }
  return Must(blob->Commit());
}

std::string BlobText(Store& store, const Digest& digest) {
  const auto bytes = Must(store.ReadBlob(digest, 1 << 30));
  return {bytes.begin(), bytes.end()};
}

class StoredVersionTest : public ::testing::Test {
 protected:
  StoredVersionTest() : view_(fixture_.Import("digits", 1).version) {}

  // The reason why a row like the stored one, changed, cannot be read.
  std::string ReasonFor(const std::function<void(VersionRow&)>& change) {
    VersionRow row = view_.row;
    change(row);
    const absl::Status status =
        ReadStoredVersion(fixture_.store(), row).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    return ReasonOf(status);
  }
  // The stored manifest with `from` replaced by `to`, as a blob.
  Digest OtherManifest(absl::string_view from, absl::string_view to) {
    std::string text = BlobText(fixture_.store(), view_.row.manifest);
    const std::size_t at = text.find(std::string(from));
    EXPECT_NE(at, std::string::npos);
    text.replace(at, from.size(), std::string(to));
    return Put(fixture_.store(), text);
  }

  ManagerFixture fixture_;
  VersionView view_;
};

TEST_F(StoredVersionTest, IsReadAsItWasImported) {
  const StoredVersion stored =
      Must(ReadStoredVersion(fixture_.store(), view_.row));
  EXPECT_EQ(stored.package.facts.name.text(), "digits");
  EXPECT_EQ(stored.package.facts.version.value, 1);
  EXPECT_EQ(stored.package.facts.architecture.name, "cifar_resnet8");
  EXPECT_EQ(stored.package.facts.preprocess.crop, 32);
  EXPECT_EQ(stored.package.facts.labels.size(), 10U);
  EXPECT_EQ(stored.package.facts.parameters, view_.facts->parameters);
  EXPECT_EQ(stored.package.weights.at("fc.bias").values[1], 101.0F);
  EXPECT_EQ(stored.golden.logits.size(), 30U);
}

TEST_F(StoredVersionTest, EveryBlobMustBeItsOwn) {
  Store& store = fixture_.store();
  const Digest nonsense = Put(store, "nonsense");
  EXPECT_EQ(ReasonFor([&](VersionRow& row) { row.manifest = nonsense; }),
            "STORE_CORRUPT");
  EXPECT_EQ(ReasonFor([&](VersionRow& row) { row.weights = nonsense; }),
            "STORE_CORRUPT");
  EXPECT_EQ(ReasonFor([&](VersionRow& row) { row.labels = nonsense; }),
            "STORE_CORRUPT");
  EXPECT_EQ(ReasonFor([&](VersionRow& row) { row.golden = nonsense; }),
            "STORE_CORRUPT");
  EXPECT_EQ(ReasonFor([&](VersionRow& row) { row.model = Named("birds"); }),
            "STORE_CORRUPT");
  EXPECT_EQ(ReasonFor([&](VersionRow& row) { row.weights_bytes += 1; }),
            "STORE_CORRUPT");
}

TEST_F(StoredVersionTest, AManifestThatCannotBeReadIsDamage) {
  EXPECT_EQ(ReasonFor([&](VersionRow& row) {
              row.manifest = OtherManifest("cifar_resnet8", "cifar_resnet9");
            }),
            "STORE_CORRUPT");
  EXPECT_EQ(ReasonFor([&](VersionRow& row) {
              row.manifest =
                  OtherManifest("\"num_classes\": 10", "\"num_classes\": 11");
            }),
            "STORE_CORRUPT");
  EXPECT_EQ(ReasonFor([&](VersionRow& row) {
              row.manifest = OtherManifest("cifar_resnet8", "cifar_resnet14");
            }),
            "STORE_CORRUPT");
}

TEST_F(StoredVersionTest, AnyFlippedByteIsFound) {
  const VersionRow& row = view_.row;
  for (const auto& [blob, size] : std::vector<std::pair<Digest, std::int64_t>>{
           {row.weights, row.weights_bytes},
           {row.manifest, 100},
           {row.labels, 10},
           {row.golden, 100}}) {
    ManagerFixture fixture;
    const VersionView view = fixture.Import("digits", 1).version;
    fixture.Damage(blob, size - 1);
    const absl::Status status =
        ReadStoredVersion(fixture.store(), view.row).status();
    EXPECT_EQ(ReasonOf(status), "STORE_CORRUPT") << blob;
  }
}

TEST_F(StoredVersionTest, FactsOfARowSayWhatTheRowSays) {
  const VersionFacts facts = FactsOfRow(view_.row);
  EXPECT_EQ(facts.name.text(), "digits");
  EXPECT_EQ(facts.version.value, 1);
  EXPECT_EQ(facts.weights_sha256, view_.row.weights);
  EXPECT_TRUE(facts.labels.empty());
}

}  // namespace
}  // namespace resnetd
