#include "server/store/head_table.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/unit/store/table_fixture.h"

namespace resnetd {
namespace {

using HeadTableTest = TableTest;

TEST_F(HeadTableTest, StartsAtNothingAndGivesBackWhatWasWritten) {
  EXPECT_EQ(Must(ReadHead(*database_)).event_sequence, 0);
  EXPECT_EQ(Must(ReadHead(*database_)).oldest_event, 1);
  for (std::int64_t i = 1; i <= 2; ++i) {
    Must(WriteHead(*database_, {.audit_sequence = i,
                                .audit_hash = "h",
                                .event_sequence = 10 * i,
                                .oldest_event = 2 * i,
                                .models = 3 * i,
                                .aliases = 4 * i}));
  }
  const Head head = Must(ReadHead(*database_));
  EXPECT_EQ(head.audit_sequence, 2);
  EXPECT_EQ(head.audit_hash, "h");
  EXPECT_EQ(head.event_sequence, 20);
  EXPECT_EQ(head.oldest_event, 4);
  EXPECT_EQ(head.models, 6);
  EXPECT_EQ(head.aliases, 8);
}

TEST_F(HeadTableTest, EveryChangedColumnIsNoticed) {
  for (const std::string column :
       {"audit_sequence", "audit_hash", "event_sequence", "oldest_event",
        "models", "aliases", "seal"}) {
    Must(WriteHead(*database_, {}));
    EXPECT_TRUE(ReadHead(*database_).ok());
    Sql("UPDATE head SET " + column + " = 9");
    EXPECT_TRUE(IsDamage(ReadHead(*database_).status())) << column;
  }
}

}  // namespace
}  // namespace resnetd
