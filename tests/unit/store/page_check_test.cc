#include "server/store/page_check.h"

#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/store/example_table.h"
#include "server/store/note_table.h"
#include "server/store/schema.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/store/dataset_fixture.h"
#include "tests/unit/store/table_fixture.h"

namespace resnetd {
namespace {

constexpr std::int64_t kAnySize = 1 << 30;

class PageCheckTest : public ::testing::Test {
 protected:
  PageCheckTest() {
    const auto database = Open();
    Must(Migrate(*database, Migrations()));
    Must(
        database->Execute("INSERT INTO datasets VALUES(1, 'a', 1, '', '', 0, "
                          "0, 0, 0, 0, 0, NULL, '')"));
    for (std::int64_t i = 1; i <= 100; ++i) {
      ExampleRow row = ExampleOf("", 0, i);
      row.sequence = i;
      Must(InsertExample(*database, 1, row, 1));
      Must(WriteNote(*database, absl::StrCat("k", i), std::string(100, 'v')));
    }
  }
  std::unique_ptr<Database> Open() {
    return Must(Database::Open({.path = folder_.File("db"), .durable = false},
                               Database::Access::kReadWrite));
  }
  // Overwrites the header of the first page of the table.
  void Damage(const std::string& table) {
    std::int64_t page = 0;
    {
      const auto database = Open();
      page = Must(database->ReadInt(absl::StrCat(
          "SELECT rootpage FROM sqlite_schema WHERE name = '", table, "'")));
    }
    std::fstream file(folder_.File("db"),
                      std::ios::in | std::ios::out | std::ios::binary);
    file.seekp((page - 1) * 4096 + 2);
    file.write("\xff\xff\xff\xff", 4);
  }

  const TempDir folder_;
};

TEST_F(PageCheckTest, FindsNothingInASoundDatabase) {
  EXPECT_TRUE(CheckPages(*Open()).ok());
  EXPECT_TRUE(CheckPages(*Open(), 0).ok());
}

TEST_F(PageCheckTest, ADamagedPageIsFoundWhateverTheSize) {
  Damage("notes");
  EXPECT_TRUE(IsDamage(CheckPages(*Open(), kAnySize)));
  EXPECT_TRUE(IsDamage(CheckPages(*Open(), 0)));
}

TEST_F(PageCheckTest, PagesOfExamplesOfALargeDatabaseAreLeftToTheirReaders) {
  Damage("examples");
  EXPECT_TRUE(IsDamage(CheckPages(*Open(), kAnySize)));
  EXPECT_TRUE(CheckPages(*Open(), 0).ok());
  EXPECT_TRUE(IsDamage(ReadExamples(*Open(), 1, 0, 100).status()));
}

TEST_F(PageCheckTest, TheSizeUpToWhichAllIsLookedAtCounts) {
  Damage("examples");
  const auto database = Open();
  const std::int64_t bytes =
      Must(database->ReadInt("PRAGMA page_count")) * 4096;
  EXPECT_TRUE(CheckPages(*database, bytes - 1).ok());
  EXPECT_TRUE(IsDamage(CheckPages(*database, bytes)));
  EXPECT_TRUE(IsDamage(CheckPages(*database, bytes + 1)));
}

}  // namespace
}  // namespace resnetd
