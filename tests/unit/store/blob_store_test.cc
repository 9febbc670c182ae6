#include "server/store/blob_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "server/base/error.h"
#include "server/base/sha256.h"
#include "server/base/thread.h"
#include "tests/support/fake_clock.h"
#include "tests/support/simulated_disk.h"
#include "tests/support/simulated_file_system.h"
#include "tests/unit/store/store_fixture.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;

class BlobStoreTest : public ::testing::Test {
 protected:
  BlobStoreTest() { Reopen({}); }

  void Reopen(const BlobStore::Options& options) {
    blobs_.reset();
    blobs_ = Must(BlobStore::Open(std::make_unique<SimulatedFileSystem>(disk_),
                                  options, clock_));
  }
  absl::StatusOr<Digest> TryPut(const std::string& text,
                                std::int64_t expected) {
    auto writer = blobs_->NewBlob(expected);
    if (!writer.ok()) {
      return writer.status();
    }
    if (absl::Status written = (*writer)->Write(BytesOf(text)); !written.ok()) {
      return written;
    }
    return (*writer)->Commit();
  }
  Digest Put(const std::string& text) {
    return Must(TryPut(text, static_cast<std::int64_t>(text.size())));
  }
  void RemoveAll() {
    for (const Digest& digest : blobs_->List()) {
      blobs_->Named(digest);
      EXPECT_TRUE(blobs_->BeginRemoval(digest));
      EXPECT_TRUE(blobs_->Remove(digest).ok());
    }
  }
  static std::string ReasonOf(const absl::Status& status) {
    return DetailsOf(status).reason;
  }

  SimulatedDisk disk_;
  FakeClock clock_;
  std::shared_ptr<BlobStore> blobs_;
};

TEST_F(BlobStoreTest, ReadsWhatWasWritten) {
  const Digest digest = Put("hello");
  const auto bytes = Must(blobs_->ReadBlob(digest, 5));
  EXPECT_EQ(std::string(bytes.begin(), bytes.end()), "hello");
  const auto reader = Must(blobs_->OpenBlob(digest));
  EXPECT_EQ(reader->size(), 5);
  std::vector<std::uint8_t> part(2);
  Must(reader->ReadAt(3, absl::MakeSpan(part)));
  EXPECT_EQ(std::string(part.begin(), part.end()), "lo");
  EXPECT_TRUE(blobs_->VerifyBlob(digest).ok());
}

TEST_F(BlobStoreTest, ReadsNoMoreThanItMay) {
  const Digest digest = Put("hello");
  EXPECT_TRUE(blobs_->ReadBlob(digest, 6).ok());
  EXPECT_EQ(ReasonOf(blobs_->ReadBlob(digest, 4).status()), "LIMIT_EXCEEDED");
}

TEST_F(BlobStoreTest, OnlyWholeDigestsOfBlobsAreFound) {
  Put("hello");
  for (const std::string& digest :
       {std::string(), std::string("x"), std::string(64, 'a'),
        std::string(64, 'A'), std::string(63, 'a'), std::string(65, 'a'),
        "../../../../etc/passwd" + std::string(42, 'a')}) {
    EXPECT_EQ(ReasonOf(blobs_->OpenBlob(digest).status()), "BLOB_NOT_FOUND");
    EXPECT_EQ(ReasonOf(blobs_->ReadBlob(digest, 9).status()), "BLOB_NOT_FOUND");
    EXPECT_EQ(ReasonOf(blobs_->SizeOf(digest).status()), "BLOB_NOT_FOUND");
  }
}

TEST_F(BlobStoreTest, EqualBytesAreOneBlob) {
  const Digest first = Put("hello");
  EXPECT_EQ(Put("hello"), first);
  EXPECT_EQ(blobs_->GetAccount().blobs, 1);
  EXPECT_EQ(blobs_->GetAccount().bytes, 5);
  EXPECT_EQ(disk_.Files().size(), 1);
}

TEST_F(BlobStoreTest, ADamagedBlobIsPutAsideAndNeverServedAgain) {
  const Digest digest = Put("hello");
  disk_.FlipBit(PathOfBlob(digest), 7);
  EXPECT_EQ(ReasonOf(blobs_->ReadBlob(digest, 99).status()), "STORE_CORRUPT");
  EXPECT_EQ(ReasonOf(blobs_->OpenBlob(digest).status()), "BLOB_NOT_FOUND");
  EXPECT_THAT(disk_.Files(), ElementsAre("quarantine/" + digest));
  EXPECT_EQ(blobs_->GetAccount().integrity_failures, 1);
  EXPECT_EQ(blobs_->GetAccount().bytes, 0);
  // And comes back with its bytes.
  EXPECT_EQ(Put("hello"), digest);
  EXPECT_TRUE(blobs_->ReadBlob(digest, 99).ok());
}

TEST_F(BlobStoreTest, ABlobThatWasHealedInBetweenIsNotPutAside) {
  const Digest digest = Put("hello");
  EXPECT_TRUE(blobs_->PutAside(digest).ok());
  EXPECT_TRUE(blobs_->ReadBlob(digest, 99).ok());
}

TEST_F(BlobStoreTest, VerifyingADamagedBlobPutsItAside) {
  const Digest digest = Put("hello");
  disk_.FlipBit(PathOfBlob(digest), 0);
  EXPECT_EQ(ReasonOf(blobs_->VerifyBlob(digest)), "STORE_CORRUPT");
  EXPECT_THAT(disk_.Files(), ElementsAre("quarantine/" + digest));
}

TEST_F(BlobStoreTest, WritingOverADamagedBlobHealsIt) {
  const Digest digest = Put("hello");
  disk_.FlipBit(PathOfBlob(digest), 7);
  EXPECT_EQ(Put("hello"), digest);
  EXPECT_TRUE(blobs_->ReadBlob(digest, 99).ok());
  EXPECT_EQ(blobs_->GetAccount().integrity_failures, 1);
  EXPECT_EQ(blobs_->GetAccount().bytes, 5);
}

TEST_F(BlobStoreTest, EveryBitFlipInABlobIsNoticed) {
  const std::string text = "some bytes of weights";
  for (std::int64_t bit = 0; bit < std::int64_t{8} * 21; ++bit) {
    const Digest digest = Put(text);
    disk_.FlipBit(PathOfBlob(digest), bit);
    EXPECT_FALSE(blobs_->ReadBlob(digest, 99).ok()) << bit;
  }
}

TEST_F(BlobStoreTest, AnOpeningCountsTheBlobsAndEmptiesStaging) {
  const Digest digest = Put("hello");
  const auto writer = Must(blobs_->NewBlob(10));
  Must(writer->Write(BytesOf("half")));
  const auto next = disk_.Kill();
  SimulatedFileSystem files(*next);
  const auto stray = Must(files.Create("blobs/sha256/stray"));
  const auto blobs = Must(BlobStore::Open(
      std::make_unique<SimulatedFileSystem>(*next), {}, clock_));
  EXPECT_EQ(blobs->GetAccount().blobs, 1);
  EXPECT_EQ(blobs->GetAccount().bytes, 5);
  EXPECT_TRUE(blobs->OpenBlob(digest).ok());
  for (const std::string& file : next->Files()) {
    EXPECT_FALSE(absl::StartsWith(file, "staging/")) << file;
  }
  EXPECT_THAT(Must(blobs->StrangeFiles()), ElementsAre("blobs/sha256/stray"));
}

TEST_F(BlobStoreTest, TheQuotaHoldsToTheByte) {
  for (const std::int64_t size : {99, 100, 101}) {
    Reopen({.quota_bytes = 100});
    const std::string text(static_cast<std::size_t>(size),
                           static_cast<char>(size));
    const auto put = TryPut(text, size);
    EXPECT_EQ(put.ok(), size <= 100) << size;
    // There is no room for it twice on its way, told or not.
    EXPECT_FALSE(TryPut(text, 0).ok()) << size;
    RemoveAll();
    EXPECT_EQ(TryPut(text, 0).ok(), size <= 100) << size;
    RemoveAll();
  }
}

TEST_F(BlobStoreTest, WhatIsPromisedCountsForTheQuota) {
  Reopen({.quota_bytes = 100});
  auto first = Must(blobs_->NewBlob(60));
  const absl::Status full = blobs_->NewBlob(41).status();
  EXPECT_EQ(ReasonOf(full), "STORAGE_FULL");
  const std::vector<std::pair<std::string, std::string>> facts = {
      {"needed", "41"}, {"free", "40"}};
  EXPECT_EQ(DetailsOf(full).metadata, facts);
  EXPECT_TRUE(blobs_->NewBlob(40).ok());
  first.reset();
  EXPECT_TRUE(blobs_->NewBlob(100).ok());
}

TEST_F(BlobStoreTest, TheReserveStaysFree) {
  disk_.set_capacity(1000);
  const std::int64_t free = disk_.free_bytes();
  Reopen({.reserve_bytes = free - 100});
  EXPECT_TRUE(blobs_->NewBlob(99).ok());
  EXPECT_TRUE(blobs_->NewBlob(100).ok());
  EXPECT_EQ(ReasonOf(blobs_->NewBlob(101).status()), "STORAGE_FULL");
  EXPECT_EQ(ReasonOf(TryPut(std::string(101, 'x'), 0).status()),
            "STORAGE_FULL");
  EXPECT_EQ(disk_.free_bytes(), free);
}

TEST_F(BlobStoreTest, WhatIsProtectedIsNotRemoved) {
  const Digest digest = Put("hello");
  // Committed and not named yet.
  EXPECT_FALSE(blobs_->BeginRemoval(digest));
  blobs_->Named(digest);
  {
    const auto reader = Must(blobs_->OpenBlob(digest));
    EXPECT_FALSE(blobs_->BeginRemoval(digest));
    EXPECT_TRUE(blobs_->Unprotected().empty());
  }
  {
    const BlobStore::Pin pin = Must(blobs_->PinBlob(digest));
    EXPECT_FALSE(blobs_->BeginRemoval(digest));
  }
  EXPECT_EQ(blobs_->Unprotected().size(), 1);
  ASSERT_TRUE(blobs_->BeginRemoval(digest));
  EXPECT_FALSE(blobs_->BeginRemoval(digest));
  blobs_->CancelRemoval(digest);
  ASSERT_TRUE(blobs_->BeginRemoval(digest));
  EXPECT_EQ(Must(blobs_->Remove(digest)), 5);
  EXPECT_TRUE(disk_.Files().empty());
  EXPECT_EQ(blobs_->GetAccount().bytes, 0);
  EXPECT_FALSE(blobs_->BeginRemoval(digest));
}

// Of two who commit the same bytes, one names them and gives them up again
// before the other names them.
TEST_F(BlobStoreTest, EveryCommitProtectsUntilItWasNamedItself) {
  const Digest digest = Put("same");
  ASSERT_EQ(Put("same"), digest);
  blobs_->Named(digest);
  EXPECT_TRUE(blobs_->Unprotected().empty());
  EXPECT_FALSE(blobs_->BeginRemoval(digest));
  blobs_->Named(digest);
  EXPECT_THAT(blobs_->Unprotected(), ElementsAre(digest));
  EXPECT_TRUE(blobs_->BeginRemoval(digest));
  EXPECT_TRUE(blobs_->Remove(digest).ok());
  // Naming what was never committed here takes no protection from others.
  blobs_->Named(digest);
  Put("same");
  EXPECT_FALSE(blobs_->BeginRemoval(digest));
}

TEST_F(BlobStoreTest, WhatNobodyNamedIsProtectedForItsGraceTimeOnly) {
  const Digest digest = Put("hello");
  clock_.Advance(std::chrono::hours(1) - std::chrono::nanoseconds(1));
  EXPECT_FALSE(blobs_->BeginRemoval(digest));
  clock_.Advance(std::chrono::nanoseconds(1));
  EXPECT_TRUE(blobs_->BeginRemoval(digest));
  blobs_->CancelRemoval(digest);
}

TEST_F(BlobStoreTest, WhoWritesWhatIsBeingRemovedWaitsAndWritesItAnew) {
  const Digest digest = Put("hello");
  blobs_->Named(digest);
  ASSERT_TRUE(blobs_->BeginRemoval(digest));
  Thread writer("writer", [&] { EXPECT_EQ(Put("hello"), digest); });
  EXPECT_TRUE(blobs_->Remove(digest).ok());
  writer.Join();
  EXPECT_TRUE(blobs_->ReadBlob(digest, 9).ok());
}

TEST_F(BlobStoreTest, AFolderThatCannotBeSyncedFailsTheStore) {
  const Digest digest = Put("hello");
  blobs_->Named(digest);
  EXPECT_FALSE(blobs_->failed());
  disk_.Plan({.kind = DiskFault::Kind::kFail, .at = disk_.operation_count()});
  EXPECT_FALSE(blobs_->SyncFolderOf(digest).ok());
  EXPECT_TRUE(blobs_->failed());
}

TEST_F(BlobStoreTest, AnErrorOfTheDiskIsNotDamage) {
  const Digest digest = Put("hello");
  disk_.Plan({.kind = DiskFault::Kind::kFail,
              .at = disk_.read_count(),
              .of_reads = true});
  EXPECT_EQ(ReasonOf(blobs_->ReadBlob(digest, 9).status()), "STORE_FAILED");
  EXPECT_TRUE(blobs_->ReadBlob(digest, 9).ok());
}

TEST_F(BlobStoreTest, ReadersMayOutliveTheReferenceToTheStore) {
  const auto reader = Must(blobs_->OpenBlob(Put("hello")));
  blobs_.reset();
  std::vector<std::uint8_t> bytes(5);
  EXPECT_TRUE(reader->ReadAt(0, absl::MakeSpan(bytes)).ok());
}

}  // namespace
}  // namespace resnetd
