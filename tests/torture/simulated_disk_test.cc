// Proves the simulated disk: what it loses, what it never loses, and that
// programs which rely on too much are caught.
#include "tests/support/simulated_disk.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "server/base/error.h"
#include "tests/support/seeded_random.h"
#include "tests/support/simulated_file_system.h"

namespace resnetd {
namespace {

constexpr std::uint64_t kSeeds = 400;

std::vector<std::uint8_t> Filled(std::size_t size, std::uint8_t value) {
  return std::vector<std::uint8_t>(size, value);
}

SimulatedDisk::File NewFile(SimulatedDisk& disk, const std::string& path) {
  SimulatedDisk::File file;
  EXPECT_EQ(disk.Create(path, &file), DiskError::kNone);
  return file;
}

// A file of `bytes` that is durable under its name.
SimulatedDisk::File DurableFile(SimulatedDisk& disk, const std::string& path,
                                const std::vector<std::uint8_t>& bytes) {
  SimulatedDisk::File file = NewFile(disk, path);
  EXPECT_EQ(disk.Write(file, 0, bytes), DiskError::kNone);
  EXPECT_EQ(disk.Sync(file), DiskError::kNone);
  EXPECT_EQ(disk.SyncFolder(""), DiskError::kNone);
  return file;
}

// What may be at one place of a file after a power cut.
using Possible = std::vector<std::set<int>>;
constexpr int kNoByte = -1;

// All that each byte was since the last sync, found without sectors, orders
// and sequences.
class Witness {
 public:
  void Write(std::size_t offset, const std::vector<std::uint8_t>& bytes) {
    Extend(offset + bytes.size());
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      now_[offset + i] = bytes[i];
      possible_[offset + i].insert(bytes[i]);
    }
  }
  void Truncate(std::size_t size) {
    Extend(size);
    for (std::size_t i = size; i < possible_.size(); ++i) {
      possible_[i].insert({0, kNoByte});
    }
    now_.resize(size);
  }
  void Sync() {
    possible_.assign(now_.size(), {});
    for (std::size_t i = 0; i < now_.size(); ++i) {
      possible_[i] = {now_[i]};
    }
  }
  bool Allows(const std::vector<std::uint8_t>& bytes) const {
    for (std::size_t i = 0; i < possible_.size(); ++i) {
      if (possible_[i].count(i < bytes.size() ? bytes[i] : kNoByte) == 0) {
        return false;
      }
    }
    return bytes.size() <= possible_.size();
  }

 private:
  void Extend(std::size_t size) {
    // What was not there may be a hole, or still not be there.
    if (now_.size() < size) {
      now_.resize(size, 0);
    }
    while (possible_.size() < size) {
      possible_.push_back({0, kNoByte});
    }
    for (std::size_t i = 0; i < size; ++i) {
      possible_[i].insert(now_[i]);
    }
  }
  std::vector<std::uint8_t> now_;
  Possible possible_;
};

TEST(SimulatedDiskTest, EveryByteAfterAPowerCutWasThereSinceTheLastSync) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    SeededRandom random(seed);
    SimulatedDisk disk;
    SimulatedDisk::File file = DurableFile(disk, "file", {});
    Witness witness;
    for (int step = 0; step < 12; ++step) {
      const std::size_t offset = random.Below(20'000);
      const auto piece =
          Filled(random.Below(9'000), static_cast<std::uint8_t>(random.Next()));
      switch (random.Below(6)) {
        case 0:
          disk.Sync(file);
          witness.Sync();
          break;
        case 1:
          disk.Truncate(file, static_cast<std::int64_t>(offset));
          witness.Truncate(offset);
          break;
        default:
          disk.Write(file, static_cast<std::int64_t>(offset), piece);
          if (!piece.empty()) {
            witness.Write(offset, piece);
          } else {
            disk.Sync(file);
            witness.Sync();
          }
      }
      ASSERT_TRUE(witness.Allows(disk.Crash(random.Next())->Contents("file")))
          << "seed " << seed << ", step " << step;
    }
    disk.Sync(file);
    ASSERT_EQ(disk.Crash(random.Next())->Contents("file"),
              disk.Contents("file"));
  }
}

TEST(SimulatedDiskTest, UnsyncedBytesAreLostKeptAndTornInSmallSectors) {
  SimulatedDisk disk;
  const auto before = Filled(8192, 1);
  const auto after = Filled(8192, 2);
  const SimulatedDisk::File file = DurableFile(disk, "file", before);
  ASSERT_EQ(disk.Write(file, 0, after), DiskError::kNone);
  int lost = 0;
  int kept = 0;
  std::set<std::size_t> tears;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const auto bytes = disk.Crash(seed)->Contents("file");
    lost += bytes == before ? 1 : 0;
    kept += bytes == after ? 1 : 0;
    for (std::size_t i = 1; i < bytes.size(); ++i) {
      if (bytes[i] != bytes[i - 1]) {
        ASSERT_EQ(i % 512, 0U);
        tears.insert(i);
      }
    }
  }
  EXPECT_GT(lost, 10);
  EXPECT_GT(kept, 10);
  EXPECT_EQ(tears.size(), 15U);
}

TEST(SimulatedDiskTest, ALaterWriteIsSometimesKeptWithoutAnEarlierOne) {
  SimulatedDisk disk;
  const SimulatedDisk::File one = DurableFile(disk, "one", Filled(10, 0));
  const SimulatedDisk::File two = DurableFile(disk, "two", Filled(10, 0));
  disk.Write(one, 0, Filled(10, 1));
  disk.Write(two, 0, Filled(10, 1));
  std::set<std::pair<int, int>> seen;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const auto after = disk.Crash(seed);
    seen.insert({after->Contents("one")[0], after->Contents("two")[0]});
  }
  EXPECT_EQ(seen.size(), 4U);
}

TEST(SimulatedDiskTest, ANewNameMayBeLostUntilItsFolderIsSynced) {
  SimulatedDisk disk;
  const SimulatedDisk::File file = NewFile(disk, "file");
  disk.Write(file, 0, Filled(10, 1));
  disk.Sync(file);
  int lost = 0;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    lost += disk.Crash(seed)->Exists("file") ? 0 : 1;
  }
  EXPECT_GT(lost, 10);
  EXPECT_LT(lost, static_cast<int>(kSeeds) - 10);
  disk.SyncFolder("");
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    ASSERT_TRUE(disk.Crash(seed)->Exists("file"));
  }
}

TEST(SimulatedDiskTest, ANameInALostFolderIsLostThoughTheFolderWasSynced) {
  SimulatedDisk disk;
  disk.MakeFolder("folder");
  disk.Sync(NewFile(disk, "folder/file"));
  disk.SyncFolder("folder");
  int lost = 0;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    lost += disk.Crash(seed)->Exists("folder/file") ? 0 : 1;
  }
  EXPECT_GT(lost, 10);
  disk.SyncFolder("");
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    ASSERT_TRUE(disk.Crash(seed)->Exists("folder/file"));
  }
}

TEST(SimulatedDiskTest, ARenameIsWholeOrNotAtAll) {
  SimulatedDisk disk;
  DurableFile(disk, "old", Filled(10, 1));
  const SimulatedDisk::File next = NewFile(disk, "new");
  disk.Write(next, 0, Filled(10, 2));
  disk.Sync(next);
  disk.Rename("new", "old");
  std::set<int> seen;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const auto after = disk.Crash(seed);
    ASSERT_TRUE(after->Exists("old"));
    seen.insert(after->Contents("old").at(0));
  }
  EXPECT_EQ(seen, (std::set<int>{1, 2}));
  disk.SyncFolder("");
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    ASSERT_EQ(disk.Crash(seed)->Contents("old").at(0), 2);
    ASSERT_FALSE(disk.Crash(seed)->Exists("new"));
  }
}

TEST(SimulatedDiskTest, ARemovedNameMayComeBackUntilItsFolderIsSynced) {
  SimulatedDisk disk;
  DurableFile(disk, "file", Filled(10, 1));
  disk.Remove("file");
  int back = 0;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    back += disk.Crash(seed)->Exists("file") ? 1 : 0;
  }
  EXPECT_GT(back, 10);
  disk.SyncFolder("");
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    ASSERT_FALSE(disk.Crash(seed)->Exists("file"));
  }
}

TEST(SimulatedDiskTest, AKilledProcessLosesNothingButAPowerCutAfterItMay) {
  SimulatedDisk disk;
  const SimulatedDisk::File file = DurableFile(disk, "file", Filled(10, 1));
  disk.Write(file, 0, Filled(10, 2));
  NewFile(disk, "unsynced");
  const auto next = disk.Kill();
  EXPECT_EQ(next->Contents("file"), Filled(10, 2));
  EXPECT_TRUE(next->Exists("unsynced"));
  std::set<std::pair<int, bool>> seen;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const auto after = next->Crash(seed);
    seen.insert({after->Contents("file")[0], after->Exists("unsynced")});
  }
  EXPECT_EQ(seen.size(), 4U);
}

TEST(SimulatedDiskTest, AFailedSyncIsNotMadeGoodByASecondOne) {
  SimulatedDisk disk;
  const SimulatedDisk::File file = DurableFile(disk, "file", Filled(10, 1));
  disk.Write(file, 0, Filled(10, 2));
  disk.Plan({.kind = DiskFault::Kind::kFail, .at = disk.operation_count()});
  EXPECT_EQ(disk.Sync(file), DiskError::kFailed);
  EXPECT_TRUE(disk.struck());
  EXPECT_EQ(disk.Sync(file), DiskError::kNone);
  EXPECT_EQ(disk.Contents("file"), Filled(10, 2));
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    ASSERT_EQ(disk.Crash(seed)->Contents("file"), Filled(10, 1));
  }
}

TEST(SimulatedDiskTest, ADeadProcessDoesNothingMore) {
  SimulatedDisk disk;
  const SimulatedDisk::File file = DurableFile(disk, "file", Filled(10, 1));
  disk.Plan({.kind = DiskFault::Kind::kDie, .at = disk.operation_count()});
  EXPECT_EQ(disk.Write(file, 0, Filled(10, 2)), DiskError::kFailed);
  EXPECT_TRUE(disk.dead());
  EXPECT_EQ(disk.Write(file, 0, Filled(10, 3)), DiskError::kFailed);
  EXPECT_EQ(disk.Remove("file"), DiskError::kFailed);
  EXPECT_EQ(disk.Sync(file), DiskError::kFailed);
  SimulatedDisk::File again;
  EXPECT_EQ(disk.Open("file", &again), DiskError::kFailed);
  const auto next = disk.Kill();
  EXPECT_FALSE(next->dead());
  EXPECT_EQ(next->Contents("file"),
            (std::vector<std::uint8_t>{2, 2, 2, 2, 2, 1, 1, 1, 1, 1}));
}

TEST(SimulatedDiskTest, AFullDiskTakesHalfAndFailsOnlyWhatNeedsRoom) {
  SimulatedDisk disk;
  const SimulatedDisk::File file = DurableFile(disk, "file", {});
  disk.Plan({.kind = DiskFault::Kind::kFull,
             .at = disk.operation_count(),
             .lasting = true});
  EXPECT_EQ(disk.Sync(file), DiskError::kNone);
  EXPECT_FALSE(disk.struck());
  EXPECT_EQ(disk.Write(file, 0, Filled(10, 2)), DiskError::kNoSpace);
  EXPECT_TRUE(disk.struck());
  EXPECT_EQ(disk.Contents("file"), Filled(5, 2));
  EXPECT_EQ(disk.Remove("file"), DiskError::kNone);
}

TEST(SimulatedDiskTest, CapacityIsWhatAllFilesMayTakeTogether) {
  SimulatedDisk disk;
  const SimulatedDisk::File file = DurableFile(disk, "file", Filled(60, 1));
  disk.set_capacity(100);
  EXPECT_EQ(disk.free_bytes(), 40);
  EXPECT_EQ(disk.Allocate(file, 40), DiskError::kNone);
  EXPECT_EQ(disk.Allocate(file, 41), DiskError::kNoSpace);
  EXPECT_EQ(disk.Write(file, 60, Filled(41, 1)), DiskError::kNoSpace);
  EXPECT_EQ(disk.Write(file, 60, Filled(40, 1)), DiskError::kNone);
  EXPECT_EQ(disk.Write(file, 0, Filled(100, 1)), DiskError::kNone);
}

TEST(SimulatedDiskTest, FlippedBitsAreThereAfterAPowerCut) {
  SimulatedDisk disk;
  DurableFile(disk, "file", Filled(10, 0));
  disk.FlipBit("file", 11);
  EXPECT_EQ(disk.Contents("file").at(1), 8);
  EXPECT_EQ(disk.Crash(1)->Contents("file").at(1), 8);
}

TEST(SimulatedFileSystemTest, AnswersAsTheContractSays) {
  SimulatedDisk disk;
  SimulatedFileSystem files(disk);
  ASSERT_TRUE(files.MakeFolder("a").ok());
  ASSERT_TRUE(files.MakeFolder("a").ok());
  ASSERT_TRUE(files.Create("a/two").ok());
  ASSERT_TRUE(files.Create("a/one").ok());
  EXPECT_EQ(files.Create("a/one").status().code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(files.Open("a/none").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(files.SizeOf("a").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(*files.List("a"), (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(*files.List(""), std::vector<std::string>{"a/"});
  EXPECT_FALSE(files.RemoveFolder("a").ok());
  EXPECT_TRUE(files.Remove("a/one").ok());
  EXPECT_TRUE(files.Remove("a/one").ok());
  EXPECT_TRUE(files.Remove("a/two").ok());
  EXPECT_TRUE(files.RemoveFolder("a").ok());
  EXPECT_TRUE(files.RemoveFolder("a").ok());
  auto file = files.Create("file");
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->Write(Filled(3, 1)).ok());
  ASSERT_TRUE((*file)->Write(Filled(3, 2)).ok());
  EXPECT_EQ(*files.SizeOf("file"), 6);
  auto reader = files.Open("file");
  ASSERT_TRUE(reader.ok());
  auto bytes = Filled(2, 0);
  EXPECT_TRUE((*reader)->ReadAt(2, absl::MakeSpan(bytes)).ok());
  EXPECT_EQ(bytes, (std::vector<std::uint8_t>{1, 2}));
  EXPECT_EQ((*reader)->ReadAt(5, absl::MakeSpan(bytes)).code(),
            absl::StatusCode::kDataLoss);
  disk.Plan({.kind = DiskFault::Kind::kFull, .lasting = true});
  EXPECT_EQ(DetailsOf((*file)->Write(bytes)).reason, "STORAGE_FULL");
  disk.Plan({.kind = DiskFault::Kind::kFail, .lasting = true});
  EXPECT_EQ(DetailsOf((*file)->Sync()).reason, "STORE_FAILED");
}

// Publishes a file under a final name, leaving out a step or none.
struct Publisher {
  bool syncs_file = true;
  bool renames = true;
  bool syncs_folder = true;
};

absl::Status Publish(const Publisher& publisher, SimulatedDisk& disk,
                     const std::vector<std::uint8_t>& bytes) {
  SimulatedFileSystem files(disk);
  const std::string first = publisher.renames ? "staged" : "final";
  auto file = files.Create(first);
  absl::Status status = file.status();
  if (status.ok()) {
    status = (*file)->Write(bytes);
  }
  if (status.ok() && publisher.syncs_file) {
    status = (*file)->Sync();
  }
  if (status.ok() && publisher.renames) {
    status = files.Rename(first, "final");
  }
  if (status.ok() && publisher.syncs_folder) {
    status = files.SyncFolder("");
  }
  return status;
}

// Over all operations to die at: acknowledged and gone, or visible in part.
int Violations(const Publisher& publisher) {
  const auto bytes = Filled(9'000, 7);
  int violations = 0;
  bool died = true;
  for (std::int64_t at = 0; died; ++at) {
    SimulatedDisk disk;
    disk.Plan({.kind = DiskFault::Kind::kDie, .at = at});
    const bool acknowledged = Publish(publisher, disk, bytes).ok();
    died = disk.dead();
    for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
      const auto after = disk.Crash(seed);
      const bool visible = after->Exists("final");
      const bool broken = visible && after->Contents("final") != bytes;
      violations += broken || (acknowledged && !visible) ? 1 : 0;
    }
  }
  return violations;
}

TEST(SimulatedDiskTest, APublisherThatDoesItRightIsNeverBlamed) {
  EXPECT_EQ(Violations({}), 0);
}

TEST(SimulatedDiskTest, EveryPublisherThatLeavesOutAStepIsCaught) {
  EXPECT_GT(Violations({.syncs_file = false}), 20);
  EXPECT_GT(Violations({.renames = false}), 20);
  EXPECT_GT(Violations({.syncs_folder = false}), 20);
}

}  // namespace
}  // namespace resnetd
