// What a start does with choices that earlier ones kept: the version answers in
// that precision from the first picture.
#include "server/engine/kept_model.h"

#include <cstddef>
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
#include "server/models/ready_loader.h"
#include "tests/unit/engine/adaptive_model_fixture.h"

namespace resnetd {
namespace {

class ReadyModelTest : public AdaptiveModelTest {
 protected:
  ReadyModelTest() {
    const auto floats = Load(*Engine("fp32"));
    golden_ = *GoldenLogits(*floats, 16, 4);
    float_logits_ = Logits(*floats);
  }

  // An earlier start.
  void ChooseInt8() {
    const auto engine = Engine("int8");
    const auto model = Load(*engine);
    Choose(*model);
    EXPECT_EQ(model->precision(), "int8") << model->precision_choice();
    text_ = model->precision_choice();
    logits_ = Logits(*model);
  }

  ReadyModel LoadReady(ModelLoader& engine) {
    auto ready =
        dynamic_cast<ReadyLoader&>(engine).LoadReady(package_, golden_, 4);
    EXPECT_TRUE(ready.ok()) << ready.status();
    return *std::move(ready);
  }

  PrecisionRecord ReadRecord() const {
    std::ifstream in(KeptFile());
    return *ParseRecord(std::string(std::istreambuf_iterator<char>(in), {}));
  }
  void WriteRecord(const PrecisionRecord& record) const {
    std::ofstream(KeptFile()) << FormatRecord(record);
  }
  bool HasRecord() const {
    return !std::filesystem::is_empty(dir_.path() + "/precision");
  }

  // In float32.
  std::vector<float> golden_;
  std::vector<float> float_logits_;
  // Of the earlier start.
  std::string text_;
  std::vector<float> logits_;
};

TEST_F(ReadyModelTest, AnswersInTheKeptPrecisionFromTheFirstPicture) {
  ChooseInt8();
  const auto engine = Engine("int8");
  const ReadyModel ready = LoadReady(*engine);
  EXPECT_EQ(ready.model->precision(), "int8");
  EXPECT_EQ(ready.model->precision_choice(), text_);
  EXPECT_EQ(Logits(*ready.model), logits_);
  EXPECT_EQ(ready.golden, *GoldenLogits(*ready.model, 16, 4));
}

TEST_F(ReadyModelTest, TellsTheKeptChoiceAndTriesNothing) {
  ChooseInt8();
  const auto engine = Engine("int8");
  const ReadyModel ready = LoadReady(*engine);
  // No memory for a trial is none for float32 either: none is asked for.
  FakeHost& host = Attach(*ready.model, /*limit=*/0);
  EXPECT_EQ(host.Await(0), 1) << "told before the call returns";
  EXPECT_EQ(host.booked(), 0);
  EXPECT_EQ(host.reads(), 0);
  EXPECT_EQ(reads_.load(), 1) << "pictures were read again";
  EXPECT_EQ(ready.model->precision(), "int8");
}

TEST_F(ReadyModelTest, CanBeMeasuredAndChosenAgain) {
  ChooseInt8();
  const auto engine = Engine("int8");
  const ReadyModel ready = LoadReady(*engine);
  FakeHost& host = Choose(*ready.model);
  ASSERT_TRUE(Measure(*ready.model, true).ok());
  EXPECT_EQ(host.reads(), 1) << "for float32";
  EXPECT_GT(host.booked(), 0);
  EXPECT_EQ(host.Await(2), 2);
  ready.model->ChoosePrecisionAgain();
  EXPECT_EQ(host.Await(3), 3);
  EXPECT_EQ(ready.model->precision(), "int8");
}

TEST_F(ReadyModelTest, WithoutAChoiceItAnswersInFloat32AndChooses) {
  const auto engine = Engine("int8");
  const ReadyModel ready = LoadReady(*engine);
  EXPECT_EQ(ready.model->precision(), "fp32");
  EXPECT_EQ(ready.model->precision_choice(), "");
  EXPECT_EQ(Logits(*ready.model), float_logits_);
  EXPECT_EQ(ready.golden, golden_);
  Choose(*ready.model);
  EXPECT_EQ(ready.model->precision(), "int8");
}

TEST_F(ReadyModelTest, AnotherPolicyIsAnotherChoice) {
  ChooseInt8();
  for (const char* const policy : {"fp32", "auto"}) {
    const auto engine = Engine(policy);
    EXPECT_EQ(LoadReady(*engine).model->precision(), "fp32") << policy;
  }
}

TEST_F(ReadyModelTest, AnotherBatchSizeIsAnotherChoice) {
  ChooseInt8();
  const auto engine = Engine("int8");
  const auto ready =
      dynamic_cast<ReadyLoader&>(*engine).LoadReady(package_, golden_, 3);
  ASSERT_TRUE(ready.ok()) << ready.status();
  EXPECT_EQ(ready->model->precision(), "fp32");
}

TEST_F(ReadyModelTest, APlanThatAnswersOtherwiseThanWhenItWasChosenIsNotUsed) {
  ChooseInt8();
  PrecisionRecord record = ReadRecord();
  record.logits.front() += 1;
  WriteRecord(record);
  const auto engine = Engine("int8");
  const ReadyModel ready = LoadReady(*engine);
  EXPECT_EQ(ready.model->precision(), "fp32");
  EXPECT_EQ(Logits(*ready.model), float_logits_);
  EXPECT_FALSE(HasRecord());
  Choose(*ready.model);
  EXPECT_EQ(ready.model->precision(), "int8") << "chosen again";
  EXPECT_EQ(reads_.load(), 2);
}

TEST_F(ReadyModelTest, APlanThatDoesNotHoldToTheGoldenLogitsIsNotUsed) {
  ChooseInt8();
  // What another network answered.
  for (float& value : golden_) {
    value = -value;
  }
  const auto engine = Engine("int8");
  const ReadyModel ready = LoadReady(*engine);
  EXPECT_EQ(ready.model->precision(), "fp32");
  EXPECT_NE(ready.golden, golden_) << "for the caller to compare";
  EXPECT_FALSE(HasRecord());
}

TEST_F(ReadyModelTest, ACalibrationOfAnotherNetworkIsNotUsed) {
  ChooseInt8();
  PrecisionRecord record = ReadRecord();
  record.calibration->ranges.erase(record.calibration->ranges.begin());
  WriteRecord(record);
  const auto engine = Engine("int8");
  EXPECT_EQ(LoadReady(*engine).model->precision(), "fp32");
  EXPECT_FALSE(HasRecord());
}

TEST_F(ReadyModelTest, LargestBatchHasLimits) {
  const auto engine = Engine("int8");
  auto& loader = dynamic_cast<ReadyLoader&>(*engine);
  EXPECT_TRUE(loader.LoadReady(package_, golden_, 1).ok());
  for (const std::size_t max_batch :
       {std::size_t{0}, kLargestEngineBatch + 1}) {
    EXPECT_EQ(loader.LoadReady(package_, golden_, max_batch).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace resnetd
