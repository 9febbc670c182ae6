// What changes datasets: CreateDataset, SealDataset and DeleteDataset, and what
// they refuse.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/store/catalog.h"
#include "server/store/durable_datasets.h"
#include "tests/unit/store/dataset_fixture.h"

namespace resnetd {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

std::string ReasonOf(const absl::Status& status) {
  return DetailsOf(status).reason;
}

class DatasetChangesTest : public ::testing::Test {
 protected:
  DatasetCatalog& datasets() { return store_->datasets(); }
  DatasetRow Append(std::int64_t index, std::int64_t first,
                    std::int64_t count) {
    return Must(datasets().AppendExamples(
        BatchOf(*store_, name_, "u", index, first, count)));
  }
  absl::StatusOr<DatasetRow> Seal(absl::string_view etag = "",
                                  absl::string_view request_id = "") {
    return datasets().SealDataset(
        name_, etag,
        {.method = "SealDataset", .request_id = std::string(request_id)});
  }
  absl::StatusOr<DatasetRow> Delete(absl::string_view etag = "",
                                    absl::string_view request_id = "") {
    return datasets().DeleteDataset(
        name_, etag,
        {.method = "DeleteDataset", .request_id = std::string(request_id)});
  }
  std::vector<std::string> Audited() {
    std::vector<std::string> lines;
    for (const AuditRow& row : Must(store_->ListAudit(0, 100))) {
      lines.push_back(
          absl::StrCat(row.method, " ", row.resource, ": ", row.outcome));
    }
    return lines;
  }

  OpenedStore store_;
  const DatasetName name_ = Dataset("animals");
};

TEST_F(DatasetChangesTest, ANewDatasetIsOpenAndEmpty) {
  const DatasetRow row = CreateAnimals(*store_);
  EXPECT_EQ(row.name, name_);
  EXPECT_EQ(row.state, DatasetState::kOpen);
  EXPECT_EQ(row.labels, (std::vector<std::string>{"cat", "dog"}));
  EXPECT_EQ(row.digest, "");
  EXPECT_EQ(row.examples + row.rejected + row.bytes, 0);
  EXPECT_EQ(EtagOf(row), "d1");
  EXPECT_FALSE(row.sealed);
  EXPECT_EQ(row.created, store_.clock().WallNow());
  EXPECT_THAT(Audited(), testing::ElementsAre(
                             "CreateDataset datasets/animals: created with 2 "
                             "labels"));
}

TEST_F(DatasetChangesTest, LabelsComeBackWhateverIsInThem) {
  const std::vector<std::string> labels = {
      "3:a,", "", "two\nlines", std::string("nul\0in it", 9), "ä", ","};
  Must(datasets().CreateDataset(name_, labels, {}));
  store_.Open();
  EXPECT_EQ(Must(datasets().GetDataset(name_)).labels, labels);
}

TEST_F(DatasetChangesTest, ANameIsTakenOnceAndForEver) {
  CreateAnimals(*store_);
  const auto again = datasets().CreateDataset(name_, {"a"}, {});
  EXPECT_EQ(again.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(ReasonOf(again.status()), "DATASET_EXISTS");
  Must(Delete());
  const auto after = datasets().CreateDataset(name_, {"a"}, {});
  EXPECT_EQ(ReasonOf(after.status()), "DATASET_EXISTS");
  EXPECT_THAT(std::string(after.status().message()), HasSubstr("was deleted"));
}

TEST_F(DatasetChangesTest, ARepetitionIsAnsweredWithTheDatasetAsItIsNow) {
  CreateAnimals(*store_, "animals", "r");
  Append(0, 0, 3);
  EXPECT_EQ(CreateAnimals(*store_, "animals", "r").examples, 3);
  EXPECT_THAT(Audited(), SizeIs(1));
  Must(Delete("", "r2"));
  EXPECT_EQ(Must(Delete("", "r2")).state, DatasetState::kDeleted);
  EXPECT_EQ(CreateAnimals(*store_, "animals", "r").state,
            DatasetState::kDeleted);
  const auto other = datasets().CreateDataset(
      name_, {"x"},
      {.method = "CreateDataset", .request_id = "r", .request_hash = "other"});
  EXPECT_EQ(ReasonOf(other.status()), "REQUEST_ID_CONFLICT");
}

TEST_F(DatasetChangesTest, ASealedDatasetHasADigestAndTakesNoMore) {
  CreateAnimals(*store_);
  Append(0, 0, 5);
  store_.clock().Advance(std::chrono::seconds(5));
  const DatasetRow row = Must(Seal("d6"));
  EXPECT_EQ(row.state, DatasetState::kSealed);
  EXPECT_EQ(row.sealed, store_.clock().WallNow());
  EXPECT_EQ(EtagOf(row), "d7");
  EXPECT_EQ(
      row.digest,
      SealedDigest(row.labels, Must(datasets().ListExamples(name_, 0, 10))));
  const auto refused =
      datasets().AppendExamples(BatchOf(*store_, name_, "u", 5, 5, 1));
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(refused.status()), "DATASET_SEALED");
  EXPECT_EQ(Must(datasets().UploadIndex(name_, "u")), 5);
}

TEST_F(DatasetChangesTest, TheOrderOfUploadsDoesNotShowInTheDigest) {
  for (const std::string name : {"a", "b"}) {
    CreateAnimals(*store_, name);
    for (const std::int64_t i : {0, 1, 2}) {
      const std::int64_t picture = name == "a" ? i : 2 - i;
      Must(datasets().AppendExamples(
          BatchOf(*store_, Dataset(name), "u", i, picture, 1)));
    }
    Must(datasets().SealDataset(Dataset(name), "", {}));
  }
  EXPECT_EQ(Must(datasets().GetDataset(Dataset("a"))).digest,
            Must(datasets().GetDataset(Dataset("b"))).digest);
}

TEST_F(DatasetChangesTest, SealingASealedOneChangesNothing) {
  CreateAnimals(*store_);
  Append(0, 0, 1);
  const DatasetRow sealed = Must(Seal("", "r"));
  store_.clock().Advance(std::chrono::seconds(5));
  EXPECT_EQ(Must(Seal("", "r")).sealed, sealed.sealed);
  EXPECT_EQ(Must(Seal("", "s")).sealed, sealed.sealed);
  EXPECT_EQ(Must(Seal(EtagOf(sealed))).digest, sealed.digest);
  EXPECT_THAT(Audited(), SizeIs(2));
}

TEST_F(DatasetChangesTest, StaleEtagsAreAborted) {
  CreateAnimals(*store_);
  Append(0, 0, 1);
  for (const bool is_seal : {true, false}) {
    const auto refused = is_seal ? Seal("d1") : Delete("d1");
    EXPECT_EQ(refused.status().code(), absl::StatusCode::kAborted);
    EXPECT_EQ(ReasonOf(refused.status()), "ETAG_MISMATCH");
    EXPECT_THAT(DetailsOf(refused.status()).metadata,
                Contains(Pair("etag", "d2")));
  }
  Must(Seal("d2"));
  EXPECT_EQ(ReasonOf(Seal("d2").status()), "ETAG_MISMATCH");
  Must(Delete("d3"));
}

TEST_F(DatasetChangesTest, ADeletedDatasetIsGoneWithItsRows) {
  CreateAnimals(*store_);
  Append(0, 0, 3);
  const DatasetRow row = Must(Delete("", "r"));
  EXPECT_EQ(row.state, DatasetState::kDeleted);
  EXPECT_EQ(row.examples, 3);
  EXPECT_THAT(Must(datasets().ListDatasets()), IsEmpty());
  for (const absl::Status& status :
       {datasets().GetDataset(name_).status(),
        datasets().ListExamples(name_, 0, 1).status(),
        datasets().ListRejected(name_, 0, 1).status(),
        datasets().UploadIndex(name_, "u").status(),
        datasets().FindExample(name_, std::string(64, 'a')).status(),
        Seal().status(), Delete().status(),
        datasets()
            .AppendExamples(BatchOf(*store_, name_, "u", 3, 3, 1))
            .status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(ReasonOf(status), "DATASET_NOT_FOUND");
  }
  const auto database = Must(
      Database::Open({.path = store_.database()}, Database::Access::kReadOnly));
  for (const std::string table :
       {"examples", "rejected_examples", "packs", "uploads"}) {
    EXPECT_EQ(Must(database->ReadInt("SELECT count(*) FROM " + table)), 0);
  }
  EXPECT_THAT(Must(store_->Verify()), IsEmpty());
}

TEST_F(DatasetChangesTest, ADatasetWithAJobThatIsNotDoneStays) {
  CreateAnimals(*store_);
  CreateAnimals(*store_, "others");
  CreateJobOver(*store_, "others");
  const JobRow first = CreateJobOver(*store_, "animals");
  const JobRow second = CreateJobOver(*store_, "animals");
  const auto refused = Delete();
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(refused.status()), "DATASET_IN_USE");
  EXPECT_THAT(DetailsOf(refused.status()).metadata,
              Contains(Pair("jobs", "2,3")));
  EndJob(*store_, first.number);
  EXPECT_EQ(ReasonOf(Delete().status()), "DATASET_IN_USE");
  EndJob(*store_, second.number);
  Must(Delete());
}

TEST_F(DatasetChangesTest, AFailedStoreTakesNoChange) {
  CreateAnimals(*store_);
  // Prepared before the disk fails.
  const ExampleBatch batch = BatchOf(*store_, name_, "u", 0, 0, 1);
  const DatabaseOptions options{.path = store_.database(), .durable = false};
  store_.Close();
  const auto catalog = Must(Catalog::Open(options, store_.clock()));
  const auto blobs = Must(
      BlobStore::Open(Must(OpenRealFileSystem(store_.folder().path(), false)),
                      {}, store_.clock()));
  DurableDatasets failed(catalog->connections(), *blobs);
  catalog->connections().SetFailed();
  for (const absl::Status& status :
       {failed.CreateDataset(Dataset("b"), {"a"}, {}).status(),
        failed.AppendExamples(batch).status(),
        failed.SealDataset(name_, "", {}).status(),
        failed.DeleteDataset(name_, "", {}).status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(ReasonOf(status), "STORE_FAILED");
  }
  EXPECT_EQ(Must(failed.GetDataset(name_)).name, name_);
}

}  // namespace
}  // namespace resnetd
