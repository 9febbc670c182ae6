#include "server/store/blob_pins.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "server/base/error.h"
#include "server/store/catalog.h"
#include "tests/support/fake_clock.h"
#include "tests/support/simulated_disk.h"
#include "tests/support/simulated_file_system.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/store/store_fixture.h"

namespace resnetd {
namespace {

class BlobPinsTest : public ::testing::Test {
 protected:
  Digest Put(absl::string_view text) {
    const auto writer =
        Must(blobs_->NewBlob(static_cast<std::int64_t>(text.size())));
    Must(writer->Write(BytesOf(text)));
    return Must(writer->Commit());
  }

  FakeClock clock_;
  SimulatedDisk disk_;
  const TempDir folder_;
  const std::shared_ptr<BlobStore> blobs_ = Must(BlobStore::Open(
      std::make_unique<SimulatedFileSystem>(disk_), {}, clock_));
  const std::unique_ptr<Catalog> catalog_ = Must(
      Catalog::Open({.path = folder_.File("db"), .durable = false}, clock_));
};

TEST_F(BlobPinsTest, KnowTheirSizesAndKeepTheirBlobs) {
  const Digest first = Put("12345");
  EXPECT_EQ(Put("12345"), first);
  const Digest second = Put("123");
  {
    const std::vector<Digest> both = {first, second, first};
    const BlobPins pins = Must(BlobPins::Take(*blobs_, both));
    EXPECT_EQ(pins.sizes().size(), 2);
    EXPECT_EQ(pins.sizes().at(first), 5);
    EXPECT_EQ(pins.sizes().at(second), 3);
    pins.Named(*blobs_);
    EXPECT_FALSE(blobs_->BeginRemoval(first));
    EXPECT_TRUE(blobs_->Unprotected().empty());
  }
  // Named: nothing but a row of the database protects them now.
  EXPECT_EQ(blobs_->Unprotected().size(), 2);
}

TEST_F(BlobPinsTest, ABlobThatIsNotThereIsNotFoundAndNothingStaysPinned) {
  const Digest first = Put("12345");
  clock_.Advance(std::chrono::hours(2));
  const std::vector<Digest> both = {first, std::string(64, 'a')};
  const absl::Status refused = BlobPins::Take(*blobs_, both).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(DetailsOf(refused).reason, "BLOB_NOT_FOUND");
  EXPECT_EQ(blobs_->Unprotected().size(), 1);
}

TEST_F(BlobPinsTest, AFailedDiskUnderTheBlobsEndsChangesOfTheDatabase) {
  EXPECT_TRUE(CheckWritable(catalog_->connections(), *blobs_).ok());
  // At one of the operations of a commit it is the sync of a folder.
  for (int at = 0; at < 50 && !blobs_->failed(); ++at) {
    disk_.Plan(
        {.kind = DiskFault::Kind::kFail, .at = disk_.operation_count() + at});
    const auto writer = blobs_->NewBlob(1);
    if (writer.ok() && (*writer)->Write(BytesOf("x")).ok()) {
      (*writer)->Commit().status().IgnoreError();
    }
  }
  ASSERT_TRUE(blobs_->failed());
  EXPECT_FALSE(catalog_->connections().failed());
  EXPECT_EQ(DetailsOf(CheckWritable(catalog_->connections(), *blobs_)).reason,
            "STORE_FAILED");
  EXPECT_TRUE(catalog_->connections().failed());
}

}  // namespace
}  // namespace resnetd
