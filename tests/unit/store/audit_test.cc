#include "server/store/audit.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "tests/unit/store/table_fixture.h"

namespace resnetd {
namespace {

class AuditTest : public TableTest {
 protected:
  void Append(int i) {
    Head head = Must(ReadHead(*database_));
    Must(AppendAudit(*database_,
                     {.time = WallTime(std::chrono::seconds(i)),
                      .actor = "me",
                      .method = "SetAlias",
                      .resource = "models/a",
                      .request_id = absl::StrCat("r", i),
                      .outcome = "done"},
                     head));
    Must(WriteHead(*database_, head));
  }
};

TEST_F(AuditTest, GivesBackWhatWasWrittenInOrder) {
  for (int i = 1; i <= 5; ++i) {
    Append(i);
  }
  const auto rows = Must(ReadAudit(*database_, 2, 2));
  ASSERT_EQ(rows.size(), 2);
  EXPECT_EQ(rows[0].sequence, 3);
  EXPECT_EQ(rows[0].actor, "me");
  EXPECT_EQ(rows[0].method, "SetAlias");
  EXPECT_EQ(rows[0].resource, "models/a");
  EXPECT_EQ(rows[0].request_id, "r3");
  EXPECT_EQ(rows[0].outcome, "done");
  EXPECT_EQ(rows[1].hash, AuditHash(rows[0].hash, rows[1]));
  EXPECT_EQ(Must(ReadAudit(*database_, -1, 100)).size(), 5);
  EXPECT_TRUE(Must(ReadAudit(*database_, 5, 100)).empty());
  EXPECT_TRUE(Must(ReadAudit(*database_, 99, 100)).empty());
  EXPECT_TRUE(CheckAudit(*database_).ok());
}

// The hash of a first row, calculated by Python's hashlib.
TEST_F(AuditTest, TheHashIsThatOfTheDocumentedBytes) {
  AuditRow row{.sequence = 1,
               .time = WallTime(std::chrono::microseconds(2)),
               .actor = "a",
               .method = "m",
               .resource = "r",
               .request_id = "",
               .outcome = "o"};
  EXPECT_EQ(AuditHash("", row),
            "e0c5c2271edfb701588f0536b159d84359dc679076e771b5ed18f6b444cb04f8");
}

TEST_F(AuditTest, EveryChangeIsNoticed) {
  for (const std::string change :
       {"UPDATE audit SET time_us = 9 WHERE sequence = 2",
        "UPDATE audit SET actor = 'b' WHERE sequence = 2",
        "UPDATE audit SET method = 'b' WHERE sequence = 2",
        "UPDATE audit SET resource = 'b' WHERE sequence = 2",
        "UPDATE audit SET request_id = 'b' WHERE sequence = 2",
        "UPDATE audit SET outcome = 'b' WHERE sequence = 2",
        "UPDATE audit SET hash = 'b' WHERE sequence = 2",
        "UPDATE audit SET sequence = 9 WHERE sequence = 3",
        "DELETE FROM audit WHERE sequence = 1",
        "DELETE FROM audit WHERE sequence = 2",
        "DELETE FROM audit WHERE sequence = 3", "DELETE FROM audit",
        "INSERT INTO audit SELECT 4, time_us, actor, method, resource, "
        "request_id, outcome, hash FROM audit WHERE sequence = 3"}) {
    Sql("SAVEPOINT before");
    for (int i = 1; i <= 3; ++i) {
      Append(i);
    }
    EXPECT_TRUE(CheckAudit(*database_).ok());
    Sql(change);
    EXPECT_TRUE(IsDamage(CheckAudit(*database_))) << change;
    Sql("ROLLBACK TO before");
  }
}

TEST_F(AuditTest, WhatIsReadIsVerifiedWithTheRowBefore) {
  for (int i = 1; i <= 5; ++i) {
    Append(i);
  }
  Sql("UPDATE audit SET outcome = 'b' WHERE sequence = 3");
  EXPECT_TRUE(ReadAudit(*database_, 0, 2).ok());
  EXPECT_TRUE(IsDamage(ReadAudit(*database_, 2, 1).status()));
  EXPECT_TRUE(ReadAudit(*database_, 3, 2).ok());
}

}  // namespace
}  // namespace resnetd
