#include "server/finetune/dataset_intake.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/unit/finetune/dataset_fixture.h"
#include "tests/unit/store/store_fixture.h"

namespace resnetd {
namespace {

using ::testing::SizeIs;

class DatasetIntakeTest : public ::testing::Test {
 protected:
  const std::string a_ = PngOf(1);
  const std::string b_ = PngOf(2);
  FakeClock clock_;
  const std::unique_ptr<Store> store_ = Must(Store::Open({}, clock_));
  DecodePool pool_{2};
  const DatasetRow dataset_ = Must(store_->datasets().CreateDataset(
      Must(DatasetName::Parse("pets")), {"cat", "dog"}, {}));
};

TEST_F(DatasetIntakeTest, ThePackHoldsThePicturesThatWereTakenInTheirOrder) {
  const std::vector<UploadedExample> examples = {
      ExampleOf(a_, "cat"), ExampleOf("bad", "cat"), ExampleOf(a_, "cat"),
      ExampleOf(b_, "dog")};
  DatasetIntake intake(dataset_, 7, examples);
  Must(intake.Check({}, pool_));
  Must(intake.Decide(store_->datasets()));
  Must(intake.WritePack(*store_));
  const ExampleBatch batch = intake.Batch();
  ASSERT_THAT(batch.examples, SizeIs(2));
  EXPECT_EQ(batch.examples[0].offset, 0);
  EXPECT_EQ(batch.examples[1].offset, static_cast<std::int64_t>(a_.size()));
  EXPECT_EQ(batch.examples[0].pack, DigestOfText(a_ + b_));
  EXPECT_EQ(batch.examples[1].pack, DigestOfText(a_ + b_));
  EXPECT_EQ(AsText(Must(store_->ReadBlob(DigestOfText(a_ + b_), 1 << 20))),
            a_ + b_);
  EXPECT_EQ(intake.accepted(), 2);
  EXPECT_EQ(intake.Progress().duplicates, 1);
  EXPECT_EQ(intake.Progress().rejected[0].index, 8);
}

TEST_F(DatasetIntakeTest, NothingTakenWritesNothing) {
  const std::vector<UploadedExample> examples = {ExampleOf("bad", "cat")};
  DatasetIntake intake(dataset_, 0, examples);
  Must(intake.Check({}, pool_));
  Must(intake.Decide(store_->datasets()));
  Must(intake.WritePack(*store_));
  EXPECT_EQ(Must(store_->Stats()).blobs, 0);
  EXPECT_THAT(intake.Batch().rejected, SizeIs(1));
}

TEST_F(DatasetIntakeTest, DecidesAnewWhenADatasetHasGrown) {
  const std::vector<UploadedExample> examples = {ExampleOf(a_, "cat"),
                                                 ExampleOf(b_, "dog")};
  DatasetIntake slow(dataset_, 0, examples);
  Must(slow.Check({}, pool_));
  Must(slow.Decide(store_->datasets()));
  Must(slow.WritePack(*store_));
  EXPECT_EQ(slow.accepted(), 2);
  const std::vector<UploadedExample> others = {ExampleOf(a_, "dog")};
  DatasetIntake fast(dataset_, 0, others);
  Must(fast.Check({}, pool_));
  Must(fast.Decide(store_->datasets()));
  Must(fast.WritePack(*store_));
  ExampleBatch batch = fast.Batch();
  batch.upload = "fast";
  batch.next_index = 1;
  Must(store_->datasets().AppendExamples(batch));
  Must(slow.Decide(store_->datasets()));
  EXPECT_EQ(slow.accepted(), 1);
  EXPECT_EQ(slow.Progress().rejected[0].code, "DUPLICATE_CONFLICTING_LABEL");
  EXPECT_EQ(slow.Batch().examples[0].offset,
            static_cast<std::int64_t>(a_.size()));
}

}  // namespace
}  // namespace resnetd
