// Choices that were kept, measurements, and choosing once more.
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/engine/precision_record.h"
#include "server/models/golden.h"
#include "tests/support/fallback_count.h"
#include "tests/unit/engine/adaptive_model_fixture.h"

namespace resnetd {
namespace {

using ::testing::HasSubstr;

TEST_F(AdaptiveModelTest, TheNextStartTakesTheKeptChoiceWithoutMeasuring) {
  std::string text;
  std::vector<float> logits;
  {
    const auto engine = Engine("int8");
    const auto model = Load(*engine);
    Choose(*model);
    text = model->precision_choice();
    logits = Logits(*model);
  }
  EXPECT_EQ(reads_.load(), 1);
  const auto engine = Engine("int8");
  const auto model = Load(*engine);
  Choose(*model);
  EXPECT_EQ(reads_.load(), 1) << "pictures were read again";
  EXPECT_EQ(model->precision(), "int8");
  EXPECT_EQ(model->precision_choice(), text);
  EXPECT_EQ(Logits(*model), logits);
}

TEST_F(AdaptiveModelTest, AnotherPolicyIsAnotherChoice) {
  {
    const auto engine = Engine("int8");
    Choose(*Load(*engine));
  }
  const auto engine = Engine("auto");
  const auto model = Load(*engine);
  Choose(*model);
  EXPECT_EQ(reads_.load(), 2);
}

TEST_F(AdaptiveModelTest, AKeptChoiceThatIsDamagedIsMadeAgain) {
  {
    const auto engine = Engine("int8");
    Choose(*Load(*engine));
  }
  for (const auto& file :
       std::filesystem::directory_iterator(dir_.path() + "/precision")) {
    std::filesystem::resize_file(file, 10);
  }
  const auto engine = Engine("int8");
  const auto model = Load(*engine);
  Choose(*model);
  EXPECT_EQ(reads_.load(), 2);
  EXPECT_EQ(model->precision(), "int8");
}

TEST_F(AdaptiveModelTest, AKeptChoiceThatAnswersOtherwiseIsMadeAgain) {
  {
    const auto engine = Engine("int8");
    Choose(*Load(*engine));
  }
  // A record that is sound in itself, of a plan that computed something else.
  const std::string file = KeptFile();
  std::ifstream in(file);
  PrecisionRecord record =
      *ParseRecord(std::string(std::istreambuf_iterator<char>(in), {}));
  record.logits.front() += 1;
  std::ofstream(file) << FormatRecord(record);
  const std::int64_t dropped = FallbackCount(Fallback::kKeptChoiceDropped);
  const auto engine = Engine("int8");
  const auto model = Load(*engine);
  Choose(*model);
  EXPECT_EQ(reads_.load(), 2);
  EXPECT_EQ(FallbackCount(Fallback::kKeptChoiceDropped), dropped + 1);
  EXPECT_EQ(model->precision(), "int8");
  const auto again = Load(*engine);
  Choose(*again);
  EXPECT_EQ(reads_.load(), 2) << "the new choice holds";
  EXPECT_EQ(FallbackCount(Fallback::kKeptChoiceDropped), dropped + 1);
}

TEST_F(AdaptiveModelTest, AKeptCalibrationThatWasChangedIsMadeAgain) {
  {
    const auto engine = Engine("int8");
    Choose(*Load(*engine));
  }
  const std::string file = KeptFile();
  std::ifstream in(file);
  PrecisionRecord record =
      *ParseRecord(std::string(std::istreambuf_iterator<char>(in), {}));
  for (auto& [name, range] : record.calibration->ranges) {
    range /= 16;
  }
  std::ofstream(file) << FormatRecord(record);
  const auto engine = Engine("int8");
  Choose(*Load(*engine));
  EXPECT_EQ(reads_.load(), 2);
}

TEST_F(AdaptiveModelTest, AKeptCalibrationOfAnotherNetworkIsMadeAgain) {
  {
    const auto engine = Engine("int8");
    Choose(*Load(*engine));
  }
  const std::string file = KeptFile();
  std::ifstream in(file);
  PrecisionRecord record =
      *ParseRecord(std::string(std::istreambuf_iterator<char>(in), {}));
  record.calibration->ranges.erase(record.calibration->ranges.begin());
  record.calibration->ranges["another.conv1"] = 1;
  std::ofstream(file) << FormatRecord(record);
  const auto engine = Engine("int8");
  const auto model = Load(*engine);
  Choose(*model);
  EXPECT_EQ(reads_.load(), 2);
  EXPECT_EQ(model->precision(), "int8");
}

TEST_F(AdaptiveModelTest, MeasuringOnTrialChangesNothing) {
  const auto engine = Engine("fp32", /*with_pictures=*/false);
  const auto model = Load(*engine);
  FakeHost& host = Attach(*model);
  const auto report = Measure(*model, false);
  ASSERT_TRUE(report.ok()) << report.status();
  ASSERT_EQ(report->trials.size(), 3U);
  EXPECT_EQ(report->trials[2].precision, "int8");
  EXPECT_EQ(report->trials[2].pictures, 50);
  EXPECT_EQ(report->policy, "fp32");
  EXPECT_EQ(report->chosen, "fp32");
  EXPECT_EQ(model->precision(), "fp32");
  EXPECT_EQ(host.Await(0), 0) << "it chose";
  EXPECT_FALSE(std::filesystem::exists(dir_.path() + "/precision"));
}

TEST_F(AdaptiveModelTest, PicturesThatComeLaterBringInt8ForTheNextStartToo) {
  {
    const auto engine = Engine("int8", /*with_pictures=*/false);
    const auto model = Load(*engine);
    FakeHost& host = Choose(*model);
    EXPECT_NE(model->precision(), "int8");
    const auto report = Measure(*model, true);
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_EQ(report->chosen, "int8");
    EXPECT_EQ(model->precision(), "int8");
    EXPECT_EQ(host.Await(2), 2);
    // Once more, from int8: the version is read again for its float32.
    const int reads = host.reads();
    ASSERT_TRUE(Measure(*model, true).ok());
    EXPECT_EQ(host.reads(), reads + 1);
    EXPECT_EQ(model->precision(), "int8");
  }
  const auto engine = Engine("int8");
  const auto model = Load(*engine);
  Choose(*model);
  EXPECT_EQ(reads_.load(), 0) << "the choice of the pictures is kept";
  EXPECT_EQ(model->precision(), "int8");
}

TEST_F(AdaptiveModelTest, ChoosesAgainWhenItsPicturesCame) {
  const std::vector<Pixels> later = std::exchange(pictures_, {});
  const auto engine = Engine("int8");
  const auto model = Load(*engine);
  FakeHost& host = Choose(*model);
  EXPECT_NE(model->precision(), "int8");
  pictures_ = later;
  model->ChoosePrecisionAgain();
  EXPECT_EQ(host.Await(2), 2);
  EXPECT_EQ(model->precision(), "int8") << model->precision_choice();
  EXPECT_TRUE(host.refused().empty());
  // And from int8, with what was kept.
  model->ChoosePrecisionAgain();
  EXPECT_EQ(host.Await(3), 3);
  EXPECT_EQ(model->precision(), "int8");
  EXPECT_EQ(reads_.load(), 2);
}

TEST_F(AdaptiveModelTest, AModelThatMayNotChooseDoesNotChooseAgain) {
  const auto engine = Engine("fp32");
  const auto model = Load(*engine);
  FakeHost& host = Attach(*model);
  model->ChoosePrecisionAgain();
  ASSERT_TRUE(Measure(*model, true).ok());
  EXPECT_EQ(host.Await(0), 0);
  EXPECT_EQ(reads_.load(), 0);
}

TEST_F(AdaptiveModelTest, PicturesOfAnotherSizeAndNoneAreRefused) {
  const auto engine = Engine("auto");
  const auto model = Load(*engine);
  Choose(*model);
  const std::string before = model->precision_choice();
  pictures_.back() = FillPicture(17, 17, 0);
  const absl::Status status = Measure(*model, true).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("17x17, the network reads 16x16"));
  pictures_.clear();
  EXPECT_EQ(Measure(*model, true).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(model->precision_choice(), before);
}

TEST_F(AdaptiveModelTest, AMeasurementThatIsStoppedLeavesTheChoiceAsItWas) {
  const auto engine = Engine("auto");
  const auto model = Load(*engine);
  FakeHost& host = Choose(*model);
  const std::string before = model->precision_choice();
  const auto report =
      model->MeasurePrecisions(Real(), true, [] { return true; });
  EXPECT_EQ(report.status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(model->precision_choice(), before);
  EXPECT_EQ(host.Await(1), 1);
}

TEST_F(AdaptiveModelTest, AChoiceThatAMeasurementEndedIsMadeAfterIt) {
  const auto engine = Engine("int8");
  const auto model = Load(*engine);
  FakeHost& host = Attach(*model);
  ASSERT_TRUE(Measure(*model, false).ok());
  EXPECT_GE(host.Await(1), 1);
  EXPECT_EQ(model->precision(), "int8");
}

TEST_F(AdaptiveModelTest, PicturesThatComeWhileItIsMeasuredAreNotForgotten) {
  const auto engine = Engine("int8");
  const auto model = Load(*engine);
  FakeHost& host = Choose(*model);
  const auto beside = Load(*engine);
  bool came = false;
  const auto report = model->MeasurePrecisions(Real(), true, [&] {
    if (!std::exchange(came, true)) {
      model->ChoosePrecisionAgain();
      // One choice is made after the other: that of `model` was begun before.
      Choose(*beside);
    }
    return false;
  });
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(came);
  // Behind the choice that is owed.
  Choose(*Load(*engine));
  EXPECT_EQ(host.Await(0), 3) << "begun with, measured, and chosen again";
}

}  // namespace
}  // namespace resnetd
