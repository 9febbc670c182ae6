#include "server/rpc/convert_evaluation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "tests/support/fake_model.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

Measurement What() {
  return {.dataset = DatasetName::Parse("photos").value(),
          .part = DatasetPart::kTest};
}

// Of `classes` classes: example i is of class i % classes, and taken for the
// one behind it when i is below `wrong`.
VersionEvaluation Measured(int classes, int examples, int wrong) {
  std::vector<float> logits(static_cast<std::size_t>(classes) *
                            static_cast<std::size_t>(examples));
  std::vector<int> labels;
  for (int i = 0; i < examples; ++i) {
    const int best = (i + (i < wrong ? 1 : 0)) % classes;
    logits[static_cast<std::size_t>(i * classes + best)] = 5;
    labels.push_back(i % classes);
  }
  return Measure(
      std::make_shared<const VersionFacts>(FakeFacts("digits", classes, 4)),
      logits, labels);
}

TEST(ToMeasurementTest, ReadsEveryField) {
  v1::Measurement message;
  message.set_dataset("datasets/photos");
  const Measurement plain = ToMeasurement(message).value();
  EXPECT_EQ(plain.dataset.text(), "photos");
  EXPECT_EQ(plain.part, DatasetPart::kValidation);
  EXPECT_EQ(plain.split.validation, 0.2);
  message.set_part(v1::DATASET_PART_ALL);
  message.mutable_split()->set_validation(0.5);
  message.mutable_split()->set_test(0.25);
  message.mutable_split()->set_seed(7);
  const Measurement full = ToMeasurement(message).value();
  EXPECT_EQ(full.part, DatasetPart::kAll);
  EXPECT_EQ(full.split.validation, 0.5);
  EXPECT_EQ(full.split.test, 0.25);
  EXPECT_EQ(full.split.seed, 7U);
}

TEST(ToMeasurementTest, NamesEverythingThatIsWrong) {
  v1::Measurement message;
  message.set_dataset("photos");
  message.set_part(static_cast<v1::DatasetPart>(5));
  message.mutable_split()->set_validation(2);
  const absl::Status status = ToMeasurement(message).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DetailsOf(status).reason, "REQUEST_INVALID");
  std::vector<std::string> fields;
  for (const auto& [field, text] : DetailsOf(status).violations) {
    fields.push_back(field);
  }
  EXPECT_THAT(fields, ElementsAre("measurement.dataset", "measurement.part",
                                  HasSubstr("validation")));
}

TEST(EvaluationToProtoTest, HasTheNumbers) {
  VersionEvaluation evaluation = Measured(10, 100, 5);
  evaluation.dataset_digest = "d";
  evaluation.precision = "fp32";
  evaluation.backend = "engine";
  evaluation.latency = std::chrono::microseconds(1500);
  const v1::EvaluationReport report = ToProto(evaluation, What());
  EXPECT_EQ(report.version(), "models/digits/versions/4");
  EXPECT_EQ(report.dataset(), "datasets/photos");
  EXPECT_EQ(report.dataset_digest(), "d");
  EXPECT_EQ(report.part(), v1::DATASET_PART_TEST);
  EXPECT_EQ(report.examples(), 100);
  EXPECT_EQ(report.correct(), 95);
  EXPECT_DOUBLE_EQ(report.accuracy(), 0.95);
  EXPECT_TRUE(report.has_top5_accuracy());
  EXPECT_EQ(report.loss(), evaluation.report.loss);
  EXPECT_EQ(report.temperature(), 1);
  EXPECT_EQ(report.fitted_temperature(), evaluation.fitted_temperature);
  EXPECT_EQ(report.fitted_calibration_error(),
            evaluation.fitted_calibration_error);
  EXPECT_DOUBLE_EQ(report.majority_baseline(), 0.1);
  EXPECT_EQ(report.majority_label(), "label-0");
  EXPECT_EQ(report.num_classes(), 10);
  EXPECT_EQ(report.latency().nanos(), 1'500'000);
  EXPECT_EQ(report.precision(), "fp32");
  EXPECT_EQ(report.backend(), "engine");
  ASSERT_EQ(report.classes_size(), 10);
  EXPECT_EQ(report.classes(1).label(), "label-1");
  EXPECT_DOUBLE_EQ(report.classes(1).recall(), 0.9);
  EXPECT_DOUBLE_EQ(report.classes(1).precision(), 0.9);
  EXPECT_TRUE(report.confusion_is_complete());
  EXPECT_EQ(report.confusion_size(), 15);
}

TEST(EvaluationToProtoTest, FiveClassesHaveNoTopFive) {
  EXPECT_FALSE(ToProto(Measured(5, 10, 0), What()).has_top5_accuracy());
  EXPECT_TRUE(ToProto(Measured(6, 10, 0), What()).has_top5_accuracy());
}

TEST(EvaluationToProtoTest, LeavesOutClassesThatNothingIsKnownOf) {
  // One example, of class 0, taken for class 1.
  const v1::EvaluationReport report = ToProto(Measured(10, 1, 1), What());
  ASSERT_EQ(report.classes_size(), 2);
  EXPECT_TRUE(report.classes(0).has_recall());
  EXPECT_FALSE(report.classes(0).has_precision());
  EXPECT_FALSE(report.classes(1).has_recall());
  EXPECT_EQ(report.classes(1).precision(), 0);
}

TEST(EvaluationToProtoTest, BoundsTheConfusion) {
  const v1::EvaluationReport whole = ToProto(Measured(100, 400, 300), What());
  EXPECT_TRUE(whole.confusion_is_complete());
  EXPECT_EQ(whole.confusion_size(), 200);
  const v1::EvaluationReport cut = ToProto(Measured(101, 404, 303), What());
  EXPECT_FALSE(cut.confusion_is_complete());
  // Only pairs of two classes.
  EXPECT_EQ(cut.confusion_size(), 101);
  const v1::EvaluationReport large = ToProto(Measured(300, 300, 300), What());
  EXPECT_EQ(large.confusion_size(), 200);
}

TEST(ComparisonToProtoTest, HasCountsClassesAndGate) {
  const std::vector<float> champion = {5, 0, 5, 0, 5, 0};
  const std::vector<float> candidate = {5, 0, 0, 5, 0, 5};
  const std::vector<int> labels = {0, 1, 1};
  const auto facts =
      std::make_shared<const VersionFacts>(FakeFacts("digits", 2, 4));
  const VersionComparison comparison =
      Judge(Measure(facts, champion, labels), Measure(facts, candidate, labels),
            champion, candidate, labels);
  const v1::PairedReport report = ToProto(comparison, What());
  EXPECT_EQ(report.champion().correct(), 1);
  EXPECT_EQ(report.candidate().correct(), 3);
  EXPECT_EQ(report.all().both(), 1);
  EXPECT_EQ(report.all().only_candidate(), 2);
  EXPECT_EQ(report.p_value(), 0.5);
  EXPECT_THAT(report.text(), HasSubstr("no difference"));
  ASSERT_EQ(report.classes_size(), 2);
  EXPECT_EQ(report.classes(1).label(), "label-1");
  EXPECT_TRUE(report.classes(1).is_old());
  EXPECT_EQ(report.classes(1).counts().only_candidate(), 2);
  EXPECT_FALSE(report.has_latency_ratio());
  EXPECT_EQ(report.size_ratio(), 1);
  EXPECT_FALSE(report.gate().passed());
  EXPECT_EQ(report.gate().criteria(0).name(), "min_examples");
}

}  // namespace
}  // namespace resnetd
