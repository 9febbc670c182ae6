#include "server/store/staged_blob.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/base/error.h"
#include "server/base/sha256.h"
#include "server/store/blob_store.h"
#include "tests/support/fake_clock.h"
#include "tests/support/simulated_disk.h"
#include "tests/support/simulated_file_system.h"
#include "tests/unit/store/store_fixture.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class StagedBlobTest : public ::testing::Test {
 protected:
  static std::shared_ptr<BlobStore> Open(SimulatedDisk& disk,
                                         const FakeClock& clock,
                                         const BlobStore::Options& options) {
    return Must(BlobStore::Open(std::make_unique<SimulatedFileSystem>(disk),
                                options, clock));
  }
  SimulatedDisk disk_;
  FakeClock clock_;
  const std::shared_ptr<BlobStore> blobs_ = Open(disk_, clock_, {});
};

TEST_F(StagedBlobTest, BecomesABlobUnderTheDigestOfItsBytes) {
  const auto writer = Must(blobs_->NewBlob(3));
  Must(writer->Write(BytesOf("ab")));
  EXPECT_EQ(writer->size(), 2);
  Must(writer->Write(BytesOf("c")));
  EXPECT_EQ(blobs_->GetAccount().blobs, 0);
  EXPECT_EQ(writer->Digested(), Sha256Hex(BytesOf("abc")));
  const std::vector<std::uint8_t> read = Must(writer->ReadBack());
  EXPECT_EQ(std::string(read.begin(), read.end()), "abc");
  const Digest digest = Must(writer->Commit());
  EXPECT_EQ(digest, Sha256Hex(BytesOf("abc")));
  EXPECT_THAT(disk_.Files(), ElementsAre(PathOfBlob(digest)));
  EXPECT_EQ(blobs_->GetAccount().bytes, 3);
}

TEST_F(StagedBlobTest, AnEmptyBlobIsABlob) {
  const Digest digest = Must(Must(blobs_->NewBlob(0))->Commit());
  EXPECT_EQ(digest, Sha256Hex({}));
  EXPECT_EQ(Must(blobs_->SizeOf(digest)), 0);
}

TEST_F(StagedBlobTest, NothingStaysOfOneThatWasNotCommitted) {
  {
    const auto writer = Must(blobs_->NewBlob(1000));
    Must(writer->Write(BytesOf("abc")));
    EXPECT_EQ(disk_.Files().size(), 1);
  }
  EXPECT_THAT(disk_.Files(), IsEmpty());
}

TEST_F(StagedBlobTest, MayBeLargerThanItWasExpected) {
  const auto writer = Must(blobs_->NewBlob(1));
  Must(writer->Write(BytesOf("abcdef")));
  EXPECT_TRUE(writer->Commit().ok());
}

TEST_F(StagedBlobTest, IsWrittenBeforeItEndsAndCommittedOnce) {
  const auto writer = Must(blobs_->NewBlob(3));
  EXPECT_FALSE(writer->ReadBack().ok());
  writer->Digested();
  EXPECT_FALSE(writer->Write(BytesOf("x")).ok());
  EXPECT_TRUE(writer->Commit().ok());
  EXPECT_FALSE(writer->Commit().ok());
  EXPECT_FALSE(writer->ReadBack().ok());
}

TEST_F(StagedBlobTest, ADiskThatChangesTheBytesIsNoticed) {
  const auto writer = Must(blobs_->NewBlob(3));
  Must(writer->Write(BytesOf("abc")));
  writer->Digested();
  disk_.FlipBit(disk_.Files().front(), 5);
  EXPECT_EQ(DetailsOf(writer->ReadBack().status()).reason, "STORE_CORRUPT");
}

// Every operation of a blob's way in fails once, each way.
TEST_F(StagedBlobTest, AnErrorAnywhereLeavesNoBlobAndNothingStaged) {
  for (const DiskFault::Kind kind :
       {DiskFault::Kind::kFail, DiskFault::Kind::kFull}) {
    for (std::int64_t at = 0;; ++at) {
      SimulatedDisk disk;
      const auto blobs = Open(disk, clock_, {});
      disk.Plan({.kind = kind, .at = disk.operation_count() + at});
      absl::Status status;
      {
        const auto writer = blobs->NewBlob(3);
        status = writer.status();
        if (status.ok()) {
          status = (*writer)->Write(BytesOf("abc"));
        }
        if (status.ok()) {
          status = (*writer)->Commit().status();
        }
      }
      if (!disk.struck()) {
        ASSERT_TRUE(status.ok());
        EXPECT_GE(at, kind == DiskFault::Kind::kFail ? 7 : 2);
        break;
      }
      // The removal of a staged file may fail: the next opening does it.
      if (status.ok()) {
        continue;
      }
      EXPECT_EQ(DetailsOf(status).reason, kind == DiskFault::Kind::kFull
                                              ? "STORAGE_FULL"
                                              : "STORE_FAILED")
          << at;
      EXPECT_EQ(blobs->GetAccount().blobs, 0) << at;
      for (const std::string& file : disk.Files()) {
        // Renamed, its folder not synced: the collector's after an opening.
        EXPECT_EQ(file, PathOfBlob(Sha256Hex(BytesOf("abc"))));
        EXPECT_TRUE(blobs->failed());
      }
    }
  }
}

TEST_F(StagedBlobTest, ACommittedBlobSurvivesEveryPowerCut) {
  const auto writer = Must(blobs_->NewBlob(5000));
  Must(writer->Write(BytesOf(std::string(5000, 'x'))));
  const Digest digest = Must(writer->Commit());
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const auto after = disk_.Crash(seed);
    ASSERT_TRUE(after->Exists(PathOfBlob(digest))) << seed;
    EXPECT_EQ(Sha256Hex(after->Contents(PathOfBlob(digest))), digest);
  }
}

// Killed between the rename and the sync of the folder: whoever finds the blob
// next may only answer once it is durable.
TEST_F(StagedBlobTest, ABlobThatWasThereIsMadeDurableBeforeItIsAnswered) {
  bool found_in_between = false;
  for (std::int64_t at = 0; at < 20; ++at) {
    SimulatedDisk disk;
    const auto before = Open(disk, clock_, {});
    disk.Plan(
        {.kind = DiskFault::Kind::kDie, .at = disk.operation_count() + at});
    if (const auto writer = before->NewBlob(3);
        writer.ok() && (*writer)->Write(BytesOf("abc")).ok()) {
      (*writer)->Commit().IgnoreError();
    }
    const auto next = disk.Kill();
    const auto blobs = Open(*next, clock_, {});
    found_in_between |= blobs->GetAccount().blobs == 1;
    const auto writer = Must(blobs->NewBlob(3));
    Must(writer->Write(BytesOf("abc")));
    const Digest digest = Must(writer->Commit());
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      EXPECT_TRUE(next->Crash(seed)->Exists(PathOfBlob(digest))) << at;
    }
  }
  EXPECT_TRUE(found_in_between);
}

}  // namespace
}  // namespace resnetd
