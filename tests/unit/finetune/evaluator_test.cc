#include "server/finetune/evaluator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/finetune/job_inputs.h"
#include "tests/unit/finetune/evaluator_fixture.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

// With p of the best class and (1 - p) / 9 of each other one the cross entropy
// is least where p is the accuracy a: at temperature 10 / ln(9 a / (1 - a)).
double BestTemperature(double accuracy) {
  return std::round(10000 / std::log(9 * accuracy / (1 - accuracy))) / 1000;
}

TEST_F(EvaluatorTest, MeasuresAVersion) {
  const VersionEvaluation measured = Must(Evaluate(2, On("data")));
  const EvaluationReport& report = measured.report;
  EXPECT_EQ(report.examples, kClasses * kPerClass);
  EXPECT_EQ(report.correct, 100);
  EXPECT_NEAR(report.accuracy, 10.0 / 12, 1e-12);
  EXPECT_EQ(report.temperature, 1);
  for (const ClassResult& result : report.per_class) {
    EXPECT_EQ(result.examples, 12);
    EXPECT_EQ(result.correct, 10);
    // Two of the class before it.
    EXPECT_EQ(result.predicted, 12);
  }
  EXPECT_EQ(report.confusion.size(), 20);
  EXPECT_NEAR(measured.majority_baseline, 0.1, 1e-12);
  EXPECT_EQ(measured.fitted_temperature, BestTemperature(10.0 / 12));
  const double confidence = std::exp(10) / (std::exp(10) + 9);
  EXPECT_NEAR(report.calibration_error, confidence - 10.0 / 12, 1e-9);
  // But for the rounding of the temperature.
  EXPECT_NEAR(measured.fitted_calibration_error, 0, 1e-4);
  EXPECT_LT(measured.fitted_loss, report.loss);
  EXPECT_EQ(measured.backend, "erring");
  EXPECT_EQ(measured.dataset_digest,
            Must(datasets_->GetDataset(On("data").dataset)).digest);
  EXPECT_TRUE(measured.latency.has_value());
  EXPECT_EQ(measured.version->version.value, 2);
}

TEST_F(EvaluatorTest, ComputesAtTheLowestPriority) {
  Must(Evaluate(1, On("data")));
  EXPECT_EQ(watched_.policy.load(), SCHED_IDLE);
}

TEST_F(EvaluatorTest, MeasuresThePartAskedFor) {
  std::int64_t together = 0;
  Measurement what = On("data");
  what.split = {.validation = 0.3, .test = 0.2, .seed = 4};
  const std::vector<ExampleRow> rows =
      Must(ReadDataset(store_->datasets(), what.dataset)).examples;
  const std::vector<ExampleSplit> splits = AssignSplits(rows, what.split);
  for (const DatasetPart part :
       {DatasetPart::kTrain, DatasetPart::kValidation, DatasetPart::kTest}) {
    what.part = part;
    const std::int64_t examples = Must(Evaluate(1, what)).report.examples;
    EXPECT_EQ(examples,
              std::count(splits.begin(), splits.end(),
                         static_cast<ExampleSplit>(static_cast<int>(part))))
        << DatasetPartName(part);
    together += examples;
  }
  EXPECT_EQ(together, kClasses * kPerClass);
}

TEST_F(EvaluatorTest, AVersionThatIsNotLoadedIsLoadedAndLetGo) {
  Must(models_->Unload(Named("digits"), {2}));
  const int loads = loader_.loads();
  Must(Evaluate(2, On("data")));
  EXPECT_EQ(loader_.loads(), loads + 1);
  EXPECT_EQ(StateOf(2), Residency::kUnloaded);
  // One that answers is used as it is.
  Must(Evaluate(1, On("data")));
  EXPECT_EQ(loader_.loads(), loads + 1);
  EXPECT_EQ(StateOf(1), Residency::kReady);
}

TEST_F(EvaluatorTest, NamesLabelsThatTheVersionLacks) {
  MakeDataset("strange", 1, {"cat", "dog"});
  const absl::Status status = Evaluate(1, On("strange")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReasonOf(status), "REQUEST_INVALID");
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("models/digits/versions/1 does not know \"cat\" (1 "
                        "picture), \"dog\" (2 pictures)"));
  EXPECT_THAT(DetailsOf(status).violations,
              ElementsAre(Pair("dataset", HasSubstr("cat"))));
}

TEST_F(EvaluatorTest, LabelsAreMatchedByNameNotByPlace) {
  std::vector<std::string> labels;
  for (int i = 0; i < kClasses; ++i) {
    labels.push_back(absl::StrCat((i + 1) % kClasses));
  }
  Import("turned", 0, labels);
  const VersionEvaluation measured =
      Must(evaluator_->Evaluate(Named("turned"), {1}, On("data"), Always));
  // It says class i for a picture of i, whose label is its class i - 1.
  EXPECT_EQ(measured.report.correct, 0);
  EXPECT_EQ(measured.report.confusion.front().label, 0);
  EXPECT_EQ(measured.report.confusion.front().predicted, 1);
}

TEST_F(EvaluatorTest, SaysWhatIsMissing) {
  MakeDataset("training", 1, {}, ExampleSplit::kTrain);
  const absl::Status empty =
      Evaluate(1, On("training", DatasetPart::kTest)).status();
  EXPECT_EQ(empty.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(empty), "TOO_FEW_EXAMPLES");
  EXPECT_THAT(std::string(empty.message()),
              HasSubstr("no pictures for test: 10 to train, 0 to validate, 0 "
                        "to test"));
  Must(datasets_->CreateDataset(DatasetName::Parse("open").value(), {"0", "1"},
                                {}));
  EXPECT_EQ(ReasonOf(Evaluate(1, On("open")).status()), "DATASET_NOT_SEALED");
  EXPECT_EQ(ReasonOf(Evaluate(1, On("none")).status()), "DATASET_NOT_FOUND");
  EXPECT_EQ(ReasonOf(Evaluate(9, On("data")).status()), "VERSION_NOT_FOUND");
  Measurement odd = On("data");
  odd.split.validation = 1.5;
  EXPECT_EQ(ReasonOf(Evaluate(1, odd).status()), "REQUEST_INVALID");
}

TEST_F(EvaluatorTest, OneAtATime) {
  std::vector<absl::Status> refused;
  const auto go_on = [&] {
    if (refused.empty()) {
      refused.push_back(Evaluate(1, On("data")).status());
      refused.push_back(evaluator_
                            ->Compare(Named("digits"), {1}, Named("digits"),
                                      {2}, On("data"), Always)
                            .status());
      refused.push_back(
          evaluator_
              ->Calibrate(Named("digits"), {1}, On("data"), false, {}, Always)
              .status());
    }
    return true;
  };
  Must(Evaluate(1, On("data"), go_on));
  ASSERT_EQ(refused.size(), 3);
  for (const absl::Status& status : refused) {
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_EQ(ReasonOf(status), "QUEUE_FULL");
    EXPECT_TRUE(DetailsOf(status).retry_after.has_value());
  }
  // Refusals take nobody's turn.
  Must(Evaluate(1, On("data")));
}

TEST_F(EvaluatorTest, EndsWhenItIsNotWantedAnyMore) {
  int asked = 0;
  const absl::Status status =
      Evaluate(1, On("data"), [&] { return ++asked < 3; }).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(asked, 3);
  Must(Evaluate(1, On("data")));
}

TEST_F(EvaluatorTest, GivesTheMemoryBackWhenItIsNeeded) {
  bool first = true;
  const absl::Status status = Evaluate(2, On("data"), [&] {
                                if (std::exchange(first, false)) {
                                  Must(models_->Unload(Named("digits"), {2}));
                                }
                                return true;
                              }).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(status), "MEMORY_ADMISSION");
}

TEST_F(EvaluatorTest, ComparesTwoVersions) {
  const VersionComparison compared = Must(evaluator_->Compare(
      Named("digits"), {1}, Named("digits"), {2}, On("data"), Always));
  // 1 errs on 0, 1, 2, 10 and 11 of each class, 2 on 0 and 10.
  EXPECT_EQ(compared.paired.all.both, 70);
  EXPECT_EQ(compared.paired.all.only_champion, 0);
  EXPECT_EQ(compared.paired.all.only_candidate, 30);
  EXPECT_EQ(compared.paired.all.neither, 20);
  EXPECT_NEAR(compared.paired.p_value, std::pow(2, -29), 1e-15);
  EXPECT_TRUE(compared.verdict.passed);
  EXPECT_TRUE(compared.verdict.is_better);
  EXPECT_THAT(compared.text, HasSubstr("the candidate is better: 30 right"));
  EXPECT_NEAR(compared.champion.report.accuracy, 7.0 / 12, 1e-12);
  EXPECT_NEAR(compared.candidate.report.accuracy, 10.0 / 12, 1e-12);
  EXPECT_EQ(compared.size_ratio, 1);
  EXPECT_TRUE(compared.latency_ratio.has_value());

  const VersionComparison back = Must(evaluator_->Compare(
      Named("digits"), {2}, Named("digits"), {1}, On("data"), Always));
  EXPECT_FALSE(back.verdict.passed);
  EXPECT_THAT(back.text, HasSubstr("the candidate is worse"));
  const VersionComparison same = Must(evaluator_->Compare(
      Named("digits"), {2}, Named("digits"), {2}, On("data"), Always));
  EXPECT_EQ(same.paired.p_value, 1);
  EXPECT_THAT(same.text, HasSubstr("no difference"));
}

TEST_F(EvaluatorTest, ComparesWithAChampionThatKnowsFewerClasses) {
  std::vector<std::string> labels;
  for (int i = 0; i < kClasses; ++i) {
    labels.push_back(i < 8 ? absl::StrCat(i) : absl::StrCat("other-", i));
  }
  Import("eight", 1, labels);
  const VersionComparison compared = Must(evaluator_->Compare(
      Named("eight"), {1}, Named("digits"), {2}, On("data"), Always));
  EXPECT_EQ(Examples(compared.paired.old_classes), 96);
  EXPECT_EQ(Examples(compared.paired.new_classes), 24);
  EXPECT_EQ(compared.paired.all.only_candidate, 20);
  EXPECT_EQ(compared.paired.all.only_champion, 0);
  EXPECT_EQ(compared.champion.report.examples, 96);
  // Other labels, which nobody allowed.
  EXPECT_FALSE(compared.verdict.passed);
  // The candidate must know them all.
  EXPECT_EQ(ReasonOf(evaluator_
                         ->Compare(Named("digits"), {2}, Named("eight"), {1},
                                   On("data"), Always)
                         .status()),
            "REQUEST_INVALID");
}

TEST_F(EvaluatorTest, CalibratingMakesAVersionWithTheTemperature) {
  const TemperatureFit calibration = Must(evaluator_->Calibrate(
      Named("digits"), {2}, On("data"), false, {}, Always));
  const VersionView& made = calibration.calibrated.version;
  EXPECT_TRUE(calibration.calibrated.created);
  EXPECT_EQ(made.row.version.value, 3);
  EXPECT_EQ(made.facts->temperature, BestTemperature(10.0 / 12));
  EXPECT_EQ(made.row.parent, VersionNumber{2});
  EXPECT_EQ(made.row.weights,
            Must(models_->GetVersion(Named("digits"), {2})).row.weights);
  EXPECT_EQ(made.residency, Residency::kUnloaded);
  // Loads, answers the same, and is calibrated.
  const VersionEvaluation again = Must(Evaluate(3, On("data")));
  EXPECT_EQ(again.report.correct, 100);
  EXPECT_NEAR(again.report.calibration_error, 0, 1e-4);
  EXPECT_EQ(again.fitted_temperature, again.report.temperature);
  // Once more there is nothing left to do, whoever is asked.
  for (const std::int64_t version : {2, 3}) {
    const TemperatureFit once_more = Must(evaluator_->Calibrate(
        Named("digits"), {version}, On("data"), false, {}, Always));
    EXPECT_FALSE(once_more.calibrated.created);
    EXPECT_EQ(once_more.calibrated.version.row.version.value, 3);
  }
  EXPECT_EQ(Versions(), 3);
}

TEST_F(EvaluatorTest, CalibratingOnTrialMakesNothing) {
  const TemperatureFit calibration = Must(evaluator_->Calibrate(
      Named("digits"), {2}, On("data"), true, {}, Always));
  EXPECT_FALSE(calibration.calibrated.created);
  EXPECT_EQ(calibration.calibrated.version.row.version.value, 2);
  EXPECT_EQ(calibration.evaluation.fitted_temperature,
            BestTemperature(10.0 / 12));
  EXPECT_EQ(Versions(), 2);
}

TEST_F(EvaluatorTest, CalibratingNeedsFiftyPictures) {
  MakeDataset("one-less", 5, {}, ExampleSplit::kValidation, 49);
  MakeDataset("fifty", 5, {}, ExampleSplit::kValidation);
  const absl::Status status =
      evaluator_
          ->Calibrate(Named("digits"), {2}, On("one-less"), false, {}, Always)
          .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(status), "TOO_FEW_EXAMPLES");
  EXPECT_THAT(DetailsOf(status).metadata,
              ElementsAre(Pair("examples", "49"), Pair("needed", "50")));
  EXPECT_EQ(Versions(), 2);
  Must(evaluator_->Calibrate(Named("digits"), {2}, On("fifty"), false, {},
                             Always));
  EXPECT_EQ(Versions(), 3);
}

TEST_F(EvaluatorTest, ACalibrationIsRecognisedByItsRequestId) {
  const Mutation mutation = {
      .method = "CalibrateVersion", .request_id = "once", .request_hash = "h"};
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(Must(evaluator_->Calibrate(Named("digits"), {2}, On("data"),
                                         false, mutation, Always))
                  .calibrated.version.row.version.value,
              3);
  }
  Mutation other = mutation;
  other.request_hash = "another";
  EXPECT_EQ(ReasonOf(evaluator_
                         ->Calibrate(Named("digits"), {1}, On("data"), false,
                                     other, Always)
                         .status()),
            "REQUEST_ID_CONFLICT");
}

TEST(CheckSizeTest, CountsTheLogitsOfAllVersions) {
  EXPECT_TRUE(CheckSize(134'217, 1000).ok());
  const absl::Status status = CheckSize(134'218, 1000);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReasonOf(status), "LIMIT_EXCEEDED");
  EXPECT_THAT(std::string(status.message()), HasSubstr("134217"));
  EXPECT_TRUE(CheckSize(kMostLogits, 1).ok());
  EXPECT_FALSE(CheckSize(kMostLogits + 1, 1).ok());
}

}  // namespace
}  // namespace resnetd
