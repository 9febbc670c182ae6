#include "client/cli/evaluation_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace resnetd::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Three classes; 2 of 10 cats were taken for dogs.
client::EvaluationReport Report() {
  client::EvaluationReport report;
  report.version = "models/pets/versions/2";
  report.dataset = "datasets/photos";
  report.part = client::DatasetPart::kTest;
  report.num_classes = 3;
  report.examples = 30;
  report.correct = 28;
  report.accuracy = 28.0 / 30;
  report.loss = 0.25;
  report.mean_confidence = 0.97;
  report.calibration_error = 0.05;
  report.fitted_temperature = 1.372;
  report.fitted_calibration_error = 0.01;
  report.majority_baseline = 1.0 / 3;
  report.majority_label = "cat";
  report.classes = {{0, "cat", 10, 8, 8, 0.8, 1},
                    {1, "dog", 10, 10, 12, 1, 10.0 / 12},
                    {2, "owl", 10, 10, 10, 1, 1}};
  report.confusion = {{0, 0, 8}, {0, 1, 2}, {1, 1, 10}, {2, 2, 10}};
  report.confusion_is_complete = true;
  report.latency = std::chrono::microseconds(1500);
  report.precision = "fp32";
  report.backend = "engine";
  return report;
}

Terminal Live(std::size_t columns = 80, bool colours = false) {
  return {.out_colours = colours,
          .out_is_live = true,
          .unicode = true,
          .columns = columns};
}

TEST(EvaluationTextTest, TellsTheNumbers) {
  const std::string text = EvaluationText(Report(), {});
  EXPECT_THAT(text,
              HasSubstr("pets@2 on dataset photos (30 pictures, test)\n"));
  EXPECT_THAT(text, HasSubstr("93.33 %, 28 of 30; always cat would be 33.33 "
                              "%\n"));
  EXPECT_THAT(text, HasSubstr("0.05 at temperature 1; 0.01 at 1.372, which "
                              "fits best\n"));
  EXPECT_THAT(text, HasSubstr("1.50 ms, engine in fp32"));
  EXPECT_THAT(text, Not(HasSubstr("top 5")));
  client::EvaluationReport more = Report();
  more.top5_accuracy = 0.99;
  more.latency.reset();
  more.temperature = more.fitted_temperature;
  const std::string other = EvaluationText(more, {});
  EXPECT_THAT(other, HasSubstr("99.00 %"));
  EXPECT_THAT(other, HasSubstr("not measured"));
  EXPECT_THAT(other, HasSubstr("at temperature 1.372, which fits best"));
}

TEST(EvaluationTextTest, ListsWhatWasConfusedWhereNobodyWatches) {
  const std::string text = EvaluationText(Report(), {});
  EXPECT_THAT(text, HasSubstr("CONFUSED  TAKEN FOR  PICTURES  OF THE CLASS\n"
                              "cat       dog               2       20.00 %\n"));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  client::EvaluationReport good = Report();
  good.confusion = {{0, 0, 10}, {1, 1, 10}, {2, 2, 10}};
  EXPECT_THAT(EvaluationText(good, {}), HasSubstr("nothing was confused"));
}

TEST(EvaluationTextTest, DrawsAMatrixOnATerminal) {
  const std::string text = EvaluationText(Report(), Live());
  EXPECT_THAT(text, HasSubstr("      #  0  1  2\n"
                              "cat   0  8  2  .\n"
                              "dog   1  . 10  .\n"
                              "owl   2  .  . 10\n"));
  EXPECT_THAT(text, Not(HasSubstr("TAKEN FOR")));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  // Colours: what is right green, much that is wrong red.
  const std::string coloured = EvaluationText(Report(), Live(80, true));
  EXPECT_THAT(coloured, HasSubstr(Paint(" 8", Colour::kGreen, true)));
  EXPECT_THAT(coloured, HasSubstr(Paint(" 2", Colour::kRed, true)));
  EXPECT_THAT(coloured, HasSubstr(Paint(" .", Colour::kDim, true)));
}

TEST(EvaluationTextTest, ListsWhatATerminalHasNoRoomFor) {
  EXPECT_THAT(EvaluationText(Report(), Live(16)), HasSubstr("TAKEN FOR"));
  EXPECT_THAT(EvaluationText(Report(), Live(18)), Not(HasSubstr("TAKEN FOR")));
  client::EvaluationReport cut = Report();
  cut.confusion_is_complete = false;
  EXPECT_THAT(EvaluationText(cut, Live()), HasSubstr("TAKEN FOR"));
}

client::EvaluationReport WithClasses(int count) {
  client::EvaluationReport report = Report();
  report.classes.clear();
  report.confusion.clear();
  for (int i = 0; i < count; ++i) {
    report.classes.push_back(
        {i, absl::StrCat("class-", i), 100, i, 100, i / 100.0, i / 100.0});
    report.confusion.push_back({i, (i + 1) % count, 100 - i});
  }
  return report;
}

TEST(EvaluationTextTest, TwentyClassesAreAMatrix) {
  EXPECT_THAT(EvaluationText(WithClasses(20), Live(200)),
              Not(HasSubstr("TAKEN FOR")));
  EXPECT_THAT(EvaluationText(WithClasses(21), Live(200)),
              HasSubstr("TAKEN FOR"));
}

TEST(EvaluationTextTest, OfManyClassesShowsTheWorst) {
  EXPECT_THAT(EvaluationText(WithClasses(40), {}), Not(HasSubstr("more;")));
  const std::string text = EvaluationText(WithClasses(43), {});
  EXPECT_THAT(text, HasSubstr("and 3 classes more; -o json has every one\n"));
  EXPECT_THAT(text, HasSubstr("class-39 "));
  EXPECT_THAT(text, Not(HasSubstr("class-42 ")));
}

TEST(EvaluationTextTest, IsSafeForATerminal) {
  client::EvaluationReport report = Report();
  report.classes[0].label = "c\x1b[31mat";
  for (const Terminal& terminal : {Terminal{}, Live()}) {
    EXPECT_THAT(EvaluationText(report, terminal), Not(HasSubstr("\x1b[31mat")));
  }
}

client::PairedReport Paired() {
  client::PairedReport report;
  report.champion = Report();
  report.candidate = Report();
  report.candidate.version = "models/pets/versions/3";
  report.all = {
      .both = 24, .only_champion = 1, .only_candidate = 4, .neither = 1};
  report.old_classes = {
      .both = 18, .only_champion = 1, .only_candidate = 0, .neither = 1};
  report.new_classes = {
      .both = 0, .only_champion = 0, .only_candidate = 10, .neither = 0};
  report.p_value = 0.375;
  report.text = "no difference that chance would not explain";
  report.classes = {{0, "cat", true, {8, 1, 0, 1}},
                    {2, "owl", false, {0, 0, 10, 0}}};
  report.latency_ratio = 1.25;
  report.gate.passed = true;
  report.gate.criteria = {{.name = "min_examples",
                           .value = 30,
                           .bound = 50,
                           .passed = false,
                           .text = "30 examples"}};
  return report;
}

TEST(ComparisonTextTest, PutsTheTwoBesideEachOther) {
  const std::string text = ComparisonText(Paired(), {});
  EXPECT_THAT(text, HasSubstr("pets@3 on dataset photos (30 pictures, test), "
                              "against pets@2\n"));
  EXPECT_THAT(text, HasSubstr("83.33 %"));
  EXPECT_THAT(text, HasSubstr("+10.00"));
  EXPECT_THAT(text, HasSubstr("classes both know"));
  EXPECT_THAT(text, HasSubstr("no difference that chance"));
  EXPECT_THAT(text, HasSubstr("x 1.25"));
  EXPECT_THAT(text, HasSubstr("cat          10        90.00 %   80.00 %  "
                              "-10.00\n"));
  EXPECT_THAT(text, HasSubstr("owl          10            new  100.00 %\n"));
  EXPECT_THAT(text, HasSubstr("min_examples"));
  EXPECT_THAT(text, HasSubstr("the gate would let it pass\n"));
  client::PairedReport lost = Paired();
  lost.gate.passed = false;
  lost.new_classes = {};
  const std::string other = ComparisonText(lost, {});
  EXPECT_THAT(other, HasSubstr("the gate would not let it pass\n"));
  EXPECT_THAT(other, Not(HasSubstr("classes both know")));
}

TEST(CalibrationTextTest, SaysWhatBecameOfIt) {
  client::Calibrated calibrated = {
      .version = {}, .created = true, .report = Report()};
  calibrated.version.name = "models/pets/versions/3";
  EXPECT_EQ(CalibrationText(calibrated, false),
            "pets@3 is pets@2 with temperature 1.372 instead of 1; calibration "
            "error 0.05 -> 0.01, loss 0.25 -> 0 on 30 pictures; the best "
            "classes stay the same\n");
  EXPECT_THAT(CalibrationText(calibrated, true),
              HasSubstr("measured, nothing was changed: pets@2 would get "
                        "temperature 1.372"));
  calibrated.created = false;
  EXPECT_THAT(CalibrationText(calibrated, false),
              HasSubstr("pets@3 has temperature 1.372 already"));
}

TEST(EvaluationJsonTest, HasTheFieldsOfTheProto) {
  const Json json = EvaluationJson(Report());
  EXPECT_EQ(json["version"], "models/pets/versions/2");
  EXPECT_EQ(json["part"], "TEST");
  EXPECT_EQ(json["correct"], 28);
  EXPECT_TRUE(json["top5_accuracy"].is_null());
  EXPECT_EQ(json["classes"][0]["recall"], 0.8);
  EXPECT_EQ(json["confusion"][1]["examples"], 2);
  EXPECT_EQ(json["latency_ms"], 1.5);
  const Json paired = ComparisonJson(Paired());
  EXPECT_EQ(paired["all"]["only_candidate"], 4);
  EXPECT_EQ(paired["classes"][1]["is_old"], false);
  EXPECT_EQ(paired["gate"]["passed"], true);
  EXPECT_EQ(
      MeasurementJson(
          {.dataset = "photos", .part = client::DatasetPart::kAll, .split = {}})
          .dump(),
      R"({"dataset":"datasets/photos","part":"DATASET_PART_ALL"})");
}

}  // namespace
}  // namespace resnetd::cli
