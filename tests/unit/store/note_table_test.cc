#include "server/store/note_table.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/unit/store/table_fixture.h"

namespace resnetd {
namespace {

using NoteTableTest = TableTest;

TEST_F(NoteTableTest, GivesBackWhatWasWritten) {
  EXPECT_EQ(Must(ReadNote(*database_, "k")), "");
  Must(WriteNote(*database_, "k", "1"));
  Must(WriteNote(*database_, "k", "2"));
  EXPECT_EQ(Must(ReadNote(*database_, "k")), "2");
  Must(WriteNote(*database_, "k", ""));
  EXPECT_EQ(Must(ReadNote(*database_, "k")), "");
}

TEST_F(NoteTableTest, EveryChangedColumnIsNoticed) {
  for (const std::string change : {"key = 'x'", "value = 'x'", "seal = 'x'"}) {
    Sql("SAVEPOINT before");
    Must(WriteNote(*database_, "k", "1"));
    EXPECT_TRUE(CheckNoteTable(*database_).ok());
    Sql("UPDATE notes SET " + change);
    EXPECT_TRUE(IsDamage(CheckNoteTable(*database_))) << change;
    Sql("ROLLBACK TO before");
  }
}

}  // namespace
}  // namespace resnetd
