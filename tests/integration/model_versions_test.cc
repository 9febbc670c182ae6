// Versions of a real network, by the server's own engine: what the golden
// logits are worth.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/base/clock.h"
#include "server/base/error.h"
#include "server/base/sha256.h"
#include "server/engine/cpu_engine.h"
#include "server/models/golden.h"
#include "server/models/manifest.h"
#include "server/models/memory_estimate.h"
#include "server/models/model_manager.h"
#include "server/models/stored_version.h"
#include "tests/support/filled_package.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tiny_model.h"

namespace resnetd {
namespace {

absl::Span<const std::uint8_t> BytesOf(absl::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

class ModelVersionsTest : public ::testing::Test {
 protected:
  ModelVersionsTest() { Open(); }

  void Open() {
    manager_.reset();
    registry_ = std::make_unique<ModelRegistry>();
    store_.reset();
    store_ = Store::Open({.folder = folder_.File("data")}, RealClock()).value();
    manager_ =
        ModelManager::Create({}, *store_, *engine_, *registry_, RealClock());
    ASSERT_TRUE(manager_->Start().ok());
  }

  VersionView ImportTiny() {
    const std::string file = TinyWeightsFile();
    ImportHeader header{.model = name_};
    header.sha256 = Sha256Hex(BytesOf(file));
    header.size_bytes = static_cast<std::int64_t>(file.size());
    header.preprocess = PreprocessSpec{.resize = 32, .crop = 32};
    auto session = manager_->Import(header, {}).value();
    EXPECT_TRUE(session->Write(BytesOf(file)).ok());
    return session->Finish().value().version;
  }
  Digest Put(absl::string_view text) {
    const auto blob =
        store_->NewBlob(static_cast<std::int64_t>(text.size())).value();
    EXPECT_TRUE(blob->Write(BytesOf(text)).ok());
    return blob->Commit().value();
  }
  // Commits what `row` is, with `weights` for its weights and its golden logits
  // as they are: every digest is right.
  VersionRow CommitWith(const VersionRow& row, absl::string_view weights) {
    Manifest manifest = ReadStoredManifest(*store_, row).value();
    NewVersion version{.model = name_};
    version.weights = Put(weights);
    manifest.weights_sha256 = version.weights;
    version.manifest = Put(FormatManifest(manifest));
    version.labels = row.labels;
    version.golden = row.golden;
    version.content_key = Sha256Hex(BytesOf(version.weights));
    version.source = version.weights;
    version.source_format = "safetensors";
    return store_->Publish(version, {}).value().version;
  }

  const ModelName name_ = ModelName::Parse("tiny").value();
  TempDir folder_;
  std::unique_ptr<ModelLoader> engine_ =
      CreateCpuEngine({.threads = 1}).value();
  std::unique_ptr<Store> store_;
  std::unique_ptr<ModelRegistry> registry_;
  std::unique_ptr<ModelManager> manager_;
};

TEST_F(ModelVersionsTest, AnImportedVersionAnswersAfterARestart) {
  const VersionView imported = ImportTiny();
  EXPECT_EQ(imported.residency, Residency::kReady);
  Open();
  const auto version = registry_->Acquire({.name = name_});
  ASSERT_TRUE(version.ok()) << version.status();
  EXPECT_EQ((*version)->facts.weights_sha256, imported.row.weights);
}

TEST_F(ModelVersionsTest, OneFlippedBitIsFoundByTheGoldenLogits) {
  const VersionView first = ImportTiny();
  std::string flipped = TinyWeightsFile();
  // The sign of a weight in the middle of the file: the header's length stands
  // in its first bytes, and the data behind the header.
  std::size_t data = 8;
  for (std::size_t i = 0; i < 4; ++i) {
    data += std::size_t{static_cast<std::uint8_t>(flipped[i])} << (8 * i);
  }
  const std::size_t weight = (flipped.size() - data) / 8;
  char& top = flipped[data + 4 * weight + 3];
  top = static_cast<char>(top ^ 0x80);
  const VersionRow other = CommitWith(first.row, flipped);
  Open();
  const absl::Status status =
      manager_
          ->SetAlias({.model = name_, .alias = "stable", .to = other.version},
                     false, {})
          .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_EQ(DetailsOf(status).reason, "GOLDEN_MISMATCH") << status;
  EXPECT_EQ(registry_->Acquire({.name = name_}).value()->facts.version,
            first.row.version);
  EXPECT_EQ(manager_->GetVersion(name_, other.version).value().residency,
            Residency::kFailed);
}

// The estimate admits or refuses before anything is loaded: far too low, and
// the limit does not hold; far too high, and nothing fits.
TEST_F(ModelVersionsTest, MemoryIsEstimatedWithinAFactorOfTwo) {
  for (const char* architecture : {"cifar_resnet20", "resnet18", "resnet50"}) {
    for (const std::size_t max_batch : {1U, 4U}) {
      const ModelPackage package = FilledPackage(architecture);
      const int side = package.facts.preprocess.crop;
      const auto model = engine_->Load(package, max_batch).value();
      const Pixels picture = FillPicture(side, side);
      const std::vector<const Pixels*> batch(max_batch, &picture);
      ASSERT_TRUE(model->Logits(batch).ok());
      const double held = static_cast<double>(model->resident_bytes());
      const double estimate = static_cast<double>(
          EstimateMemory(package.network, side, max_batch).total());
      RecordProperty(std::string(architecture) + std::to_string(max_batch),
                     std::to_string(estimate / held));
      EXPECT_GT(estimate, held / 2) << architecture << " " << max_batch;
      EXPECT_LT(estimate, held * 2) << architecture << " " << max_batch;
    }
  }
}

}  // namespace
}  // namespace resnetd
