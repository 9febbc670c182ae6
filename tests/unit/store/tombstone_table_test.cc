#include "server/store/tombstone_table.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "tests/unit/store/table_fixture.h"

namespace resnetd {
namespace {

using TombstoneTableTest = TableTest;

WallTime At(int second) { return WallTime(std::chrono::seconds(second)); }

TEST_F(TombstoneTableTest, GivesBackWhatWasWritten) {
  Must(WriteTombstone(*database_, "a", At(1)));
  Must(WriteTombstone(*database_, "b", At(2)));
  Must(WriteTombstone(*database_, "b", At(3)));
  Must(WriteTombstone(*database_, "c", At(4)));
  Must(RemoveTombstone(*database_, "c"));
  Must(RemoveTombstone(*database_, "d"));
  const auto tombstones = Must(ReadTombstones(*database_));
  ASSERT_EQ(tombstones.size(), 2);
  EXPECT_EQ(tombstones.at("a"), At(1));
  EXPECT_EQ(tombstones.at("b"), At(3));
}

TEST_F(TombstoneTableTest, EveryChangedColumnIsNoticed) {
  for (const std::string change :
       {"digest = 'x'", "since_us = 1", "seal = 'x'"}) {
    Sql("SAVEPOINT before");
    Must(WriteTombstone(*database_, "a", At(1)));
    Sql("UPDATE tombstones SET " + change);
    EXPECT_TRUE(IsDamage(ReadTombstones(*database_).status())) << change;
    Sql("ROLLBACK TO before");
  }
}

TEST(IsDueTest, IsAfterTheGraceTimeAndNeverForTheFuture) {
  const Duration grace = std::chrono::seconds(10);
  EXPECT_FALSE(IsDue(At(100), At(100), grace));
  EXPECT_FALSE(IsDue(At(100), At(109), grace));
  EXPECT_TRUE(IsDue(At(100), At(110), grace));
  EXPECT_TRUE(IsDue(At(100), At(111), grace));
  EXPECT_FALSE(IsDue(At(100), At(50), grace));
  EXPECT_TRUE(IsDue(At(100), At(100), Duration(0)));
  EXPECT_FALSE(IsDue(At(100), At(99), Duration(0)));
}

}  // namespace
}  // namespace resnetd
