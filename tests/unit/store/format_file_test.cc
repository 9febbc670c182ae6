#include "server/store/format_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>

#include "server/base/error.h"
#include "server/store/file_system.h"
#include "tests/support/simulated_disk.h"
#include "tests/support/simulated_file_system.h"
#include "tests/support/temp_dir.h"

namespace resnetd {
namespace {

using ::testing::HasSubstr;

absl::Status Check(const std::string& folder) {
  const auto files = OpenFileSystem(folder);
  return files.ok() ? CheckOrMakeFormat(**files) : files.status();
}

TEST(FormatFileTest, MakesAnEmptyFolderAStoreAndKnowsItAgain) {
  const TempDir folder;
  EXPECT_TRUE(Check(folder.path()).ok());
  folder.Write("anything", "x");
  EXPECT_TRUE(Check(folder.path()).ok());
}

TEST(FormatFileTest, TakesWhatAFreshVolumeAndAnInterruptedOpeningLeave) {
  const TempDir folder;
  folder.MakeFolder("lost+found");
  folder.Write("LOCK", "1\n");
  folder.Write("FORMAT.new", "resn");
  EXPECT_TRUE(Check(folder.path()).ok());
}

TEST(FormatFileTest, CheckingAloneMakesNothing) {
  const TempDir folder;
  const auto files = OpenFileSystem(folder.path());
  ASSERT_TRUE(files.ok());
  EXPECT_TRUE(CheckFormat(**files).ok());
  EXPECT_TRUE((*files)->List("")->empty());
  folder.Write("thesis.txt", "x");
  EXPECT_EQ(DetailsOf(CheckFormat(**files)).reason, "STORE_UNUSABLE");
}

TEST(FormatFileTest, RefusesTheFolderOfSomethingElse) {
  const TempDir folder;
  folder.Write("thesis.txt", "x");
  const absl::Status refused = Check(folder.path());
  EXPECT_EQ(DetailsOf(refused).reason, "STORE_UNUSABLE");
  EXPECT_THAT(std::string(refused.message()), HasSubstr("thesis.txt"));
}

TEST(FormatFileTest, RefusesOtherTextsAndNewerLayouts) {
  for (const std::string text :
       {"", "resnetd store 0\n", "resnetd store 1", "resnetd store -1\n",
        "resnetd store 1\nx", "resnetd store x\n", "another program\n",
        "resnetd store 99999999999999999999\n"}) {
    const TempDir folder;
    folder.Write("FORMAT", text);
    EXPECT_EQ(DetailsOf(Check(folder.path())).reason, "STORE_UNUSABLE") << text;
  }
  const TempDir folder;
  folder.Write("FORMAT", "resnetd store 2\n");
  EXPECT_THAT(std::string(Check(folder.path()).message()),
              HasSubstr("newer server"));
}

TEST(FormatFileTest, APowerCutAtAnyStepLeavesAFolderThatCanBeUsed) {
  SimulatedDisk whole;
  SimulatedFileSystem whole_files(whole);
  ASSERT_TRUE(CheckOrMakeFormat(whole_files).ok());
  const std::int64_t steps = whole.operation_count();
  ASSERT_GE(steps, 5);
  for (std::int64_t step = 0; step <= steps; ++step) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      SimulatedDisk disk;
      disk.Plan({.kind = DiskFault::Kind::kDie, .at = step});
      SimulatedFileSystem files(disk);
      const bool answered = CheckOrMakeFormat(files).ok();
      const std::unique_ptr<SimulatedDisk> after = disk.Crash(seed);
      EXPECT_TRUE(!answered || after->Exists("FORMAT"));
      SimulatedFileSystem files_after(*after);
      EXPECT_TRUE(CheckOrMakeFormat(files_after).ok()) << step << " " << seed;
    }
  }
}

}  // namespace
}  // namespace resnetd
