#include "server/engine/adaptive_model.h"

#include <atomic>
#include <cstddef>
#include <filesystem>
#include <latch>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/base/thread.h"
#include "server/engine/agreement.h"
#include "server/engine/cpu_engine.h"
#include "server/models/golden.h"
#include "server/models/weight_fill.h"
#include "tests/support/filled_package.h"
#include "tests/support/temp_dir.h"

namespace resnetd {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class AdaptiveModelTest : public testing::Test {
 protected:
  AdaptiveModelTest() {
    package_.facts.weights_sha256 = std::string(64, 'd');
    for (int i = 0; i < 8; ++i) {
      pictures_.push_back(FillPicture(16, 16, i));
    }
  }

  std::unique_ptr<ModelLoader> Engine(const std::string& precision,
                                      bool with_pictures = true) {
    CpuEngineOptions options = {.threads = 1, .precision = precision};
    options.record_folder = dir_.path() + "/precision";
    if (with_pictures) {
      options.pictures.read = [this](const ModelName& model,
                                     const PreprocessSpec& preprocess) {
        EXPECT_EQ(model.text(), "filled");
        EXPECT_EQ(preprocess, package_.facts.preprocess);
        ++reads_;
        return pictures_;
      };
      options.pictures.identity = [](const ModelName&) { return "eight"; };
    }
    auto engine = CreateCpuEngine(options);
    EXPECT_TRUE(engine.ok()) << engine.status();
    return *std::move(engine);
  }

  std::unique_ptr<Model> Load(ModelLoader& engine) {
    auto model = engine.Load(package_, 4);
    EXPECT_TRUE(model.ok()) << model.status();
    return *std::move(model);
  }

  // Returns once the choice is made.
  static void Choose(Model& model) {
    std::latch chosen(1);
    model.MayChoosePrecision([&chosen] { chosen.count_down(); });
    chosen.wait();
  }

  std::vector<float> Logits(const Model& model) const {
    return *model.Logits({&pictures_[0], &pictures_[1]});
  }

  TempDir dir_;
  ModelPackage package_ = FilledPackage("cifar_resnet8", 10, 16);
  std::vector<Pixels> pictures_;
  std::atomic<int> reads_{0};
};

TEST_F(AdaptiveModelTest, AnswersInFloat32UntilItMayChoose) {
  const auto floats = Load(*Engine("fp32"));
  const auto engine = Engine("int8");
  const auto model = Load(*engine);
  EXPECT_EQ(model->precision(), "fp32");
  EXPECT_EQ(model->precision_choice(), "");
  EXPECT_EQ(Logits(*model), Logits(*floats));
}

TEST_F(AdaptiveModelTest, GoesOverToWhatIsForcedWhenItAgrees) {
  const auto expected = Logits(*Load(*Engine("fp32")));
  for (const std::string precision : {"bf16", "int8"}) {
    const auto engine = Engine(precision);
    const auto model = Load(*engine);
    Choose(*model);
    EXPECT_EQ(model->precision(), precision) << model->precision_choice();
    EXPECT_THAT(model->precision_choice(), StartsWith(precision + " chosen"));
    const auto actual = Logits(*model);
    EXPECT_NE(actual, expected);
    const Agreement agreement = Compare(expected, actual, 10);
    EXPECT_EQ(agreement.same_top1, 2);
    EXPECT_LE(agreement.error, 0.05);
  }
}

TEST_F(AdaptiveModelTest, IsSmallerAfterwards) {
  const auto engine = Engine("int8");
  const auto model = Load(*engine);
  const std::int64_t before = model->resident_bytes();
  Choose(*model);
  EXPECT_LT(model->resident_bytes() * 2, before);
}

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

TEST_F(AdaptiveModelTest, WithoutPicturesInt8StaysFloat32AndSaysWhy) {
  const auto engine = Engine("int8", /*with_pictures=*/false);
  const auto model = Load(*engine);
  Choose(*model);
  EXPECT_EQ(model->precision(), "fp32");
  EXPECT_THAT(model->precision_choice(), HasSubstr("no pictures"));
}

TEST_F(AdaptiveModelTest, CallsGoOnWhileItSwitches) {
  const auto engine = Engine("int8");
  const auto model = Load(*engine);
  const auto floats = Logits(*model);
  std::atomic<bool> done{false};
  std::atomic<int> wrong{0};
  std::atomic<int> calls{0};
  {
    std::vector<Thread> callers;
    for (int t = 0; t < 2; ++t) {
      callers.emplace_back("caller", [&] {
        while (!done) {
          const auto logits = model->Logits({&pictures_[0], &pictures_[1]});
          ++calls;
          wrong +=
              logits.ok() && Compare(floats, *logits, 10).error <= 0.05 ? 0 : 1;
        }
      });
    }
    Choose(*model);
    done = true;
  }
  EXPECT_GT(calls.load(), 0);
  EXPECT_EQ(wrong.load(), 0);
  EXPECT_EQ(model->precision(), "int8");
}

TEST_F(AdaptiveModelTest, MayGoWhileItsChoiceIsMade) {
  const auto engine = Engine("auto");
  for (int i = 0; i < 5; ++i) {
    auto model = Load(*engine);
    model->MayChoosePrecision([] {});
    model.reset();
  }
}

TEST_F(AdaptiveModelTest, OutlivesTheEngineThatMadeIt) {
  auto engine = Engine("bf16");
  const auto model = Load(*engine);
  engine.reset();
  Choose(*model);
  EXPECT_EQ(model->precision(), "bf16");
}

TEST(CpuEnginePrecisionTest, AnUnknownPrecisionIsRefused) {
  const auto engine = CreateCpuEngine({.threads = 1, .precision = "fp8"});
  EXPECT_EQ(engine.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(engine.status().message()),
              HasSubstr("auto, fp32, bf16 and int8"));
}

}  // namespace
}  // namespace resnetd
