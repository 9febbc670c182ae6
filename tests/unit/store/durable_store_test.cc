#include "server/store/durable_store.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "server/base/error.h"
#include "tests/support/simulated_disk.h"
#include "tests/support/simulated_file_system.h"
#include "tests/support/simulated_vfs.h"
#include "tests/unit/store/store_fixture.h"

namespace resnetd {
namespace {

std::string ReasonOf(const absl::Status& status) {
  return DetailsOf(status).reason;
}

TEST(DurableStoreTest, CountsWhatItHolds) {
  OpenedStore store;
  PublishNumber(*store, "a", 1);
  const StoreStats stats = Must(store->Stats());
  EXPECT_EQ(stats.blobs, 4);
  EXPECT_EQ(stats.blob_bytes, 14 + 15 + 6 + 13);
  EXPECT_EQ(stats.versions, 1);
  EXPECT_GT(stats.database_bytes, 0);
  EXPECT_GT(stats.free_bytes, 0);
  EXPECT_EQ(stats.integrity_failures, 0);
}

TEST(DurableStoreTest, OpensAllTheSameWhenABlobOfAnAliasIsMissingOrShort) {
  OpenedStore store;
  const VersionRow first = PublishNumber(*store, "a", 1).version;
  const VersionRow other = PublishNumber(*store, "b", 1).version;
  store.Close();
  std::filesystem::remove(store.BlobFile(first.manifest));
  std::filesystem::resize_file(store.BlobFile(first.weights), 3);
  store.Open();
  EXPECT_EQ(ReasonOf(store->OpenBlob(first.weights).status()),
            "BLOB_NOT_FOUND");
  EXPECT_TRUE(std::filesystem::exists(
      store.folder().File("quarantine/" + first.weights)));
  EXPECT_TRUE(store->ReadBlob(other.weights, 99).ok());
  EXPECT_EQ(Must(store->Stats()).integrity_failures, 1);
  // Importing it again heals it.
  EXPECT_FALSE(PublishNumber(*store, "a", 1).created);
  EXPECT_TRUE(Must(store->Verify()).empty());
}

// One operation of the disk fails under a mutation, for each in turn.
TEST(DurableStoreTest, AfterAFailedDiskNoChangeIsTakenAndNothingIsHalfThere) {
  const FakeClock clock;
  const StoreOptions options{.folder = "data"};
  int failures = 0;
  for (std::int64_t at = 0; at < 100; ++at) {
    SimulatedDisk disk;
    const SimulatedVfs vfs(disk);
    const DatabaseOptions database{.path = "meta.db", .vfs = vfs.name()};
    bool moved = false;
    {
      const auto store =
          Must(OpenStoreOver(std::make_unique<SimulatedFileSystem>(disk),
                             database, options, clock));
      PublishNumber(*store, "a", 1);
      PublishNumber(*store, "a", 2);
      disk.Plan(
          {.kind = DiskFault::Kind::kFail, .at = disk.operation_count() + at});
      const auto answer = store->MoveAlias(MoveTo("a", 2), {});
      if (!disk.struck()) {
        EXPECT_TRUE(answer.ok());
        EXPECT_GE(failures, 2);
        return;
      }
      ++failures;
      moved = answer.ok();
      ASSERT_FALSE(moved) << at;
      EXPECT_EQ(ReasonOf(answer.status()), "STORE_FAILED");
      EXPECT_EQ(ReasonOf(store->SetNote("k", "v")), "STORE_FAILED");
      EXPECT_EQ(ReasonOf(store->NewBlob(1).status()), "STORE_FAILED");
      EXPECT_EQ(ReasonOf(store->Collect().status()), "STORE_FAILED");
      // Reads still answer, from before the change.
      EXPECT_EQ(Must(store->GetAlias(Model("a"), "stable")).version.value, 1);
    }
    const auto store = Must(OpenStoreOver(
        std::make_unique<SimulatedFileSystem>(disk), database, options, clock));
    EXPECT_TRUE(Must(store->Verify()).empty()) << at;
    const AliasRow alias = Must(store->GetAlias(Model("a"), "stable"));
    const auto audited = Must(store->ListAudit(0, 99)).size();
    // The whole move, or none of it.
    EXPECT_EQ(audited, alias.version.value == 2 ? 3U : 2U) << at;
  }
}

TEST(DurableStoreTest, AFullDiskUnderTheDatabaseIsNoFailure) {
  const FakeClock clock;
  SimulatedDisk disk;
  const SimulatedVfs vfs(disk);
  const auto store = Must(OpenStoreOver(
      std::make_unique<SimulatedFileSystem>(disk),
      {.path = "meta.db", .vfs = vfs.name()}, {.folder = "data"}, clock));
  PublishNumber(*store, "a", 1);
  PublishNumber(*store, "a", 2);
  disk.Plan({.kind = DiskFault::Kind::kFull, .at = disk.operation_count()});
  EXPECT_EQ(ReasonOf(store->MoveAlias(MoveTo("a", 2), {}).status()),
            "STORAGE_FULL");
  EXPECT_EQ(Must(store->GetAlias(Model("a"), "stable")).version.value, 1);
  EXPECT_EQ(Must(store->MoveAlias(MoveTo("a", 2), {})).version.value, 2);
  EXPECT_TRUE(Must(store->Verify()).empty());
}

TEST(DurableStoreTest, ABlobThatFailsToSyncFailsAlone) {
  const FakeClock clock;
  SimulatedDisk disk;
  const SimulatedVfs vfs(disk);
  const auto store = Must(OpenStoreOver(
      std::make_unique<SimulatedFileSystem>(disk),
      {.path = "meta.db", .vfs = vfs.name()}, {.folder = "data"}, clock));
  {
    const auto writer = Must(store->NewBlob(3));
    Must(writer->Write(BytesOf("abc")));
    // Protect, then the sync.
    disk.Plan(
        {.kind = DiskFault::Kind::kFail, .at = disk.operation_count() + 1});
    EXPECT_EQ(ReasonOf(writer->Commit().status()), "STORE_FAILED");
    EXPECT_EQ(
        disk.operations()[static_cast<std::size_t>(disk.operation_count() - 1)],
        DiskOp::kSync);
  }
  EXPECT_TRUE(PublishNumber(*store, "a", 1).created);
}

}  // namespace
}  // namespace resnetd
