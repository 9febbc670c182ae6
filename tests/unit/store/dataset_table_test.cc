#include "server/store/dataset_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/store/example_table.h"
#include "server/store/pack_table.h"
#include "tests/unit/store/dataset_fixture.h"
#include "tests/unit/store/table_fixture.h"

namespace resnetd {
namespace {

class DatasetTableTest : public TableTest {
 protected:
  static DatasetRecord Record(std::int64_t number, absl::string_view name) {
    return {.number = number,
            .row = {.name = Dataset(name),
                    .state = DatasetState::kSealed,
                    .labels = {"cat", "dog"},
                    .digest = std::string(64, 'd'),
                    .examples = 5,
                    .rejected = 6,
                    .bytes = 7,
                    .created = WallTime(std::chrono::microseconds(8)),
                    .sealed = WallTime(std::chrono::microseconds(9))},
            .packs = 10,
            .uploads = 11};
  }
};

TEST_F(DatasetTableTest, GivesBackWhatWasWritten) {
  Must(InsertDataset(*database_, Record(1, "b")));
  Must(InsertDataset(*database_, Record(2, "a")));
  const DatasetRecord got = *Must(FindDataset(*database_, Dataset("b")));
  EXPECT_EQ(got.number, 1);
  EXPECT_EQ(got.row.name, Dataset("b"));
  EXPECT_EQ(got.row.state, DatasetState::kSealed);
  EXPECT_EQ(got.row.labels, (std::vector<std::string>{"cat", "dog"}));
  EXPECT_EQ(got.row.digest, std::string(64, 'd'));
  EXPECT_EQ(got.row.examples, 5);
  EXPECT_EQ(got.row.rejected, 6);
  EXPECT_EQ(got.row.bytes, 7);
  EXPECT_EQ(got.row.created, WallTime(std::chrono::microseconds(8)));
  EXPECT_EQ(got.row.sealed, WallTime(std::chrono::microseconds(9)));
  EXPECT_EQ(got.packs, 10);
  EXPECT_EQ(got.uploads, 11);
  EXPECT_FALSE(Must(FindDataset(*database_, Dataset("c"))));
  const auto all = Must(ListAllDatasets(*database_));
  ASSERT_EQ(all.size(), 2);
  EXPECT_EQ(all[0].row.name, Dataset("a"));
}

TEST_F(DatasetTableTest, WritesAllThatChanges) {
  Must(InsertDataset(*database_, Record(1, "a")));
  DatasetRecord record = Record(1, "a");
  record.row.state = DatasetState::kOpen;
  record.row.digest = "";
  record.row.examples = 50;
  record.row.rejected = 60;
  record.row.bytes = 70;
  record.row.sealed = std::nullopt;
  record.packs = 100;
  record.uploads = 110;
  Must(UpdateDataset(*database_, record));
  const DatasetRecord got = *Must(FindDataset(*database_, Dataset("a")));
  EXPECT_EQ(got.row.state, DatasetState::kOpen);
  EXPECT_EQ(got.row.digest, "");
  EXPECT_EQ(got.row.examples, 50);
  EXPECT_EQ(got.row.rejected, 60);
  EXPECT_EQ(got.row.bytes, 70);
  EXPECT_EQ(got.row.sealed, std::nullopt);
  EXPECT_EQ(got.packs, 100);
  EXPECT_EQ(got.uploads, 110);
}

TEST_F(DatasetTableTest, EveryChangedColumnIsNoticed) {
  for (const std::string change : {"dataset = 9",
                                   "name = 'x'",
                                   "name = 'NOT A NAME'",
                                   "state = 3",
                                   "labels = '3:cat,3:god,'",
                                   "labels = '3:cat,3:dog'",
                                   "labels = '3:cat,4:dog,'",
                                   "labels = '3:cat,99:dog,'",
                                   "labels = '3:cat,-1:dog,'",
                                   "labels = 'cat'",
                                   "digest = ''",
                                   "examples = 9",
                                   "rejected = 9",
                                   "bytes = 9",
                                   "packs = 9",
                                   "uploads = 9",
                                   "created_us = 7",
                                   "sealed_us = 7",
                                   "sealed_us = NULL",
                                   "seal = 'x'"}) {
    Sql("SAVEPOINT before");
    Must(InsertDataset(*database_, Record(1, "a")));
    Sql("UPDATE datasets SET " + change);
    EXPECT_TRUE(IsDamage(ListAllDatasets(*database_).status())) << change;
    Sql("ROLLBACK TO before");
  }
}

TEST_F(DatasetTableTest, AnEtagIsNeverThatOfAnEarlierState) {
  DatasetRow row{.name = Dataset("a")};
  EXPECT_EQ(EtagOf(row), "d1");
  row.examples = 1;
  EXPECT_EQ(EtagOf(row), "d2");
  row.rejected = 3;
  EXPECT_EQ(EtagOf(row), "d5");
  row.state = DatasetState::kSealed;
  EXPECT_EQ(EtagOf(row), "d6");
  row.state = DatasetState::kDeleted;
  EXPECT_EQ(EtagOf(row), "d7");
}

TEST_F(DatasetTableTest, CountsWhatIsNotDeleted) {
  DatasetRecord deleted = Record(3, "c");
  deleted.row.state = DatasetState::kDeleted;
  EXPECT_EQ(Must(CountDatasets(*database_)).datasets, 0);
  for (const DatasetRecord& record :
       {Record(1, "a"), Record(2, "b"), deleted}) {
    Must(InsertDataset(*database_, record));
  }
  EXPECT_EQ(Must(CountDatasets(*database_)).datasets, 2);
  EXPECT_EQ(Must(CountDatasets(*database_)).examples, 10);
}

class DatasetCheckTest : public DatasetTableTest {
 protected:
  DatasetCheckTest() {
    DatasetRecord record = Record(1, "a");
    record.row.examples = 2;
    record.row.rejected = 0;
    record.packs = 1;
    Must(InsertDataset(*database_, record));
    const Digest pack(64, 'a');
    Must(InsertPack(*database_,
                    {.dataset = 1, .number = 1, .digest = pack, .bytes = 99}));
    for (const std::int64_t number : {1, 2}) {
      ExampleRow row = ExampleOf(pack, 0, number);
      row.sequence = number;
      Must(InsertExample(*database_, 1, row, 1));
    }
  }
};

TEST_F(DatasetCheckTest, FindsNothingInSoundTables) {
  EXPECT_TRUE(CheckDatasetTables(*database_, 1).ok());
}

TEST_F(DatasetCheckTest, FindsWhatIsMissing) {
  for (const std::string damage :
       {"DELETE FROM datasets", "DELETE FROM packs",
        "DELETE FROM examples WHERE sequence = 2", "UPDATE packs SET bytes = 1",
        "INSERT INTO rejected_examples VALUES(1, 1, '', '', '', '', '')"}) {
    Sql("SAVEPOINT before");
    Sql(damage);
    EXPECT_TRUE(IsDamage(CheckDatasetTables(*database_, 1))) << damage;
    Sql("ROLLBACK TO before");
  }
  EXPECT_TRUE(IsDamage(CheckDatasetTables(*database_, 0)));
  EXPECT_TRUE(IsDamage(CheckDatasetTables(*database_, 2)));
}

TEST_F(DatasetCheckTest, ADeletedOneMayHaveAnyRows) {
  DatasetRecord record = *Must(FindDataset(*database_, Dataset("a")));
  record.row.state = DatasetState::kDeleted;
  Must(UpdateDataset(*database_, record));
  Sql("DELETE FROM examples WHERE sequence = 1");
  EXPECT_TRUE(CheckDatasetTables(*database_, 1).ok());
}

}  // namespace
}  // namespace resnetd
