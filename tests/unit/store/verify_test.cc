#include "server/store/verify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "server/store/database.h"
#include "tests/unit/store/dataset_fixture.h"
#include "tests/unit/store/store_fixture.h"

namespace resnetd {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> Kinds(const std::vector<Finding>& findings) {
  std::vector<std::string> kinds;
  for (const Finding& finding : findings) {
    kinds.push_back(finding.what);
  }
  return kinds;
}

class VerifyTest : public ::testing::Test {
 protected:
  VerifyTest() {
    row_ = PublishNumber(*store_, "a", 1).version;
    PublishNumber(*store_, "a", 2);
  }
  std::vector<std::string> Verify() { return Kinds(Must(store_->Verify())); }
  // Beside the store, as a damaged disk would.
  void Sql(const std::string& sql) {
    const auto database =
        Must(Database::Open({.path = store_.database(), .durable = false},
                            Database::Access::kReadWrite));
    Must(database->Execute("PRAGMA foreign_keys = OFF"));
    Must(database->Execute(sql));
  }

  OpenedStore store_;
  VersionRow row_{.model = Model("a")};
};

TEST_F(VerifyTest, FindsNothingInASoundStore) {
  EXPECT_THAT(Verify(), IsEmpty());
}

TEST_F(VerifyTest, FindsADamagedBlobAndWhoNeedsIt) {
  const std::string file = store_.BlobFile(row_.weights);
  std::filesystem::permissions(file, std::filesystem::perms::owner_all);
  std::ofstream(file) << "weights of a 2";
  EXPECT_THAT(Verify(), ElementsAre("blob", "blob"));
  EXPECT_EQ(Must(store_->Stats()).integrity_failures, 1);
  EXPECT_THAT(Verify(), ElementsAre("blob"));  // Put aside: missing.
}

TEST_F(VerifyTest, FindsAMissingBlobOfEachKind) {
  for (const Digest& digest :
       {row_.weights, row_.manifest, row_.golden, row_.labels}) {
    std::filesystem::remove(store_.BlobFile(digest));
  }
  store_.Open();
  // The labels are missing for both versions.
  EXPECT_EQ(Verify().size(), 5);
}

TEST_F(VerifyTest, FindsStrangeFiles) {
  store_.folder().Write("blobs/sha256/stray", "x");
  store_.folder().MakeFolder("blobs/sha256/zz");
  store_.folder().Write("blobs/sha256/zz/" + row_.weights, "x");
  EXPECT_THAT(Verify(), ElementsAre("file", "file"));
}

TEST_F(VerifyTest, FindsChangedRowsOfEveryTable) {
  for (const std::string change :
       {"UPDATE versions SET source = 'x'", "UPDATE aliases SET generation = 9",
        "UPDATE models SET next_version = 9", "DELETE FROM aliases",
        "UPDATE events SET kind = 9 WHERE sequence = 1",
        "DELETE FROM events WHERE sequence = 1",
        "UPDATE audit SET actor = 'x' WHERE sequence = 1", "DELETE FROM audit",
        "DELETE FROM head", "UPDATE aliases SET version = 7"}) {
    OpenedStore store;
    PublishNumber(*store, "a", 1);
    {
      const auto database =
          Must(Database::Open({.path = store.database(), .durable = false},
                              Database::Access::kReadWrite));
      Must(database->Execute("PRAGMA foreign_keys = OFF"));
      Must(database->Execute(change));
    }
    EXPECT_THAT(Kinds(Must(store->Verify())), ::testing::Not(IsEmpty()))
        << change;
  }
}

TEST_F(VerifyTest, NamesWhatIsDamaged) {
  Sql("UPDATE audit SET actor = 'x' WHERE sequence = 1");
  EXPECT_THAT(Verify(), ElementsAre("audit"));
  Sql("DELETE FROM events WHERE sequence = 1");
  EXPECT_THAT(Verify(), Contains("events"));
}

TEST_F(VerifyTest, FindsPacksAndCheckpointsThatAreMissingOrOfAnotherSize) {
  CreateAnimals(*store_);
  const ExampleBatch batch = BatchOf(*store_, Dataset("animals"), "u", 0, 0, 3);
  Must(store_->datasets().AppendExamples(batch));
  CreateJobOver(*store_, "animals");
  const Digest weights = PutBlob(*store_, "weights of a checkpoint");
  Must(store_->jobs().ChangeJob(
      {.job = {1}, .checkpoint = CheckpointRow{.step = 5, .blobs = {weights}}},
      std::nullopt));
  EXPECT_THAT(Verify(), IsEmpty());
  store_.Close();
  std::filesystem::remove(store_.BlobFile(weights));
  std::filesystem::remove(store_.BlobFile(batch.examples[0].pack));
  store_.Open();
  std::vector<std::string> texts;
  for (const Finding& finding : Must(store_->Verify())) {
    texts.push_back(finding.text);
  }
  EXPECT_THAT(texts,
              ElementsAre(testing::StartsWith("dataset \"animals\" needs"),
                          testing::StartsWith("checkpoint 5 of job 1 needs")));
  EndJob(*store_, {1});
  Must(store_->jobs().DeleteJob({1}, "", {}));
  EXPECT_THAT(Verify(), ElementsAre("blob"));
  Must(store_->datasets().DeleteDataset(Dataset("animals"), "", {}));
  EXPECT_THAT(Verify(), IsEmpty());
}

}  // namespace
}  // namespace resnetd
