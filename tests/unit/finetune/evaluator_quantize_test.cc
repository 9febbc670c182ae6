#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <string>

#include "absl/status/status.h"
#include "server/base/error.h"
#include "server/finetune/version_pictures.h"
#include "tests/unit/finetune/evaluator_fixture.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST_F(EvaluatorTest, QuantizingMeasuresOnItsPicturesAndRemembersThem) {
  Must(models_->Unload(Named("digits"), {2}));
  const auto made = Must(
      evaluator_->Quantize(Named("digits"), {2}, On("data"), false, Always));
  EXPECT_EQ(made.report.chosen, "int8");
  EXPECT_EQ(made.version.row.version.value, 2);
  EXPECT_EQ(made.dataset_digest.size(), 64U);
  EXPECT_TRUE(watched_.use);
  EXPECT_EQ(watched_.policy, SCHED_IDLE);
  ASSERT_EQ(watched_.pictures.pictures.size(), 120U);
  EXPECT_EQ(watched_.pictures.classes.at(119), 9);
  const VersionPictures pictures(*store_, *datasets_);
  const VersionFacts facts =
      *Must(models_->GetVersion(Named("digits"), {2})).facts;
  EXPECT_EQ(pictures.Identity(facts), watched_.pictures.identity);
  EXPECT_EQ(pictures.Read(facts).pictures.size(), 120U);
  EXPECT_EQ(StateOf(2), Residency::kUnloaded)
      << "it was loaded for the time being";
}

TEST_F(EvaluatorTest, QuantizingOnTrialRemembersNothing) {
  Must(evaluator_->Quantize(Named("digits"), {2}, On("data"), true, Always));
  EXPECT_FALSE(watched_.use);
  EXPECT_EQ(
      VersionPictures(*store_, *datasets_)
          .Identity(*Must(models_->GetVersion(Named("digits"), {2})).facts),
      "");
}

TEST_F(EvaluatorTest, QuantizingNeedsNoLabelsAndEightyPictures) {
  MakeDataset("strange", 8, {"yeti"}, ExampleSplit::kValidation, 80);
  MakeDataset("one-less", 8, {}, ExampleSplit::kValidation, 79);
  MakeDataset("just", 8, {}, ExampleSplit::kValidation, 80);
  Must(
      evaluator_->Quantize(Named("digits"), {2}, On("strange"), false, Always));
  EXPECT_EQ(watched_.pictures.classes.at(80), RealPictures::kNoClass);
  const absl::Status status =
      evaluator_->Quantize(Named("digits"), {2}, On("one-less"), false, Always)
          .status();
  EXPECT_EQ(ReasonOf(status), "TOO_FEW_EXAMPLES");
  EXPECT_THAT(DetailsOf(status).metadata,
              ElementsAre(Pair("examples", "79"), Pair("needed", "80")));
  Must(evaluator_->Quantize(Named("digits"), {2}, On("just"), false, Always));
}

TEST_F(EvaluatorTest, QuantizingEndsWhenItsMemoryIsNeeded) {
  watched_.before_asking = [this] {
    Must(models_->Unload(Named("digits"), {2}));
  };
  const absl::Status status =
      evaluator_->Quantize(Named("digits"), {2}, On("data"), false, Always)
          .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(status), "MEMORY_ADMISSION");
  EXPECT_EQ(
      VersionPictures(*store_, *datasets_)
          .Identity(*Must(models_->GetVersion(Named("digits"), {2})).facts),
      "");
}

TEST_F(EvaluatorTest, QuantizingEndsWhenItsCallerGoesAway) {
  EXPECT_EQ(evaluator_
                ->Quantize(Named("digits"), {2}, On("data"), false,
                           [] { return false; })
                .status()
                .code(),
            absl::StatusCode::kCancelled);
  // After the pictures were read.
  int asked = 0;
  const absl::Status status =
      evaluator_
          ->Quantize(Named("digits"), {2}, On("data"), false,
                     [&asked] { return ++asked <= 120; })
          .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(watched_.was_stopped);
  EXPECT_EQ(ReasonOf(evaluator_
                         ->Quantize(Named("digits"), {2}, On("nothing"), false,
                                    Always)
                         .status()),
            "DATASET_NOT_FOUND");
}

}  // namespace
}  // namespace resnetd
