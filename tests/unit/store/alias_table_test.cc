#include "server/store/alias_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "tests/unit/store/table_fixture.h"

namespace resnetd {
namespace {

class AliasTableTest : public TableTest {
 protected:
  AliasTableTest() {
    Add("a");
    Add("a");
    Add("b");
  }
  static AliasRecord Record(absl::string_view alias, std::int64_t version,
                            std::int64_t generation) {
    return {.row = {.model = Model("a"),
                    .alias = std::string(alias),
                    .version = VersionNumber{version},
                    .previous = std::nullopt,
                    .generation = generation,
                    .updated = WallTime(std::chrono::microseconds(5))}};
  }
};

TEST_F(AliasTableTest, GivesBackWhatWasWritten) {
  AliasRecord record = Record("stable", 2, 3);
  record.row.previous = VersionNumber{1};
  EXPECT_TRUE(Must(WriteAlias(*database_, record)));
  const auto found = Must(FindAlias(*database_, Model("a"), "stable"));
  ASSERT_TRUE(found);
  EXPECT_FALSE(found->removed);
  EXPECT_EQ(found->row.version.value, 2);
  EXPECT_EQ(found->row.previous->value, 1);
  EXPECT_EQ(found->row.generation, 3);
  EXPECT_EQ(found->row.updated, record.row.updated);
  EXPECT_FALSE(Must(WriteAlias(*database_, record)));
  EXPECT_FALSE(Must(FindAlias(*database_, Model("a"), "stabl")));
  EXPECT_FALSE(Must(FindAlias(*database_, Model("b"), "stable")));
}

TEST_F(AliasTableTest, ARemovedAliasKeepsItsGenerationAndIsNotListed) {
  AliasRecord record = Record("stable", 1, 7);
  Must(WriteAlias(*database_, record));
  Must(WriteAlias(*database_, Record("canary", 2, 1)));
  record.removed = true;
  Must(WriteAlias(*database_, record));
  const auto found = Must(FindAlias(*database_, Model("a"), "stable"));
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->removed);
  EXPECT_EQ(found->row.generation, 7);
  const auto rows = Must(ListAliasRows(*database_, Model("a")));
  ASSERT_EQ(rows.size(), 1);
  EXPECT_EQ(rows[0].alias, "canary");
  EXPECT_EQ(Must(ListAllAliases(*database_)).size(), 1);
  EXPECT_EQ(Must(CheckAliasTable(*database_)), 2);
}

TEST_F(AliasTableTest, ListsByName) {
  for (const std::string name : {"z", "a", "m"}) {
    Must(WriteAlias(*database_, Record(name, 1, 1)));
  }
  std::string names;
  for (const AliasRow& row : Must(ListAliasRows(*database_, Model("a")))) {
    names += row.alias;
  }
  EXPECT_EQ(names, "amz");
}

TEST_F(AliasTableTest, ForgetsThePreviousOfEveryAliasThatHasIt) {
  AliasRecord stable = Record("stable", 2, 2);
  stable.row.previous = VersionNumber{1};
  AliasRecord canary = Record("canary", 1, 2);
  canary.row.previous = VersionNumber{2};
  Must(WriteAlias(*database_, stable));
  Must(WriteAlias(*database_, canary));
  Must(ForgetPrevious(*database_, Model("a"), VersionNumber{1}));
  EXPECT_EQ(Must(FindAlias(*database_, Model("a"), "stable"))->row.previous,
            std::nullopt);
  EXPECT_EQ(Must(FindAlias(*database_, Model("a"), "canary"))->row.previous,
            VersionNumber{2});
}

TEST_F(AliasTableTest, AnAliasOfAVersionThatIsNotThereCannotBeWritten) {
  Sql("PRAGMA foreign_keys = ON");
  EXPECT_FALSE(WriteAlias(*database_, Record("stable", 9, 1)).ok());
}

TEST_F(AliasTableTest, EveryChangedColumnIsNoticed) {
  for (const std::string change :
       {"model = 'b'", "alias = 'x'", "version = 2", "version = NULL",
        "previous = 2", "generation = 2", "updated_us = 1", "seal = 'x'"}) {
    Sql("SAVEPOINT before");
    Must(WriteAlias(*database_, Record("stable", 1, 1)));
    Sql("UPDATE aliases SET " + change);
    EXPECT_TRUE(IsDamage(ListAllAliases(*database_).status())) << change;
    Sql("ROLLBACK TO before");
  }
}

TEST_F(AliasTableTest, AnAliasOfARetiredVersionIsNoticed) {
  Must(WriteAlias(*database_, Record("stable", 1, 1)));
  EXPECT_TRUE(CheckAliasTable(*database_).ok());
  VersionRow row = *Must(FindVersion(*database_, Model("a"), VersionNumber{1}));
  row.state = VersionState::kRetired;
  Must(UpdateVersionState(*database_, row));
  EXPECT_TRUE(IsDamage(CheckAliasTable(*database_).status()));
}

}  // namespace
}  // namespace resnetd
