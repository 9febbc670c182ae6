#include "server/store/collector.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

#include "server/base/error.h"
#include "tests/support/simulated_disk.h"
#include "tests/support/simulated_file_system.h"
#include "tests/support/simulated_vfs.h"
#include "tests/unit/store/dataset_fixture.h"
#include "tests/unit/store/store_fixture.h"

namespace resnetd {
namespace {

using std::chrono::hours;

class CollectorTest : public ::testing::Test {
 protected:
  static std::unique_ptr<OpenedStore> Open(Duration grace) {
    return std::make_unique<OpenedStore>(StoreOptions{.collect_grace = grace});
  }
  // Version 2 of "a" is published and deleted again.
  static Published Retire(OpenedStore& store) {
    PublishNumber(*store, "a", 1);
    const Published second = PublishNumber(*store, "a", 2);
    Must(store->DeleteVersion(Model("a"), VersionNumber{2}, "", {}));
    return second;
  }
};

TEST_F(CollectorTest, RemovesWhatOnlyADeletedVersionNamedAfterTheGraceTime) {
  const auto store = Open(hours(24));
  const VersionRow row = Retire(*store).version;
  EXPECT_EQ(Must((*store)->Collect()).blobs, 0);
  store->clock().Advance(hours(24) - std::chrono::seconds(1));
  EXPECT_EQ(Must((*store)->Collect()).blobs, 0);
  store->clock().Advance(std::chrono::seconds(1));
  const Collected collected = Must((*store)->Collect());
  EXPECT_EQ(collected.blobs, 3);  // Not the labels, which version 1 shares.
  EXPECT_EQ(collected.bytes, 14 + 15 + 13);
  EXPECT_FALSE((*store)->OpenBlob(row.weights).ok());
  EXPECT_FALSE(std::filesystem::exists(store->BlobFile(row.weights)));
  EXPECT_TRUE((*store)->OpenBlob(row.labels).ok());
  EXPECT_EQ(Must((*store)->Stats()).blobs, 4);
  EXPECT_TRUE(Must((*store)->Verify()).empty());
  EXPECT_EQ(Must((*store)->Collect()).blobs, 0);
}

TEST_F(CollectorTest, TheGraceTimeGoesOnOverAnOpening) {
  const auto store = Open(hours(24));
  Retire(*store);
  Must((*store)->Collect());
  store->clock().Advance(hours(12));
  store->Open();
  EXPECT_EQ(Must((*store)->Collect()).blobs, 0);
  store->clock().Advance(hours(12));
  EXPECT_EQ(Must((*store)->Collect()).blobs, 3);
}

TEST_F(CollectorTest, AClockThatIsSetBackStartsTheTimeAnew) {
  const auto store = Open(hours(24));
  Retire(*store);
  Must((*store)->Collect());
  store->clock().Advance(-hours(1000));
  EXPECT_EQ(Must((*store)->Collect()).blobs, 0);
  store->clock().Advance(hours(23));
  EXPECT_EQ(Must((*store)->Collect()).blobs, 0);
  store->clock().Advance(hours(1));
  EXPECT_EQ(Must((*store)->Collect()).blobs, 3);
}

TEST_F(CollectorTest, WithoutAGraceTimeOneCallIsEnough) {
  const auto store = Open(Duration(0));
  Retire(*store);
  EXPECT_EQ(Must((*store)->Collect()).blobs, 3);
}

TEST_F(CollectorTest, PublishingAgainSavesTheBlobs) {
  const auto store = Open(hours(24));
  Retire(*store);
  Must((*store)->Collect());
  store->clock().Advance(hours(23));
  EXPECT_EQ(PublishNumber(**store, "a", 2).version.version.value, 3);
  store->clock().Advance(hours(48));
  EXPECT_EQ(Must((*store)->Collect()).blobs, 0);
  EXPECT_TRUE(Must((*store)->Verify()).empty());
  // A later deletion starts a new grace time.
  Must((*store)->DeleteVersion(Model("a"), VersionNumber{3}, "", {}));
  EXPECT_EQ(Must((*store)->Collect()).blobs, 0);
  store->clock().Advance(hours(24));
  EXPECT_EQ(Must((*store)->Collect()).blobs, 3);
}

TEST_F(CollectorTest, AnOpenReaderKeepsItsBlob) {
  const auto store = Open(Duration(0));
  const VersionRow row = Retire(*store).version;
  auto reader = Must((*store)->OpenBlob(row.weights));
  EXPECT_EQ(Must((*store)->Collect()).blobs, 2);
  EXPECT_TRUE((*store)->ReadBlob(row.weights, 99).ok());
  reader.reset();
  EXPECT_EQ(Must((*store)->Collect()).blobs, 1);
}

TEST_F(CollectorTest, WhatWasCommittedAndNotNamedYetIsKept) {
  const auto store = Open(Duration(0));
  const NewVersion version = VersionOf(**store, "a", 1);
  EXPECT_EQ(Must((*store)->Collect()).blobs, 0);
  EXPECT_TRUE((*store)->Publish(version, {}).ok());
}

TEST_F(CollectorTest, WhatNobodyEverNamedGoesAfterAnOpening) {
  const auto store = Open(Duration(0));
  PutBlob(**store, "abandoned");
  EXPECT_EQ(Must((*store)->Collect()).blobs, 0);
  store->Open();
  EXPECT_EQ(Must((*store)->Collect()).bytes, 9);
  EXPECT_EQ(Must((*store)->Stats()).blobs, 0);
}

TEST_F(CollectorTest, BlobsOfAnImportOfWhatWasThereAreFreeAtOnce) {
  const auto store = Open(Duration(0));
  PublishNumber(**store, "a", 1);
  NewVersion same = VersionOf(**store, "a", 1);
  same.manifest = PutBlob(**store, "a manifest written at another time");
  EXPECT_FALSE(Must((*store)->Publish(same, {})).created);
  EXPECT_EQ(Must((*store)->Collect()).blobs, 1);
  EXPECT_TRUE(Must((*store)->Verify()).empty());
}

TEST_F(CollectorTest, PacksStayUntilTheirDatasetIsDeletedAndTheGraceIsOver) {
  const auto store = Open(hours(24));
  CreateAnimals(**store);
  CreateAnimals(**store, "others");
  const ExampleBatch batch = BatchOf(**store, Dataset("animals"), "u", 0, 0, 3);
  ExampleBatch same = batch;
  same.dataset = Dataset("others");
  Must((*store)->datasets().AppendExamples(batch));
  Must((*store)->datasets().AppendExamples(same));
  const auto collected_after = [&store](Duration duration) {
    Must((*store)->Collect());
    store->clock().Advance(duration);
    return Must((*store)->Collect()).blobs;
  };
  EXPECT_EQ(collected_after(hours(48)), 0);
  Must((*store)->datasets().DeleteDataset(Dataset("animals"), "", {}));
  EXPECT_EQ(collected_after(hours(48)), 0);  // The other one has it, too.
  Must((*store)->datasets().DeleteDataset(Dataset("others"), "", {}));
  EXPECT_EQ(collected_after(hours(23)), 0);
  EXPECT_EQ(collected_after(hours(1)), 1);
  EXPECT_EQ(Must((*store)->Stats()).blobs, 0);
  EXPECT_TRUE(Must((*store)->Verify()).empty());
}

TEST_F(CollectorTest, BlobsOfACheckpointStayUntilItIsRemoved) {
  const auto store = Open(Duration(0));
  CreateAnimals(**store);
  CreateJobOver(**store, "animals");
  for (const std::int64_t step : {1, 2, 3}) {
    const CheckpointRow checkpoint{
        .step = step,
        .blobs = {PutBlob(**store, absl::StrCat("weights ", step)),
                  PutBlob(**store, "shared")}};
    Must((*store)->jobs().ChangeJob({.job = {1}, .checkpoint = checkpoint},
                                    std::nullopt));
  }
  EXPECT_EQ(Must((*store)->Collect()).blobs, 0);
  Must((*store)->jobs().ChangeJob({.job = {1}, .remove_checkpoints = {1}},
                                  std::nullopt));
  EXPECT_EQ(Must((*store)->Collect()).blobs, 1);
  EndJob(**store, {1});
  EXPECT_EQ(Must((*store)->Collect()).blobs, 0);
  EXPECT_TRUE(Must((*store)->Verify()).empty());
  Must((*store)->jobs().DeleteJob({1}, "", {}));
  EXPECT_EQ(Must((*store)->Collect()).blobs, 3);
  EXPECT_EQ(Must((*store)->Stats()).blobs, 0);
}

TEST_F(CollectorTest, ACheckpointThatIsReplacedFreesItsBlobs) {
  const auto store = Open(Duration(0));
  CreateAnimals(**store);
  CreateJobOver(**store, "animals");
  for (const std::string content : {"first", "second"}) {
    Must((*store)->jobs().ChangeJob(
        {.job = {1},
         .checkpoint =
             CheckpointRow{.step = 5, .blobs = {PutBlob(**store, content)}}},
        std::nullopt));
  }
  EXPECT_EQ(Must((*store)->Collect()).bytes, 5);
  EXPECT_TRUE(Must((*store)->Verify()).empty());
}

TEST_F(CollectorTest, WhatIsNamedAgainInTimeIsKept) {
  const auto store = Open(hours(24));
  CreateAnimals(**store);
  CreateAnimals(**store, "others");
  CreateJobOver(**store, "others");
  const ExampleBatch batch = BatchOf(**store, Dataset("animals"), "u", 0, 0, 3);
  Must((*store)->datasets().AppendExamples(batch));
  Must((*store)->datasets().DeleteDataset(Dataset("animals"), "", {}));
  Must((*store)->Collect());
  store->clock().Advance(hours(23));
  // Now by a checkpoint, whatever the bytes were before.
  Must((*store)->jobs().ChangeJob(
      {.job = {1},
       .checkpoint =
           CheckpointRow{.step = 1, .blobs = {batch.examples[0].pack}}},
      std::nullopt));
  store->clock().Advance(hours(48));
  EXPECT_EQ(Must((*store)->Collect()).blobs, 0);
  Must((*store)->jobs().ChangeJob({.job = {1}, .remove_checkpoints = {1}},
                                  std::nullopt));
  EXPECT_EQ(Must((*store)->Collect()).blobs, 0);
  store->clock().Advance(hours(24));
  EXPECT_EQ(Must((*store)->Collect()).blobs, 1);
}

// Killed at every operation of a collection, and cut off from power: what a
// version names is there, and the next collection ends the work.
TEST(CollectorCrashTest, RemovesNothingThatIsNamedAndEndsWhatItBegan) {
  const FakeClock clock;
  const StoreOptions options{.folder = "data", .collect_grace = Duration(0)};
  const auto open = [&](SimulatedDisk& disk, const SimulatedVfs& vfs) {
    return Must(OpenStoreOver(std::make_unique<SimulatedFileSystem>(disk),
                              {.path = "meta.db", .vfs = vfs.name()}, options,
                              clock));
  };
  for (std::int64_t at = 0; at < 200; ++at) {
    SimulatedDisk disk;
    const SimulatedVfs vfs(disk);
    {
      const auto store = open(disk, vfs);
      PublishNumber(*store, "a", 1);
      PublishNumber(*store, "a", 2);
      Must(store->DeleteVersion(Model("a"), VersionNumber{2}, "", {}));
      disk.Plan(
          {.kind = DiskFault::Kind::kDie, .at = disk.operation_count() + at});
      store->Collect().IgnoreError();
    }
    const bool died = disk.struck();
    const auto after = disk.Crash(static_cast<std::uint64_t>(at));
    const SimulatedVfs vfs_after(*after);
    const auto store = open(*after, vfs_after);
    EXPECT_TRUE(Must(store->Verify()).empty()) << at;
    Must(store->Collect());
    EXPECT_EQ(Must(store->Stats()).blobs, 4) << at;
    EXPECT_TRUE(Must(store->Verify()).empty()) << at;
    if (!died) {
      EXPECT_GT(at, 10);
      return;
    }
  }
  ADD_FAILURE() << "a collection of three blobs does more than 200 operations";
}

}  // namespace
}  // namespace resnetd
