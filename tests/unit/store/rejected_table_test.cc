#include "server/store/rejected_table.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/unit/store/table_fixture.h"

namespace resnetd {
namespace {

class RejectedTableTest : public TableTest {
 protected:
  void Add(std::int64_t sequence, std::int64_t dataset = 1) {
    Must(InsertRejected(*database_, dataset,
                        {.sequence = sequence,
                         .name = "cats/7.jpg",
                         .label = "cat",
                         .code = "TRUNCATED",
                         .message = "ends early"}));
  }
};

TEST_F(RejectedTableTest, GivesBackWhatWasWritten) {
  for (std::int64_t i = 1; i <= 4; ++i) {
    Add(i);
  }
  Add(1, 2);
  const auto some = Must(ReadRejected(*database_, 1, 1, 2));
  ASSERT_EQ(some.size(), 2);
  EXPECT_EQ(some[0].sequence, 2);
  EXPECT_EQ(some[1].name, "cats/7.jpg");
  EXPECT_EQ(some[1].label, "cat");
  EXPECT_EQ(some[1].code, "TRUNCATED");
  EXPECT_EQ(some[1].message, "ends early");
  EXPECT_EQ(Must(ReadRejected(*database_, 2, 0, 9)).size(), 1);
}

TEST_F(RejectedTableTest, EveryChangedColumnIsNoticed) {
  for (const std::string change :
       {"sequence = 2", "name = 'x'", "label = 'x'", "code = 'x'",
        "message = 'x'", "seal = 'x'"}) {
    Sql("SAVEPOINT before");
    Add(1);
    Sql("UPDATE rejected_examples SET " + change);
    EXPECT_TRUE(IsDamage(ReadRejected(*database_, 1, 0, 9).status())) << change;
    Sql("ROLLBACK TO before");
  }
}

TEST_F(RejectedTableTest, AGapIsNoticed) {
  Add(1);
  Add(3);
  EXPECT_TRUE(IsDamage(ReadRejected(*database_, 1, 0, 9).status()));
}

}  // namespace
}  // namespace resnetd
