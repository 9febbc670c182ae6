// What a start does with choices that earlier ones kept: the version answers in
// that precision from the first picture.
#include "server/engine/kept_model.h"

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/base/error.h"
#include "server/engine/precision_record.h"
#include "server/models/golden.h"
#include "server/models/model.h"
#include "tests/unit/engine/adaptive_model_fixture.h"

namespace resnetd {
namespace {

class StoredModelTest : public AdaptiveModelTest {
 protected:
  StoredModelTest() {
    const auto floats = Load(*Engine("fp32"));
    golden_.logits = *GoldenLogits(*floats, 16, 4);
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

  absl::StatusOr<std::unique_ptr<Model>> TryStored(ModelLoader& engine,
                                                   std::size_t max_batch = 4) {
    return engine.LoadStored(package_, golden_, max_batch,
                             [this] { ++loaded_; });
  }
  std::unique_ptr<Model> LoadStored(ModelLoader& engine) {
    auto model = TryStored(engine);
    EXPECT_TRUE(model.ok()) << model.status();
    EXPECT_EQ(std::exchange(loaded_, 0), 1);
    return *std::move(model);
  }
  // What another network answered, or one that noise makes answer otherwise.
  void TakeOtherGolden() {
    for (float& value : golden_.logits) {
      value = -value;
    }
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
  Golden golden_;
  std::vector<float> float_logits_;
  // Calls of `loaded`.
  int loaded_ = 0;
  // Of the earlier start.
  std::string text_;
  std::vector<float> logits_;
};

TEST_F(StoredModelTest, AnswersInTheKeptPrecisionFromTheFirstPicture) {
  ChooseInt8();
  const auto engine = Engine("int8");
  const auto model = LoadStored(*engine);
  EXPECT_EQ(model->precision(), "int8");
  EXPECT_EQ(model->precision_choice(), text_);
  EXPECT_EQ(Logits(*model), logits_);
  EXPECT_EQ(model->CheckGolden(golden_, 16, 4), absl::OkStatus());
}

TEST_F(StoredModelTest, TellsTheKeptChoiceAndTriesNothing) {
  ChooseInt8();
  const auto engine = Engine("int8");
  const auto model = LoadStored(*engine);
  // No memory for a trial is none for float32 either: none is asked for.
  FakeHost& host = Attach(*model, /*limit=*/0);
  EXPECT_EQ(host.Await(0), 1) << "told before the call returns";
  EXPECT_EQ(host.booked(), 0);
  EXPECT_EQ(host.reads(), 0);
  EXPECT_EQ(reads_.load(), 1) << "pictures were read again";
  EXPECT_EQ(model->precision(), "int8");
}

TEST_F(StoredModelTest, CanBeMeasuredAndChosenAgain) {
  ChooseInt8();
  const auto engine = Engine("int8");
  const auto model = LoadStored(*engine);
  FakeHost& host = Choose(*model);
  ASSERT_TRUE(Measure(*model, true).ok());
  EXPECT_EQ(host.reads(), 1) << "for float32";
  EXPECT_GT(host.booked(), 0);
  EXPECT_EQ(host.Await(2), 2);
  model->ChoosePrecisionAgain();
  EXPECT_EQ(host.Await(3), 3);
  EXPECT_EQ(model->precision(), "int8");
}

TEST_F(StoredModelTest, WithoutAChoiceItAnswersInFloat32AndChooses) {
  const auto engine = Engine("int8");
  const auto model = LoadStored(*engine);
  EXPECT_EQ(model->precision(), "fp32");
  EXPECT_EQ(model->precision_choice(), "");
  EXPECT_EQ(Logits(*model), float_logits_);
  EXPECT_EQ(*GoldenLogits(*model, 16, 4), golden_.logits);
  Choose(*model);
  EXPECT_EQ(model->precision(), "int8");
}

TEST_F(StoredModelTest, AnotherPolicyIsAnotherChoice) {
  ChooseInt8();
  for (const char* const policy : {"fp32", "auto"}) {
    const auto engine = Engine(policy);
    EXPECT_EQ(LoadStored(*engine)->precision(), "fp32") << policy;
  }
}

TEST_F(StoredModelTest, AnotherBatchSizeIsAnotherChoice) {
  ChooseInt8();
  const auto engine = Engine("int8");
  const auto model = TryStored(*engine, 3);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ((*model)->precision(), "fp32");
}

TEST_F(StoredModelTest, APlanThatAnswersOtherwiseThanWhenItWasChosenIsNotUsed) {
  ChooseInt8();
  PrecisionRecord record = ReadRecord();
  record.logits.front() += 1;
  WriteRecord(record);
  const auto engine = Engine("int8");
  const auto model = LoadStored(*engine);
  EXPECT_EQ(model->precision(), "fp32");
  EXPECT_EQ(Logits(*model), float_logits_);
  EXPECT_FALSE(HasRecord());
  Choose(*model);
  EXPECT_EQ(model->precision(), "int8") << "chosen again";
  EXPECT_EQ(reads_.load(), 2);
}

TEST_F(StoredModelTest, APlanThatAnswersNoiseFarFromFloat32IsUsedAgain) {
  ChooseInt8();
  TakeOtherGolden();
  const auto engine = Engine("int8");
  const auto model = LoadStored(*engine);
  EXPECT_EQ(model->precision(), "int8");
  EXPECT_EQ(Logits(*model), logits_);
  EXPECT_EQ(model->CheckGolden(golden_, 16, 4), absl::OkStatus());
  EXPECT_TRUE(HasRecord());
}

TEST_F(StoredModelTest, WithoutAChoiceItIsHeldToTheGoldenLogits) {
  TakeOtherGolden();
  const auto engine = Engine("int8");
  EXPECT_EQ(DetailsOf(TryStored(*engine).status()).reason, "GOLDEN_MISMATCH");
}

TEST_F(StoredModelTest, OnceChosenItIsHeldToWhatItAnsweredThen) {
  const auto engine = Engine("int8");
  const auto model = Load(*engine);
  const Golden other = {.logits = std::vector<float>(golden_.logits.size(), 1)};
  EXPECT_EQ(model->CheckGolden(golden_, 16, 4), absl::OkStatus());
  EXPECT_EQ(DetailsOf(model->CheckGolden(other, 16, 4)).reason,
            "GOLDEN_MISMATCH");
  Choose(*model);
  EXPECT_EQ(model->precision(), "int8");
  EXPECT_EQ(model->CheckGolden(golden_, 16, 4), absl::OkStatus());
  EXPECT_EQ(model->CheckGolden(other, 16, 4), absl::OkStatus());
}

TEST_F(StoredModelTest, ACalibrationOfAnotherNetworkIsNotUsed) {
  ChooseInt8();
  PrecisionRecord record = ReadRecord();
  record.calibration->ranges.erase(record.calibration->ranges.begin());
  WriteRecord(record);
  const auto engine = Engine("int8");
  EXPECT_EQ(LoadStored(*engine)->precision(), "fp32");
  EXPECT_FALSE(HasRecord());
}

TEST_F(StoredModelTest, LargestBatchHasLimits) {
  const auto engine = Engine("int8");
  EXPECT_TRUE(TryStored(*engine, 1).ok());
  for (const std::size_t max_batch :
       {std::size_t{0}, kLargestEngineBatch + 1}) {
    EXPECT_EQ(TryStored(*engine, max_batch).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace resnetd
