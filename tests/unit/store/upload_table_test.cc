#include "server/store/upload_table.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/unit/store/table_fixture.h"

namespace resnetd {
namespace {

using UploadTableTest = TableTest;

TEST_F(UploadTableTest, GivesBackWhatWasWritten) {
  EXPECT_EQ(Must(ReadUpload(*database_, 1, "u")), std::nullopt);
  Must(WriteUpload(*database_, 1, "u", 0));
  EXPECT_EQ(Must(ReadUpload(*database_, 1, "u")), 0);
  Must(WriteUpload(*database_, 1, "u", 7));
  Must(WriteUpload(*database_, 1, "v", 8));
  Must(WriteUpload(*database_, 2, "u", 9));
  EXPECT_EQ(Must(ReadUpload(*database_, 1, "u")), 7);
  EXPECT_EQ(Must(ReadUpload(*database_, 2, "u")), 9);
  EXPECT_EQ(Must(CheckUploads(*database_, 1)), 2);
  Must(RemoveUploads(*database_, 1));
  EXPECT_EQ(Must(CheckUploads(*database_, 1)), 0);
  EXPECT_EQ(Must(CheckUploads(*database_, 2)), 1);
}

TEST_F(UploadTableTest, EveryChangedColumnIsNoticed) {
  for (const std::string change :
       {"upload = 'v'", "next_index = 9", "seal = 'x'"}) {
    Sql("SAVEPOINT before");
    Must(WriteUpload(*database_, 1, "u", 7));
    Sql("UPDATE uploads SET " + change);
    EXPECT_TRUE(IsDamage(CheckUploads(*database_, 1).status())) << change;
    Sql("ROLLBACK TO before");
  }
  Must(WriteUpload(*database_, 1, "u", 7));
  Sql("UPDATE uploads SET next_index = 8");
  EXPECT_TRUE(IsDamage(ReadUpload(*database_, 1, "u").status()));
}

}  // namespace
}  // namespace resnetd
