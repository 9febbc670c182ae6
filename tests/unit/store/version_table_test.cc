#include "server/store/version_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "tests/unit/store/table_fixture.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using VersionTableTest = TableTest;

std::string AllOf(const VersionRow& row) {
  return absl::StrCat(row.model.text(), "|", row.version.value, "|",
                      static_cast<int>(row.state), "|", row.weights, "|",
                      row.weights_bytes, "|", row.manifest, "|", row.labels,
                      "|", row.golden, "|", row.content_key, "|", row.source,
                      "|", row.source_format, "|",
                      row.parent ? row.parent->value : 0, "|",
                      row.created.time_since_epoch().count());
}

TEST_F(VersionTableTest, GivesBackWhatWasWritten) {
  const VersionRow first = Add("resnet");
  VersionRow second = Row("resnet", 2);
  second.parent = VersionNumber{1};
  ASSERT_EQ(Must(TakeVersionNumber(*database_, second.model)).value, 2);
  Must(InsertVersion(*database_, second));
  for (const VersionRow& row : {first, second}) {
    const auto found = Must(FindVersion(*database_, row.model, row.version));
    ASSERT_TRUE(found);
    EXPECT_EQ(AllOf(*found), AllOf(row));
  }
  EXPECT_FALSE(
      Must(FindVersion(*database_, Model("resnet"), VersionNumber{3})));
  EXPECT_FALSE(Must(FindVersion(*database_, Model("other"), VersionNumber{1})));
}

TEST_F(VersionTableTest, NumbersGrowPerModel) {
  EXPECT_FALSE(Must(HasModel(*database_, Model("a"))));
  EXPECT_EQ(Add("a").version.value, 1);
  EXPECT_EQ(Add("a").version.value, 2);
  EXPECT_EQ(Add("b").version.value, 1);
  EXPECT_EQ(Add("a").version.value, 3);
  EXPECT_TRUE(Must(HasModel(*database_, Model("a"))));
  EXPECT_EQ(Must(CheckVersionTables(*database_)), 2);
}

TEST_F(VersionTableTest, ListsAndCountsWhatIsCommitted) {
  Add("b");
  Add("a");
  Add("a");
  VersionRow retired = Add("a");
  retired.state = VersionState::kRetired;
  Must(UpdateVersionState(*database_, retired));
  VersionRow only = Add("c");
  only.state = VersionState::kRetired;
  Must(UpdateVersionState(*database_, only));

  EXPECT_THAT(Must(ListModelRows(*database_)),
              ElementsAre(Model("a"), Model("b")));
  const auto rows = Must(ListCommitted(*database_, Model("a")));
  ASSERT_EQ(rows.size(), 2);
  EXPECT_EQ(rows[0].version.value, 2);
  EXPECT_EQ(rows[1].version.value, 1);
  EXPECT_EQ(Must(CountCommitted(*database_, Model("a"))), 2);
  EXPECT_EQ(Must(CountCommitted(*database_, Model("c"))), 0);
  EXPECT_EQ(Must(ListAllVersions(*database_)).size(), 5);
  EXPECT_EQ(
      Must(FindVersion(*database_, retired.model, retired.version))->state,
      VersionState::kRetired);
}

TEST_F(VersionTableTest, ContentIsFoundAmongCommittedVersionsOfTheModel) {
  VersionRow row = Add("a");
  const auto find = [&](const std::string& model, const std::string& key) {
    return Must(FindCommittedByContent(*database_, Model(model), key));
  };
  EXPECT_EQ(find("a", "key1")->version.value, 1);
  EXPECT_FALSE(find("a", "key2"));
  EXPECT_FALSE(find("b", "key1"));
  row.state = VersionState::kRetired;
  Must(UpdateVersionState(*database_, row));
  EXPECT_FALSE(find("a", "key1"));
}

TEST_F(VersionTableTest, TwoCommittedVersionsNeverHaveOneContent) {
  Add("a");
  VersionRow same = Row("a", 2);
  same.content_key = "key1";
  EXPECT_FALSE(InsertVersion(*database_, same).ok());
}

TEST_F(VersionTableTest, NamesItsBlobs) {
  EXPECT_THAT(BlobsOf(Row("a", 1)),
              ElementsAre(std::string(64, 'a'), std::string(64, 'b'),
                          std::string(64, 'c')));
}

TEST_F(VersionTableTest, EveryChangedColumnIsNoticed) {
  for (const std::string change :
       {"version = 7", "state = 3", "weights = 'x'", "weights_bytes = 11",
        "manifest = 'x'", "labels = 'x'", "golden = 'x'", "content_key = 'x'",
        "source = 'x'", "source_format = 'x'", "parent = 1", "created_us = 1",
        "seal = 'x'"}) {
    Sql("SAVEPOINT before");
    Add("a");
    Sql("UPDATE versions SET " + change);
    EXPECT_TRUE(IsDamage(ListAllVersions(*database_).status())) << change;
    EXPECT_TRUE(IsDamage(CheckVersionTables(*database_).status())) << change;
    Sql("ROLLBACK TO before");
  }
}

TEST_F(VersionTableTest, MissingRowsAreNoticed) {
  for (const std::string change :
       {"DELETE FROM versions WHERE version = 1",
        "DELETE FROM versions WHERE version = 3", "DELETE FROM models",
        "UPDATE models SET next_version = 5",
        "UPDATE models SET model = 'b'"}) {
    Sql("PRAGMA foreign_keys = OFF");
    Sql("SAVEPOINT before");
    Add("a");
    Add("a");
    Add("a");
    EXPECT_TRUE(CheckVersionTables(*database_).ok());
    Sql(change);
    EXPECT_TRUE(IsDamage(CheckVersionTables(*database_).status())) << change;
    Sql("ROLLBACK TO before");
  }
}

}  // namespace
}  // namespace resnetd
