// What is read of datasets; what changes them is in dataset_changes_test.cc.
#include "server/store/durable_datasets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "server/base/error.h"
#include "tests/unit/store/dataset_fixture.h"
#include "tests/unit/store/table_fixture.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class DurableDatasetsTest : public ::testing::Test {
 protected:
  DurableDatasetsTest() { CreateAnimals(*store_); }
  DatasetCatalog& datasets() { return store_->datasets(); }
  void Fill() {
    ExampleBatch batch = BatchOf(*store_, name_, "u", 0, 0, 5);
    batch.rejected = {{.code = "A"}, {.code = "B"}, {.code = "C"}};
    Must(datasets().AppendExamples(batch));
  }
  std::vector<std::int64_t> Examples(std::int64_t after, std::size_t limit) {
    std::vector<std::int64_t> sequences;
    for (const auto& row : Must(datasets().ListExamples(name_, after, limit))) {
      sequences.push_back(row.sequence);
    }
    return sequences;
  }
  std::vector<std::int64_t> Rejected(std::int64_t after, std::size_t limit) {
    std::vector<std::int64_t> sequences;
    for (const auto& row : Must(datasets().ListRejected(name_, after, limit))) {
      sequences.push_back(row.sequence);
    }
    return sequences;
  }
  void Sql(absl::string_view sql) {
    const auto database =
        Must(Database::Open({.path = store_.database(), .durable = false},
                            Database::Access::kReadWrite));
    Must(database->Execute(sql));
  }

  OpenedStore store_;
  const DatasetName name_ = Dataset("animals");
};

TEST_F(DurableDatasetsTest, ListsTheOnesThatAreNotDeletedByName) {
  for (const std::string name : {"c", "a", "b"}) {
    CreateAnimals(*store_, name);
  }
  Must(datasets().DeleteDataset(Dataset("b"), "", {}));
  std::vector<std::string> names;
  for (const DatasetRow& row : Must(datasets().ListDatasets())) {
    names.push_back(row.name.text());
  }
  EXPECT_THAT(names, ElementsAre("a", "animals", "c"));
}

TEST_F(DurableDatasetsTest, ListsAtMostTheLimitAfterASequence) {
  EXPECT_THAT(Examples(0, 10), IsEmpty());
  Fill();
  EXPECT_THAT(Examples(0, 4), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(Examples(0, 5), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(Examples(0, 6), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(Examples(0, 0), IsEmpty());
  EXPECT_THAT(Examples(-7, 1), ElementsAre(1));
  EXPECT_THAT(Examples(4, 9), ElementsAre(5));
  EXPECT_THAT(Examples(5, 9), IsEmpty());
  EXPECT_THAT(Examples(6, 9), IsEmpty());
  EXPECT_THAT(Examples(0, std::numeric_limits<std::size_t>::max()),
              ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(Rejected(0, 2), ElementsAre(1, 2));
  EXPECT_THAT(Rejected(1, 9), ElementsAre(2, 3));
  EXPECT_THAT(Rejected(3, 9), IsEmpty());
}

TEST_F(DurableDatasetsTest, WhatIsNotThereIsNotFound) {
  const DatasetName other = Dataset("plants");
  for (const absl::Status& status :
       {datasets().GetDataset(other).status(),
        datasets().ListExamples(other, 0, 1).status(),
        datasets().ListRejected(other, 0, 1).status(),
        datasets().UploadIndex(other, "u").status(),
        datasets().FindExample(other, std::string(64, 'a')).status(),
        datasets().SealDataset(other, "", {}).status(),
        datasets().DeleteDataset(other, "", {}).status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(DetailsOf(status).reason, "DATASET_NOT_FOUND");
    EXPECT_EQ(DetailsOf(status).resource->second, "datasets/plants");
  }
}

TEST_F(DurableDatasetsTest, MissingRowsAreNoAnswer) {
  Fill();
  Sql("DELETE FROM examples WHERE sequence = 5");
  Sql("DELETE FROM rejected_examples WHERE sequence = 3");
  EXPECT_THAT(Examples(0, 4), ElementsAre(1, 2, 3, 4));
  EXPECT_TRUE(IsDamage(datasets().ListExamples(name_, 0, 5).status()));
  EXPECT_TRUE(IsDamage(datasets().ListRejected(name_, 0, 5).status()));
  EXPECT_TRUE(IsDamage(datasets().SealDataset(name_, "", {}).status()));
  EXPECT_TRUE(IsDamage(store_.TryOpen()));
}

TEST_F(DurableDatasetsTest, ADamagedRowIsNoAnswer) {
  Fill();
  Sql("UPDATE examples SET label = 1 - label WHERE sequence = 2");
  EXPECT_THAT(Examples(2, 9), ElementsAre(3, 4, 5));
  EXPECT_TRUE(IsDamage(datasets().ListExamples(name_, 0, 9).status()));
  EXPECT_TRUE(IsDamage(datasets()
                           .FindExample(name_, Sha256Hex(BytesOf(PictureOf(1))))
                           .status()));
  EXPECT_TRUE(IsDamage(datasets().SealDataset(name_, "", {}).status()));
}

TEST_F(DurableDatasetsTest, StatsCountWhatIsThere) {
  Fill();
  CreateAnimals(*store_, "others");
  CreateJobOver(*store_, "others");
  StoreStats stats = Must(store_->Stats());
  EXPECT_EQ(stats.datasets, 2);
  EXPECT_EQ(stats.examples, 5);
  EXPECT_EQ(stats.jobs, 1);
  Must(datasets().DeleteDataset(name_, "", {}));
  stats = Must(store_->Stats());
  EXPECT_EQ(stats.datasets, 1);
  EXPECT_EQ(stats.examples, 0);
}

TEST_F(DurableDatasetsTest, ALargeDatasetIsRemovedInPieces) {
  // One row more than DeleteDataset() removes by itself.
  Fill();
  Sql("PRAGMA foreign_keys = OFF");
  Sql("WITH RECURSIVE n(i) AS (SELECT 6 UNION ALL SELECT i + 1 FROM n WHERE i "
      "< 50001) INSERT INTO examples SELECT 1, i, 'image ' || i, 1, 0, 1, 0, "
      "0, 1, 1, 0, 0, 0, 0, 0, 0, 0, '' FROM n");
  Must(datasets().DeleteDataset(name_, "", {}));
  const auto database = Must(
      Database::Open({.path = store_.database()}, Database::Access::kReadOnly));
  EXPECT_EQ(Must(database->ReadInt("SELECT count(*) FROM examples")), 1);
  EXPECT_THAT(Must(datasets().ListDatasets()), IsEmpty());
  EXPECT_THAT(Must(store_->Verify()), IsEmpty());
  Must(store_->Collect());
  EXPECT_EQ(Must(database->ReadInt("SELECT count(*) FROM examples")), 0);
  EXPECT_EQ(Must(database->ReadInt("SELECT count(*) FROM packs")), 0);
  EXPECT_THAT(Must(store_->Verify()), IsEmpty());
}

}  // namespace
}  // namespace resnetd
