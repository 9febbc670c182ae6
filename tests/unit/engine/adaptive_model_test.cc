#include "server/engine/adaptive_model.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/base/thread.h"
#include "server/engine/agreement.h"
#include "server/engine/cpu_engine.h"
#include "server/image/preprocess.h"
#include "server/models/architecture.h"
#include "server/models/model_package.h"
#include "server/models/picture_split.h"
#include "server/models/precision_report.h"
#include "server/models/weights.h"
#include "tests/support/cpu_arithmetic.h"
#include "tests/support/digits.h"
#include "tests/support/fallback_count.h"
#include "tests/support/filled_package.h"
#include "tests/unit/engine/adaptive_model_fixture.h"

namespace resnetd {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// With weights of which every logit is beyond float32.
ModelPackage Overflowing() {
  ModelPackage package = FilledPackage("cifar_resnet8", 10, 16);
  absl::flat_hash_map<std::string, Tensor> tensors;
  for (const TensorSpec& spec : TensorSpecs(package.network)) {
    if (!spec.optional_counter) {
      tensors.emplace(spec.name, package.weights.at(spec.name));
    }
  }
  for (const char* const name : {"fc.weight", "fc.bias"}) {
    for (float& value : tensors.at(name).values) {
      value = 3e38F;
    }
  }
  package.weights = Weights::FromTensors(std::move(tensors));
  return package;
}

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
    if (precision == "bf16" && !CpuHasBfloat16()) {
      EXPECT_EQ(model->precision(), "fp32");
      EXPECT_THAT(model->precision_choice(), HasSubstr("no such arithmetic"));
      continue;
    }
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

TEST_F(AdaptiveModelTest, WithoutPicturesThereIsNoInt8AndItSaysWhy) {
  const auto engine = Engine("int8", /*with_pictures=*/false);
  const auto model = Load(*engine);
  FakeHost& host = Choose(*model);
  EXPECT_NE(model->precision(), "int8");
  EXPECT_THAT(model->precision_choice(), HasSubstr("no pictures"));
  const std::vector<PrecisionFigures> refused = host.refused();
  ASSERT_FALSE(refused.empty());
  EXPECT_EQ(refused.front().precision, "int8");
  EXPECT_EQ(refused.front().objection, PrecisionObjection::kNoPictures);
}

TEST_F(AdaptiveModelTest, TooFewPicturesAreRefusedWithHowManyAreNeeded) {
  for (const std::size_t count :
       {kLeastToQuantise - 1, kLeastToQuantise, kLeastToQuantise + 1}) {
    TakePictures(count);
    const auto engine = Engine("int8");
    const auto model = Load(*engine);
    FakeHost& host = Choose(*model);
    if (count >= kLeastToQuantise) {
      EXPECT_EQ(model->precision(), "int8") << model->precision_choice();
      continue;
    }
    EXPECT_NE(model->precision(), "int8");
    EXPECT_THAT(model->precision_choice(),
                HasSubstr("79 real pictures, at least 80 are needed: 30 to "
                          "calibrate with, 50 to judge by"));
    EXPECT_EQ(host.refused().at(0).objection,
              PrecisionObjection::kTooFewPictures);
  }
}

TEST_F(AdaptiveModelTest, LogitsThatAreNotFiniteLeaveItInFloat32) {
  package_.weights = Overflowing().weights;
  const auto engine = Engine("auto");
  const auto model = Load(*engine);
  FakeHost& host = Choose(*model);
  EXPECT_EQ(model->precision(), "fp32");
  EXPECT_THAT(model->precision_choice(),
              StartsWith("fp32 chosen; others could not be tried: "));
  EXPECT_THAT(model->precision_choice(), HasSubstr("not finite"));
  const std::vector<PrecisionFigures> refused = host.refused();
  ASSERT_EQ(refused.size(), 2U);
  EXPECT_EQ(refused.at(1).objection, PrecisionObjection::kFailed);
  EXPECT_EQ(Measure(*model, true).status().code(), absl::StatusCode::kInternal);
  EXPECT_FALSE(std::filesystem::exists(dir_.path() + "/precision"))
      << "nothing is kept of it";
}

TEST_F(AdaptiveModelTest, AModelOfItsOwnPolicyIsNotServedByTheOther) {
  const auto engine = Engine("fp32", true, {{"filled", "int8"}});
  const auto model = Load(*engine);
  Choose(*model);
  EXPECT_EQ(model->precision(), "int8");
  EXPECT_THAT(engine->description(), HasSubstr("precision fp32, filled int8"));
  const auto others = Engine("int8", true, {{"another", "fp32"}});
  const auto other = Load(*others);
  Choose(*other);
  EXPECT_EQ(other->precision(), "int8");
}

TEST_F(AdaptiveModelTest, NothingIsTriedForWhichThereIsNoMemory) {
  const auto engine = Engine("auto");
  std::int64_t needed = 0;
  {
    const auto model = Load(*engine);
    FakeHost& host = Choose(*model, 0);
    needed = host.booked();
    ASSERT_EQ(host.refused().size(), 2U);
    EXPECT_EQ(host.refused().at(0).objection, PrecisionObjection::kNoMemory);
    EXPECT_GT(needed, 0);
    EXPECT_EQ(model->precision(), "fp32");
    EXPECT_THAT(model->precision_choice(), HasSubstr("no memory"));
    EXPECT_EQ(reads_.load(), 0);
  }
  const auto one_less = Load(*engine);
  Choose(*one_less, needed - 1);
  EXPECT_EQ(reads_.load(), 0);
  const auto enough = Load(*engine);
  Choose(*enough, needed);
  EXPECT_EQ(reads_.load(), 1);
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
    Attach(*model);
    model.reset();
  }
}

TEST_F(AdaptiveModelTest, OutlivesTheEngineThatMadeIt) {
  auto engine = Engine("int8");
  const auto model = Load(*engine);
  engine.reset();
  Choose(*model);
  EXPECT_EQ(model->precision(), "int8") << model->precision_choice();
}

TEST(CpuEnginePrecisionTest, AnUnknownPrecisionIsRefused) {
  const auto engine = CreateCpuEngine({.threads = 1, .precision = "fp8"});
  EXPECT_EQ(engine.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(engine.status().message()),
              HasSubstr("auto, fp32, bf16 and int8"));
}

// Real digits, of which those that calibrate are paler than those that are
// asked for.
TEST_F(AdaptiveModelTest, Int8ThatCutsOffManyActivationsSaysSoAtEachLoad) {
  const std::string source = RESNETD_SOURCE_DIR;
  const ModelName name = package_.facts.name;
  package_ = *ReadModelFolder(source + "/models/digits");
  package_.facts.name = name;
  const Digits digits = ReadDigits(source + "/data/digits");
  const PictureSplit split = SplitPictures(kLeastToQuantise);
  for (const double contrast : {1.0, 0.5}) {
    pictures_.clear();
    for (std::size_t i = 0; i < kLeastToQuantise; ++i) {
      pictures_.push_back(ResizeAndCrop(digits.pictures[digits.held_out[i]],
                                        package_.facts.preprocess));
    }
    for (const std::size_t i : split.calibrating) {
      for (std::uint8_t& value : pictures_[i].rgb) {
        value = static_cast<std::uint8_t>(128 + contrast * (value - 128));
      }
    }
    std::filesystem::remove_all(dir_.path() + "/precision");
    const std::int64_t before = FallbackCount(Fallback::kInt8Clips);
    for (int load = 1; load <= 2; ++load) {
      const auto engine = Engine("int8");
      const auto model = Load(*engine);
      Choose(*model);
      ASSERT_EQ(model->precision(), "int8") << model->precision_choice();
      EXPECT_THAT(model->precision_choice(), HasSubstr("cuts off "));
      EXPECT_EQ(FallbackCount(Fallback::kInt8Clips),
                before + (contrast < 1 ? load : 0))
          << model->precision_choice();
    }
  }
}

}  // namespace
}  // namespace resnetd
