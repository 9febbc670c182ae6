#include "server/store/job_event_table.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/unit/store/table_fixture.h"

namespace resnetd {
namespace {

class JobEventTableTest : public TableTest {
 protected:
  void Add(std::int64_t sequence, JobNumber job = {1}) {
    Must(InsertJobEvent(*database_, job,
                        {.sequence = sequence,
                         .time = WallTime(std::chrono::microseconds(5)),
                         .kind = 6,
                         .payload = "payload"}));
  }
};

TEST_F(JobEventTableTest, GivesBackWhatWasWritten) {
  for (std::int64_t i = 1; i <= 4; ++i) {
    Add(i);
  }
  Add(1, {2});
  const auto some = Must(ReadJobEvents(*database_, {1}, 1, 2));
  ASSERT_EQ(some.size(), 2);
  EXPECT_EQ(some[0].sequence, 2);
  EXPECT_EQ(some[1].time, WallTime(std::chrono::microseconds(5)));
  EXPECT_EQ(some[1].kind, 6);
  EXPECT_EQ(some[1].payload, "payload");
  Must(RemoveJobEvents(*database_, {1}));
  EXPECT_TRUE(Must(ReadJobEvents(*database_, {1}, 0, 9)).empty());
  EXPECT_EQ(Must(ReadJobEvents(*database_, {2}, 0, 9)).size(), 1);
}

TEST_F(JobEventTableTest, EveryChangedColumnIsNoticed) {
  for (const std::string change : {"sequence = 2", "time_us = 9", "kind = 9",
                                   "payload = 'x'", "seal = 'x'"}) {
    Sql("SAVEPOINT before");
    Add(1);
    Sql("UPDATE job_events SET " + change);
    EXPECT_TRUE(IsDamage(ReadJobEvents(*database_, {1}, 0, 9).status()))
        << change;
    Sql("ROLLBACK TO before");
  }
  Add(1);
  Sql("UPDATE job_events SET job = 2");
  EXPECT_TRUE(IsDamage(ReadJobEvents(*database_, {2}, 0, 9).status()));
}

TEST_F(JobEventTableTest, AGapIsNoticed) {
  Add(1);
  Add(3);
  EXPECT_TRUE(IsDamage(ReadJobEvents(*database_, {1}, 0, 9).status()));
}

}  // namespace
}  // namespace resnetd
