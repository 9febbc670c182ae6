// What changes datasets: CreateDataset, AppendExamples, SealDataset and
// DeleteDataset, and what they refuse.
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

TEST_F(DatasetChangesTest, ABatchIsThereWholeAfterTheAnswer) {
  CreateAnimals(*store_);
  ExampleBatch batch = BatchOf(*store_, name_, "u", 0, 0, 3);
  batch.next_index = 4;
  batch.rejected = {{.sequence = 0,
                     .name = "cats/7.jpg",
                     .label = "cat",
                     .code = "TRUNCATED",
                     .message = "ends early"}};
  const DatasetRow row = Must(datasets().AppendExamples(batch));
  EXPECT_EQ(row.examples, 3);
  EXPECT_EQ(row.rejected, 1);
  EXPECT_EQ(row.bytes, 27);
  EXPECT_EQ(EtagOf(row), "d5");
  store_.Open();
  EXPECT_EQ(Must(datasets().UploadIndex(name_, "u")), 4);
  const auto examples = Must(datasets().ListExamples(name_, 0, 10));
  ASSERT_THAT(examples, SizeIs(3));
  for (std::size_t i = 0; i < examples.size(); ++i) {
    const ExampleRow& sent = batch.examples[i];
    const ExampleRow& got = examples[i];
    EXPECT_EQ(got.sequence, static_cast<std::int64_t>(i) + 1);
    EXPECT_EQ(got.image, sent.image);
    EXPECT_EQ(got.pack, sent.pack);
    EXPECT_EQ(got.offset, sent.offset);
    EXPECT_EQ(got.bytes, sent.bytes);
    EXPECT_EQ(got.label, sent.label);
    EXPECT_EQ(got.split, sent.split);
    EXPECT_EQ(got.width, sent.width);
    EXPECT_EQ(got.height, sent.height);
    EXPECT_EQ(got.is_grey, sent.is_grey);
    EXPECT_EQ(got.mean, sent.mean);
    EXPECT_TRUE(std::signbit(got.mean[2]));
    EXPECT_EQ(got.mean_square, sent.mean_square);
  }
  const auto rejected = Must(datasets().ListRejected(name_, 0, 10));
  ASSERT_THAT(rejected, SizeIs(1));
  EXPECT_EQ(rejected[0].sequence, 1);
  EXPECT_EQ(rejected[0].name, "cats/7.jpg");
  EXPECT_EQ(rejected[0].code, "TRUNCATED");
  EXPECT_THAT(Must(store_->Verify()), IsEmpty());
}

TEST_F(DatasetChangesTest, SequencesGoOnFromBatchToBatch) {
  CreateAnimals(*store_);
  Append(0, 0, 2);
  Append(2, 2, 0);
  Append(2, 10, 3);
  const auto examples = Must(datasets().ListExamples(name_, 0, 10));
  ASSERT_THAT(examples, SizeIs(5));
  EXPECT_EQ(examples[4].sequence, 5);
  EXPECT_EQ(
      Must(datasets().FindExample(name_, Sha256Hex(BytesOf(PictureOf(11)))))
          ->sequence,
      4);
  EXPECT_EQ(Must(datasets().FindExample(name_, std::string(64, '0'))),
            std::nullopt);
}

TEST_F(DatasetChangesTest, AnUploadAtAnotherIndexChangesNothing) {
  CreateAnimals(*store_);
  Append(0, 0, 2);
  for (const std::int64_t index : {0, 1, 3}) {
    const auto refused =
        datasets().AppendExamples(BatchOf(*store_, name_, "u", index, 20, 1));
    EXPECT_EQ(refused.status().code(), absl::StatusCode::kAborted);
    EXPECT_EQ(ReasonOf(refused.status()), "ETAG_MISMATCH");
    EXPECT_THAT(DetailsOf(refused.status()).metadata,
                Contains(Pair("next_index", "2")));
  }
  // Another upload has an index of its own.
  Must(datasets().AppendExamples(BatchOf(*store_, name_, "v", 0, 20, 1)));
  EXPECT_EQ(Must(datasets().UploadIndex(name_, "u")), 2);
  EXPECT_EQ(Must(datasets().UploadIndex(name_, "v")), 1);
  EXPECT_EQ(Must(datasets().UploadIndex(name_, "never")), 0);
}

TEST_F(DatasetChangesTest, ABatchWithAPictureThatIsThereAddsNothing) {
  CreateAnimals(*store_);
  Append(0, 0, 2);
  for (const std::int64_t first : {1, 2}) {
    ExampleBatch batch = BatchOf(*store_, name_, "u", 2, first, 2);
    if (first == 2) {
      batch.examples[1] = batch.examples[0];
    }
    const auto refused = datasets().AppendExamples(batch);
    EXPECT_EQ(refused.status().code(), absl::StatusCode::kAlreadyExists);
    EXPECT_THAT(DetailsOf(refused.status()).metadata,
                Contains(Pair("image", batch.examples[0].image)));
  }
  EXPECT_EQ(Must(datasets().GetDataset(name_)).examples, 2);
  EXPECT_EQ(Must(datasets().UploadIndex(name_, "u")), 2);
  EXPECT_THAT(Must(store_->Verify()), IsEmpty());
}

TEST_F(DatasetChangesTest, ABatchNeedsItsPacksAndItsDataset) {
  CreateAnimals(*store_);
  ExampleBatch batch = BatchOf(*store_, name_, "u", 0, 0, 2);
  const Digest pack = batch.examples[1].pack;
  batch.examples[1].pack = std::string(64, 'a');
  EXPECT_EQ(ReasonOf(datasets().AppendExamples(batch).status()),
            "BLOB_NOT_FOUND");
  batch.examples[1].pack = "nonsense";
  EXPECT_EQ(ReasonOf(datasets().AppendExamples(batch).status()),
            "BLOB_NOT_FOUND");
  batch.examples[1].pack = pack;
  batch.dataset = Dataset("plants");
  EXPECT_EQ(ReasonOf(datasets().AppendExamples(batch).status()),
            "DATASET_NOT_FOUND");
  EXPECT_EQ(Must(datasets().GetDataset(name_)).examples, 0);
}

TEST_F(DatasetChangesTest, AnExampleOutsideOfItsPackIsABug) {
  CreateAnimals(*store_);
  const ExampleBatch good = BatchOf(*store_, name_, "u", 0, 0, 2);
  std::vector<ExampleBatch> bad(7, good);
  ++bad[0].examples[1].bytes;
  ++bad[1].examples[1].offset;
  bad[2].examples[0].offset = -1;
  bad[3].examples[0].bytes = 0;
  bad[4].examples[0].label = 2;
  bad[5].examples[0].label = -1;
  bad[6].examples[0].image = "nonsense";
  for (const ExampleBatch& batch : bad) {
    EXPECT_EQ(datasets().AppendExamples(batch).status().code(),
              absl::StatusCode::kInternal);
  }
  ExampleBatch backwards = good;
  backwards.next_index = -1;
  EXPECT_EQ(datasets().AppendExamples(backwards).status().code(),
            absl::StatusCode::kInternal);
  Must(datasets().AppendExamples(good));
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
