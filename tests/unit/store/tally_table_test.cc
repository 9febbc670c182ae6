#include "server/store/tally_table.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/unit/store/table_fixture.h"

namespace resnetd {
namespace {

using TallyTableTest = TableTest;

TEST_F(TallyTableTest, GivesBackWhatWasWritten) {
  EXPECT_EQ(Must(ReadTally(*database_)).last_job, 0);
  Must(WriteTally(*database_, {.datasets = 1, .jobs = 2, .last_job = 3}));
  Must(WriteTally(*database_, {.datasets = 4, .jobs = 5, .last_job = 6}));
  const Tally tally = Must(ReadTally(*database_));
  EXPECT_EQ(tally.datasets, 4);
  EXPECT_EQ(tally.jobs, 5);
  EXPECT_EQ(tally.last_job, 6);
}

TEST_F(TallyTableTest, EveryChangedColumnIsNoticed) {
  for (const std::string change :
       {"datasets = 9", "jobs = 9", "last_job = 9", "seal = 'x'"}) {
    Must(WriteTally(*database_, {.datasets = 1, .jobs = 2, .last_job = 3}));
    Sql("UPDATE tally SET " + change);
    EXPECT_TRUE(IsDamage(ReadTally(*database_).status())) << change;
  }
}

}  // namespace
}  // namespace resnetd
