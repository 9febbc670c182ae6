#include "server/rpc/convert_dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace resnetd {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

DatasetRow Pets() {
  return {.name = DatasetName::Parse("pets").value(),
          .labels = {"cat", "dog"},
          .examples = 7,
          .rejected = 2,
          .bytes = 900,
          .created = WallTime(std::chrono::seconds(1'000'000'000))};
}

TEST(ConvertDatasetTest, AnOpenDatasetHasNoDigestAndNoTimeOfSealing) {
  const v1::Dataset message = ToProto(Pets(), DatasetLabels::kInclude);
  EXPECT_EQ(message.name(), "datasets/pets");
  EXPECT_EQ(message.state(), v1::DATASET_STATE_OPEN);
  EXPECT_THAT(message.labels(), ElementsAre("cat", "dog"));
  EXPECT_EQ(message.num_classes(), 2);
  EXPECT_EQ(message.digest(), "");
  EXPECT_EQ(message.example_count(), 7);
  EXPECT_EQ(message.rejected_count(), 2);
  EXPECT_EQ(message.size_bytes(), 900);
  EXPECT_EQ(message.create_time().seconds(), 1'000'000'000);
  EXPECT_FALSE(message.has_seal_time());
  EXPECT_EQ(message.etag(), EtagOf(Pets()));
}

TEST(ConvertDatasetTest, ASealedDatasetHasBoth) {
  DatasetRow row = Pets();
  row.state = DatasetState::kSealed;
  row.digest = std::string(64, 'd');
  row.sealed = WallTime(std::chrono::seconds(1'000'000'007));
  const v1::Dataset message = ToProto(row, DatasetLabels::kLeaveOut);
  EXPECT_EQ(message.state(), v1::DATASET_STATE_SEALED);
  EXPECT_EQ(message.digest(), row.digest);
  EXPECT_EQ(message.seal_time().seconds(), 1'000'000'007);
  EXPECT_THAT(message.labels(), IsEmpty());
  EXPECT_EQ(message.num_classes(), 2);
}

TEST(ConvertDatasetTest, AnExampleIsNamedByItsLabel) {
  const v1::Example message = ToProto(ExampleRow{.sequence = 3,
                                                 .image = "abc",
                                                 .bytes = 99,
                                                 .label = 1,
                                                 .split = ExampleSplit::kTest,
                                                 .width = 5,
                                                 .height = 6,
                                                 .is_grey = true},
                                      {"cat", "dog"});
  EXPECT_EQ(message.sequence(), 3);
  EXPECT_EQ(message.image_sha256(), "abc");
  EXPECT_EQ(message.label(), "dog");
  EXPECT_EQ(message.split(), v1::EXAMPLE_SPLIT_TEST);
  EXPECT_EQ(message.width(), 5);
  EXPECT_EQ(message.height(), 6);
  EXPECT_TRUE(message.is_grey());
  EXPECT_EQ(message.size_bytes(), 99);
}

TEST(ConvertDatasetTest, ARejectedExampleKeepsItsTexts) {
  const v1::RejectedExample message = ToProto(RejectedRow{
      .sequence = 2, .name = "n", .label = "l", .code = "C", .message = "m"});
  EXPECT_EQ(message.sequence(), 2);
  EXPECT_EQ(message.name(), "n");
  EXPECT_EQ(message.label(), "l");
  EXPECT_EQ(message.code(), "C");
  EXPECT_EQ(message.message(), "m");
}

TEST(ConvertDatasetTest, AReportIsCopiedNumberByNumber) {
  DatasetReport report;
  report.split = {.validation = 0.25, .test = 0.125, .seed = 9};
  report.classes = {{.train = 1, .validation = 2, .test = 3}, {.train = 4}};
  report.total = {.train = 5, .validation = 2, .test = 3};
  report.imbalance = 1.5;
  report.width = {.min = 1, .median = 2, .max = 3};
  report.height = {.min = 4, .median = 5, .max = 6};
  report.grey_share = 0.5;
  report.mean = {0.1, 0.2, 0.3};
  report.deviation = {0.4, 0.5, 0.6};
  report.majority_baseline = 0.75;
  report.rejected = {{"EMPTY", 2}, {"TRUNCATED", 1}};
  report.advice = {{.code = "X", .blocking = true, .message = "do"}};
  const v1::DatasetReport message = ToProto(report, {"cat", "dog"});
  ASSERT_EQ(message.classes_size(), 2);
  EXPECT_EQ(message.classes(0).label(), "cat");
  EXPECT_EQ(message.classes(0).test(), 3);
  EXPECT_EQ(message.classes(1).train(), 4);
  EXPECT_EQ(message.split().seed(), 9U);
  EXPECT_EQ(message.split().validation(), 0.25);
  EXPECT_EQ(message.split().test(), 0.125);
  EXPECT_EQ(message.train(), 5);
  EXPECT_EQ(message.validation(), 2);
  EXPECT_EQ(message.test(), 3);
  EXPECT_EQ(message.imbalance(), 1.5);
  EXPECT_EQ(message.width().median(), 2);
  EXPECT_EQ(message.height().max(), 6);
  EXPECT_EQ(message.grey_share(), 0.5);
  EXPECT_THAT(message.mean(), ElementsAre(0.1, 0.2, 0.3));
  EXPECT_THAT(message.std(), ElementsAre(0.4, 0.5, 0.6));
  EXPECT_EQ(message.majority_baseline(), 0.75);
  ASSERT_EQ(message.rejections_size(), 2);
  EXPECT_EQ(message.rejections(1).code(), "TRUNCATED");
  EXPECT_EQ(message.rejections(0).count(), 2);
  ASSERT_EQ(message.advice_size(), 1);
  EXPECT_TRUE(message.advice(0).blocking());
  EXPECT_EQ(message.advice(0).message(), "do");
}

TEST(ConvertDatasetTest, WithoutExamplesThereIsNoMean) {
  const v1::DatasetReport message = ToProto(DatasetReport(), {});
  EXPECT_THAT(message.mean(), IsEmpty());
  EXPECT_THAT(message.std(), IsEmpty());
}

}  // namespace
}  // namespace resnetd
