#include "server/store/backup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "server/base/clock.h"
#include "server/base/error.h"
#include "server/store/store.h"
#include "tests/unit/store/store_fixture.h"

namespace resnetd {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
namespace fs = std::filesystem;

class BackupTest : public ::testing::Test {
 protected:
  BackupTest() {
    row_ = PublishNumber(*store_, "a", 1).version;
    PublishNumber(*store_, "a", 2);
  }

  std::string Target() const { return elsewhere_.File("backup"); }
  absl::StatusOr<BackedUp> BackUp() const {
    return BackUpStore(store_.folder().path(), Target());
  }
  // The backup as a store.
  static std::unique_ptr<Store> Restore(const std::string& folder) {
    return Must(Store::Open({.folder = folder}, RealClock()));
  }

  OpenedStore store_;
  TempDir elsewhere_;
  VersionRow row_{.model = Model("a")};
};

TEST_F(BackupTest, IsASoundStoreWithAllThatWasThere) {
  const BackedUp taken = Must(BackUp());
  // Weights, manifest and golden logits of two versions; labels of both.
  EXPECT_EQ(taken.blobs, 7);
  EXPECT_EQ(taken.bytes, Must(store_->Stats()).blob_bytes);
  const std::unique_ptr<Store> restored = Restore(Target());
  EXPECT_THAT(Must(restored->Verify()), IsEmpty());
  EXPECT_EQ(Must(restored->ListVersions(Model("a"))).size(), 2);
  EXPECT_EQ(Must(restored->GetAlias(Model("a"), "stable")).version.value, 1);
  EXPECT_EQ(Must(restored->LastEvent()), Must(store_->LastEvent()));
}

TEST_F(BackupTest, HoldsNothingThatHappensAfterIt) {
  Must(BackUp());
  PublishNumber(*store_, "a", 3);
  Must(store_->MoveAlias(MoveTo("a", 2), Mutation()));
  const std::unique_ptr<Store> restored = Restore(Target());
  EXPECT_EQ(Must(restored->ListVersions(Model("a"))).size(), 2);
  EXPECT_EQ(Must(restored->GetAlias(Model("a"), "stable")).version.value, 1);
}

TEST_F(BackupTest, IsAStoreOfItsOwn) {
  Must(BackUp());
  {
    const std::unique_ptr<Store> restored = Restore(Target());
    PublishNumber(*restored, "a", 4);
  }
  EXPECT_EQ(Must(store_->ListVersions(Model("a"))).size(), 2);
  EXPECT_THAT(Must(store_->Verify()), IsEmpty());
}

TEST_F(BackupTest, TakesOnlyWhatSomethingNames) {
  PutBlob(*store_, "stored and never named");
  EXPECT_EQ(Must(BackUp()).blobs, 7);
}

TEST_F(BackupTest, LinksOnTheSameFileSystemAndBlobsStayReadOnly) {
  const BackedUp taken = Must(BackUp());
  EXPECT_EQ(taken.linked, taken.blobs);
  const fs::path copy = fs::path(Target()) / "blobs/sha256" /
                        row_.weights.substr(0, 2) / row_.weights;
  EXPECT_TRUE(fs::equivalent(copy, store_.BlobFile(row_.weights)));
  EXPECT_EQ(fs::status(copy).permissions() & fs::perms(0222), fs::perms::none);
}

TEST_F(BackupTest, CopiesToAnotherFileSystem) {
  if (!fs::is_directory("/dev/shm")) {
    GTEST_SKIP() << "there is no second file system";
  }
  const std::string folder =
      "/dev/shm/" + fs::path(elsewhere_.path()).filename().string();
  const absl::StatusOr<BackedUp> taken =
      BackUpStore(store_.folder().path(), folder);
  const bool sound = taken.ok() && Must(Restore(folder)->Verify()).empty();
  fs::remove_all(folder);
  EXPECT_EQ(Must(taken).linked, 0);
  EXPECT_TRUE(sound);
}

TEST_F(BackupTest, WorksOnAStoreThatNobodyHasOpen) {
  store_.Close();
  Must(BackUp());
  EXPECT_THAT(Must(Restore(Target())->Verify()), IsEmpty());
  store_.Open();
  EXPECT_THAT(Must(store_->Verify()), IsEmpty());
}

TEST_F(BackupTest, RefusesAFolderThatIsThere) {
  fs::create_directory(Target());
  const absl::Status status = BackUp().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("goes into a new folder"));
  EXPECT_TRUE(fs::is_empty(Target()));
}

TEST_F(BackupTest, RefusesWhatIsNoStore) {
  const TempDir empty;
  const absl::Status status = BackUpStore(empty.path(), Target()).status();
  EXPECT_EQ(DetailsOf(status).reason, ReasonName(Reason::kStoreUnusable));
  EXPECT_THAT(status.message(), HasSubstr("holds no store"));
  EXPECT_FALSE(fs::exists(Target()));
  EXPECT_FALSE(BackUpStore(empty.File("none"), Target()).ok());
}

TEST_F(BackupTest, RefusesAPlaceThatCannotBeMade) {
  EXPECT_THAT(BackUpStore(store_.folder().path(), elsewhere_.File("a/b"))
                  .status()
                  .message(),
              HasSubstr("its parent must exist"));
}

TEST_F(BackupTest, OfADamagedStoreIsNoStore) {
  fs::remove(store_.BlobFile(row_.weights));
  const absl::Status status = BackUp().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  // What was begun can neither be started from nor taken for a store.
  EXPECT_FALSE(fs::exists(fs::path(Target()) / "FORMAT"));
  EXPECT_FALSE(Store::Open({.folder = Target()}, RealClock()).ok());
}

}  // namespace
}  // namespace resnetd
