// AppendExamples, and what it refuses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "server/base/error.h"
#include "tests/unit/store/dataset_fixture.h"

namespace resnetd {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

std::string ReasonOf(const absl::Status& status) {
  return DetailsOf(status).reason;
}

class DatasetAppendTest : public ::testing::Test {
 protected:
  DatasetCatalog& datasets() { return store_->datasets(); }
  DatasetRow Append(std::int64_t index, std::int64_t first,
                    std::int64_t count) {
    return Must(datasets().AppendExamples(
        BatchOf(*store_, name_, "u", index, first, count)));
  }

  OpenedStore store_;
  const DatasetName name_ = Dataset("animals");
};

TEST_F(DatasetAppendTest, ABatchIsThereWholeAfterTheAnswer) {
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

TEST_F(DatasetAppendTest, SequencesGoOnFromBatchToBatch) {
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

TEST_F(DatasetAppendTest, AnUploadAtAnotherIndexChangesNothing) {
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

TEST_F(DatasetAppendTest, ABatchWithAPictureThatIsThereAddsNothing) {
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

TEST_F(DatasetAppendTest, ABatchNeedsItsPacksAndItsDataset) {
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

TEST_F(DatasetAppendTest, AnExampleOutsideOfItsPackIsABug) {
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

}  // namespace
}  // namespace resnetd
