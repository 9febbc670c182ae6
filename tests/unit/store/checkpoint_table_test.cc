#include "server/store/checkpoint_table.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/unit/store/table_fixture.h"

namespace resnetd {
namespace {

using CheckpointTableTest = TableTest;

CheckpointRow CheckpointAt(std::int64_t step) {
  return {.step = step,
          .manifest = "manifest",
          .blobs = {std::string(64, 'b'), std::string(64, 'a')},
          .bytes = 7,
          .created = WallTime(std::chrono::microseconds(8))};
}

TEST_F(CheckpointTableTest, GivesBackWhatWasWritten) {
  EXPECT_TRUE(Must(WriteCheckpoint(*database_, {1}, CheckpointAt(20))));
  EXPECT_TRUE(Must(WriteCheckpoint(*database_, {1}, CheckpointAt(10))));
  EXPECT_TRUE(Must(WriteCheckpoint(*database_, {2}, CheckpointAt(10))));
  const auto rows = Must(ReadCheckpoints(*database_, {1}));
  ASSERT_EQ(rows.size(), 2);
  EXPECT_EQ(rows[0].step, 10);
  EXPECT_EQ(rows[1].step, 20);
  EXPECT_EQ(rows[1].manifest, "manifest");
  EXPECT_EQ(rows[1].blobs, CheckpointAt(20).blobs);
  EXPECT_EQ(rows[1].bytes, 7);
  EXPECT_EQ(rows[1].created, CheckpointAt(20).created);
  EXPECT_EQ(Must(ReadAllCheckpoints(*database_)).size(), 3);
}

TEST_F(CheckpointTableTest, OneStepHasOneAndSaysWhetherItWasThere) {
  Must(WriteCheckpoint(*database_, {1}, CheckpointAt(10)));
  CheckpointRow other = CheckpointAt(10);
  other.blobs.clear();
  EXPECT_FALSE(Must(WriteCheckpoint(*database_, {1}, other)));
  EXPECT_TRUE(Must(ReadCheckpoints(*database_, {1}))[0].blobs.empty());
  EXPECT_TRUE(Must(RemoveCheckpoint(*database_, {1}, 10)));
  EXPECT_FALSE(Must(RemoveCheckpoint(*database_, {1}, 10)));
  Must(WriteCheckpoint(*database_, {1}, CheckpointAt(10)));
  Must(WriteCheckpoint(*database_, {2}, CheckpointAt(10)));
  Must(RemoveCheckpoints(*database_, {1}));
  EXPECT_EQ(Must(ReadAllCheckpoints(*database_)).size(), 1);
}

TEST_F(CheckpointTableTest, EveryChangedColumnIsNoticed) {
  for (const std::string change :
       {"job = 9", "step = 9", "manifest = 'x'", "blobs = ''", "bytes = 9",
        "created_us = 9", "seal = 'x'"}) {
    Sql("SAVEPOINT before");
    Must(WriteCheckpoint(*database_, {1}, CheckpointAt(10)));
    Sql("UPDATE checkpoints SET " + change);
    EXPECT_TRUE(IsDamage(ReadAllCheckpoints(*database_).status())) << change;
    Sql("ROLLBACK TO before");
  }
}

}  // namespace
}  // namespace resnetd
