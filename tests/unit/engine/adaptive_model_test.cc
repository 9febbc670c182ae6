#include "server/engine/adaptive_model.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <latch>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/base/thread.h"
#include "server/engine/agreement.h"
#include "server/engine/cpu_engine.h"
#include "server/engine/precision_record.h"
#include "server/models/choosing_model.h"
#include "server/models/golden.h"
#include "server/models/precision_report.h"
#include "server/models/weight_fill.h"
#include "tests/support/cpu_arithmetic.h"
#include "tests/support/filled_package.h"
#include "tests/support/temp_dir.h"

namespace resnetd {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::int64_t kPlenty = std::int64_t{1} << 30U;

// Who holds a model, with room for `limit` bytes of trials. Thread-safe.
class FakeHost final : public PrecisionHost {
 public:
  explicit FakeHost(std::int64_t limit = kPlenty) : limit_(limit) {}

  absl::StatusOr<std::unique_ptr<PrecisionRoom>> Book(
      std::int64_t bytes) override {
    booked_ = bytes;
    if (bytes > limit_) {
      return absl::ResourceExhaustedError("loading needs too much");
    }
    return std::make_unique<PrecisionRoom>();
  }
  void Chosen() override { ++times_; }

  std::int64_t booked() const { return booked_; }
  int times() const { return times_; }

 private:
  const std::int64_t limit_;
  std::atomic<std::int64_t> booked_{0};
  std::atomic<int> times_{0};
};

class AdaptiveModelTest : public testing::Test {
 protected:
  AdaptiveModelTest() {
    package_.facts.weights_sha256 = std::string(64, 'd');
    for (int i = 0; i < 8; ++i) {
      pictures_.push_back(FillPicture(16, 16, i));
    }
  }

  std::unique_ptr<ModelLoader> Engine(
      const std::string& precision, bool with_pictures = true,
      const std::map<std::string, std::string>& own = {}) {
    CpuEngineOptions options = {.threads = 1, .precision = precision};
    options.model_precisions = own;
    options.record_folder = dir_.path() + "/precision";
    if (with_pictures) {
      options.pictures.read = [this](const VersionFacts& version) {
        EXPECT_EQ(version.name.text(), "filled");
        EXPECT_EQ(version.preprocess, package_.facts.preprocess);
        ++reads_;
        return Real();
      };
      options.pictures.identity = [](const VersionFacts&) { return "eight"; };
    }
    auto engine = CreateCpuEngine(options);
    EXPECT_TRUE(engine.ok()) << engine.status();
    return *std::move(engine);
  }

  RealPictures Real() const {
    return {.pictures = pictures_, .classes = {}, .identity = "eight"};
  }

  std::unique_ptr<Model> Load(ModelLoader& engine) {
    auto model = engine.Load(package_, 4);
    EXPECT_TRUE(model.ok()) << model.status();
    return *std::move(model);
  }

  // Returns once the choice is made; the host lives as long as the model.
  FakeHost& Choose(Model& model, std::int64_t limit = kPlenty) const {
    std::latch chosen(1);
    FakeHost& host = Attach(model, limit);
    model.MayChoosePrecision([&chosen] { chosen.count_down(); });
    chosen.wait();
    EXPECT_EQ(host.times(), 1);
    return host;
  }
  FakeHost& Attach(Model& model, std::int64_t limit = kPlenty) const {
    auto host = std::make_unique<FakeHost>(limit);
    FakeHost& seen = *host;
    dynamic_cast<ChoosingModel&>(model).Attach(package_.facts, std::move(host));
    return seen;
  }

  // The one file of a kept choice.
  std::string KeptFile() const {
    std::string found;
    for (const auto& file :
         std::filesystem::directory_iterator(dir_.path() + "/precision")) {
      EXPECT_EQ(found, "") << "more than one file";
      found = file.path().string();
    }
    return found;
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
    EXPECT_LE(agreement.error, CpuHasExactInt8() ? 0.05 : 0.1);
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

TEST_F(AdaptiveModelTest, WithoutPicturesThereIsNoInt8AndItSaysWhy) {
  const auto engine = Engine("int8", /*with_pictures=*/false);
  const auto model = Load(*engine);
  Choose(*model);
  EXPECT_NE(model->precision(), "int8");
  EXPECT_THAT(model->precision_choice(), HasSubstr("no pictures"));
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
    const FakeHost& host = Choose(*model, 0);
    needed = host.booked();
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
  const auto engine = Engine("int8");
  const auto model = Load(*engine);
  Choose(*model);
  EXPECT_EQ(reads_.load(), 2);
  EXPECT_EQ(model->precision(), "int8");
  const auto again = Load(*engine);
  Choose(*again);
  EXPECT_EQ(reads_.load(), 2) << "the new choice holds";
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
              logits.ok() && Compare(floats, *logits, 10).error <= 0.1 ? 0 : 1;
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
    model->MayChoosePrecision([] {});
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

}  // namespace
}  // namespace resnetd
