#include "client/cli/data_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/cli/text.h"

namespace resnetd::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

client::DescribedDataset Pets() {
  client::DescribedDataset pets;
  pets.dataset = {.name = "datasets/pets",
                  .state = client::DatasetState::kOpen,
                  .labels = {"cat", "dog"},
                  .num_classes = 2,
                  .example_count = 12,
                  .rejected_count = 3,
                  .size_bytes = 2048,
                  .etag = "d9"};
  pets.report.classes = {
      {.label = "cat", .counts = {.train = 6, .validation = 2}},
      {.label = "dog", .counts = {.train = 3, .validation = 1}}};
  pets.report.total = {.train = 9, .validation = 3};
  pets.report.imbalance = 2;
  pets.report.width = {.min = 8, .median = 8, .max = 8};
  pets.report.height = {.min = 8, .median = 9, .max = 20};
  pets.report.grey_share = 0.25;
  pets.report.mean = {0.1, 0.2, 0.3};
  pets.report.std = {0.4, 0.5, 0.6};
  pets.report.majority_baseline = 2.0 / 3;
  pets.report.rejections = {{"EMPTY", 1}, {"TRUNCATED", 2}};
  pets.report.advice = {
      {.code = "A", .blocking = true, .message = "this first"},
      {.code = "B", .blocking = false, .message = "then\x1b[31m that"}};
  return pets;
}

TEST(DataTextTest, AReportReadsFromFactsToAdvice) {
  const std::string text = ReportText(Pets(), {});
  EXPECT_THAT(text, HasSubstr("datasets/pets"));
  EXPECT_THAT(text, HasSubstr("12, 2.0 KiB"));
  EXPECT_THAT(text, HasSubstr("8 pixels"));
  EXPECT_THAT(text, HasSubstr("8 to 20 (half at most 9) pixels"));
  EXPECT_THAT(text, HasSubstr("25.0 %"));
  EXPECT_THAT(text, HasSubstr("66.7 %"));
  EXPECT_THAT(text, HasSubstr("0.100, 0.200, 0.300"));
  EXPECT_THAT(text, HasSubstr("1 EMPTY, 2 TRUNCATED"));
  EXPECT_THAT(text, HasSubstr("cat    ####################      6"));
  EXPECT_THAT(text, HasSubstr("dog    ##########----------      3"));
  EXPECT_THAT(text, HasSubstr("! this first\n"));
  // Escaped for a terminal.
  EXPECT_THAT(text, HasSubstr("- then\\x1b[31m that\n"));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
}

TEST(DataTextTest, AdviceIsColouredWhereColoursAreWanted) {
  EXPECT_THAT(ReportText(Pets(), {.out_colours = true}), HasSubstr("\x1b["));
}

TEST(DataTextTest, AnEmptyDatasetHasNoPicturesToDescribe) {
  client::DescribedDataset pets = Pets();
  pets.dataset.example_count = 0;
  pets.dataset.rejected_count = 0;
  const std::string text = ReportText(pets, {});
  EXPECT_THAT(text, Not(HasSubstr("width")));
  EXPECT_THAT(text, Not(HasSubstr("rejected")));
}

TEST(DataTextTest, ManyClassesAreCounted) {
  client::DescribedDataset pets = Pets();
  pets.report.classes.assign(40, {.label = "x"});
  EXPECT_THAT(ReportText(pets, {}), Not(HasSubstr("more classes")));
  pets.report.classes.assign(42, {.label = "x"});
  EXPECT_THAT(ReportText(pets, {}), HasSubstr("and 2 more classes"));
}

TEST(DataTextTest, JsonHasEveryNumber) {
  const Json report = ReportJson(Pets().report);
  EXPECT_EQ(report["classes"][1]["label"], "dog");
  EXPECT_EQ(report["classes"][1]["validation"], 1);
  EXPECT_EQ(report["total"]["train"], 9);
  EXPECT_EQ(report["rejections"]["TRUNCATED"], 2);
  EXPECT_EQ(report["advice"][0]["blocking"], true);
  EXPECT_EQ(report["height"]["median"], 9);
  const Json dataset = DatasetJson(Pets().dataset);
  EXPECT_EQ(dataset["state"], "OPEN");
  EXPECT_TRUE(dataset["seal_time"].is_null());
  EXPECT_EQ(dataset["labels"].size(), 2U);
}

TEST(DataTextTest, ProgressFitsOnALine) {
  const client::UploadSummary summary{
      .next_index = 300, .bytes = 3 << 20, .rejected = 2};
  const std::string line = UploadLine(
      summary, 1200, 12 << 20, std::chrono::seconds(1), {.columns = 200});
  EXPECT_EQ(line,
            "sending #####--------------- 300 of 1,200 pictures, 3.0 MiB of "
            "12.0 MiB, 3.0 MiB/s, 2 rejected");
  EXPECT_EQ(DisplayWidth(UploadLine(summary, 1200, 12 << 20,
                                    std::chrono::seconds(1), {.columns = 40})),
            39U);
  // Before there is a rate to speak of.
  EXPECT_THAT(UploadLine(summary, 1200, 12 << 20, std::chrono::milliseconds(1),
                         {.columns = 200}),
              Not(HasSubstr("/s")));
  EXPECT_THAT(UploadLine({}, 0, 0, std::chrono::seconds(1), {.columns = 200}),
              HasSubstr("0 of 0"));
}

}  // namespace
}  // namespace resnetd::cli
