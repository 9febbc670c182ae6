#include "server/store/schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/store/dataset_fixture.h"
#include "tests/unit/store/store_fixture.h"

namespace resnetd {
namespace {

using ::testing::HasSubstr;

std::int64_t FormatOf(Database& database) {
  return Must(database.ReadInt("PRAGMA user_version"));
}

TEST(SchemaTest, AnEmptyDatabaseGetsEveryStep) {
  const auto database = Must(Database::OpenEmpty());
  EXPECT_TRUE(Must(Migrate(*database, Migrations())));
  EXPECT_EQ(FormatOf(*database),
            static_cast<std::int64_t>(Migrations().size()));
  EXPECT_EQ(Must(database->ReadInt("PRAGMA application_id")), 0x52534E44);
  EXPECT_FALSE(Must(Migrate(*database, Migrations())));
  EXPECT_TRUE(CheckSchema(*database, Migrations()).ok());
}

TEST(SchemaTest, EveryTableIsStrict) {
  const auto database = Must(Database::OpenEmpty());
  Must(Migrate(*database, Migrations()));
  EXPECT_EQ(Must(database->ReadInt("SELECT count(*) FROM pragma_table_list "
                                   "WHERE schema = 'main' AND name NOT LIKE "
                                   "'sqlite_%' AND strict = 0")),
            0);
  EXPECT_EQ(Must(database->ReadInt("SELECT count(*) FROM pragma_table_list "
                                   "WHERE schema = 'main' AND strict = 1")),
            19);
}

TEST(SchemaTest, AnOlderDatabaseGetsTheStepsItLacksAndKeepsItsRows) {
  const std::vector<Migration> first = {{"CREATE TABLE a(x INTEGER) STRICT"}};
  const std::vector<Migration> both = {
      first[0],
      {"ALTER TABLE a ADD COLUMN y INTEGER NOT NULL DEFAULT 5; CREATE TABLE "
       "b(x INTEGER) STRICT;"}};
  const auto database = Must(Database::OpenEmpty());
  Must(Migrate(*database, first));
  Must(database->Execute("INSERT INTO a VALUES(1)"));
  EXPECT_FALSE(CheckSchema(*database, both).ok());
  EXPECT_FALSE(Must(Migrate(*database, both)));
  EXPECT_EQ(FormatOf(*database), 2);
  EXPECT_EQ(Must(database->ReadInt("SELECT y FROM a")), 5);
  EXPECT_TRUE(CheckSchema(*database, both).ok());
}

// A store as a server of the first format left it, with all its kinds of rows.
TEST(SchemaTest, AStoreOfTheFirstFormatKeepsEverything) {
  OpenedStore store;
  PublishNumber(*store, "a", 1);
  PublishNumber(*store, "a", 2);
  Must(store->MoveAlias(MoveTo("a", 2),
                        {.method = "SetAlias", .request_id = "r"}));
  Must(store->DeleteVersion(Model("a"), VersionNumber{1}, "", {}));
  Must(store->SetNote("note", "text"));
  Must(store->Collect());
  store.Close();
  {
    // Its own steps lead from the first format to the rows of today.
    const auto database =
        Must(Database::Open({.path = store.database(), .durable = false},
                            Database::Access::kReadWrite));
    for (const std::string table :
         {"job_samples", "tally", "checkpoints", "job_events", "jobs",
          "uploads", "rejected_examples", "examples", "packs", "datasets"}) {
      Must(database->Execute("DROP TABLE " + table));
    }
    Must(database->Execute("PRAGMA user_version=1"));
    EXPECT_TRUE(CheckSchema(*database, Migrations().first(1)).ok());
  }
  store.Open();
  EXPECT_TRUE(Must(store->Verify()).empty());
  EXPECT_EQ(Must(store->GetAlias(Model("a"), "stable")).version.value, 2);
  EXPECT_EQ(Must(store->ListVersions(Model("a"))).size(), 1);
  EXPECT_EQ(Must(store->ListEvents(0, 100)).size(), 5);
  EXPECT_EQ(Must(store->ListAudit(0, 100)).size(), 4);
  EXPECT_EQ(Must(store->GetNote("note")), "text");
  EXPECT_EQ(*Must(store->Remembered({.method = "SetAlias", .request_id = "r"})),
            "models/a/aliases/stable");
  CreateAnimals(*store);
  EXPECT_EQ(CreateJobOver(*store, "animals").number, JobNumber{1});
}

TEST(SchemaTest, AStepThatFailsLeavesTheFormatBefore) {
  const std::vector<Migration> steps = {
      {"CREATE TABLE a(x INTEGER) STRICT"},
      {"CREATE TABLE b(x INTEGER) STRICT; NONSENSE;"}};
  const auto database = Must(Database::OpenEmpty());
  EXPECT_FALSE(Migrate(*database, steps).ok());
  EXPECT_EQ(FormatOf(*database), 1);
  EXPECT_EQ(Must(database->ReadInt("SELECT count(*) FROM sqlite_schema")), 1);
}

TEST(SchemaTest, ANewerFormatIsRefusedWithWhatToDo) {
  const auto database = Must(Database::OpenEmpty());
  Must(Migrate(*database, Migrations()));
  const std::size_t newer = Migrations().size() + 1;
  Must(database->Execute(absl::StrCat("PRAGMA user_version=", newer)));
  const absl::Status refused = Migrate(*database, Migrations()).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(DetailsOf(refused).reason, "STORE_UNUSABLE");
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr(absl::StrCat("format ", newer)));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("newer server"));
}

TEST(SchemaTest, TheDatabaseOfAnotherProgramIsRefusedAndNotTouched) {
  const auto database = Must(Database::OpenEmpty());
  Must(database->Execute("CREATE TABLE theirs(x INTEGER)"));
  const absl::Status refused = Migrate(*database, Migrations()).status();
  EXPECT_EQ(DetailsOf(refused).reason, "STORE_UNUSABLE");
  EXPECT_EQ(Must(database->ReadInt("SELECT count(*) FROM sqlite_schema")), 1);
  EXPECT_EQ(FormatOf(*database), 0);
}

TEST(SchemaTest, ALostOrNegativeFormatIsDamage) {
  for (const std::string format : {"0", "-1"}) {
    const auto database = Must(Database::OpenEmpty());
    Must(Migrate(*database, Migrations()));
    Must(database->Execute("PRAGMA user_version=" + format));
    EXPECT_EQ(DetailsOf(Migrate(*database, Migrations()).status()).reason,
              "STORE_CORRUPT");
  }
}

TEST(SchemaTest, TablesThatAreNotAsTheyWereMadeAreDamage) {
  for (const std::string change :
       {"DROP INDEX versions_by_content", "DROP TABLE notes",
        "CREATE TABLE more(x INTEGER)",
        "ALTER TABLE notes RENAME COLUMN value TO valuf"}) {
    const auto database = Must(Database::OpenEmpty());
    Must(Migrate(*database, Migrations()));
    Must(database->Execute(change));
    EXPECT_EQ(DetailsOf(CheckSchema(*database, Migrations())).reason,
              "STORE_CORRUPT")
        << change;
  }
}

}  // namespace
}  // namespace resnetd
