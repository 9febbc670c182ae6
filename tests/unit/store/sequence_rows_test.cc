#include "server/store/sequence_rows.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/unit/store/table_fixture.h"

namespace resnetd {
namespace {

class SequenceRowsTest : public TableTest {
 protected:
  SequenceRowsTest() {
    Sql("CREATE TABLE rows(owner INTEGER, sequence INTEGER)");
    for (int i = 1; i <= 7; ++i) {
      Sql(absl::StrCat("INSERT INTO rows VALUES(1, ", i, ")"));
    }
    Sql("INSERT INTO rows VALUES(2, 1)");
  }
  std::int64_t Last(std::int64_t owner) {
    return Must(LastSequence(*database_, "rows", "owner", owner));
  }
  bool Remove(std::int64_t owner, std::int64_t limit) {
    return Must(RemoveOldest(*database_, "rows", "owner", owner, limit));
  }
  std::int64_t Count() {
    return Must(database_->ReadInt("SELECT count(*) FROM rows"));
  }
};

TEST_F(SequenceRowsTest, KnowsTheNewestOfEachOwner) {
  EXPECT_EQ(Last(1), 7);
  EXPECT_EQ(Last(2), 1);
  EXPECT_EQ(Last(3), 0);
}

TEST_F(SequenceRowsTest, RemovesTheOldestUpToTheLimit) {
  EXPECT_TRUE(Remove(1, 3));
  EXPECT_EQ(Count(), 5);
  EXPECT_EQ(Last(1), 7);
  EXPECT_TRUE(Remove(1, 3));
  EXPECT_TRUE(Remove(1, 3));
  EXPECT_EQ(Last(1), 0);
  EXPECT_FALSE(Remove(1, 3));
  EXPECT_EQ(Count(), 1);
}

}  // namespace
}  // namespace resnetd
