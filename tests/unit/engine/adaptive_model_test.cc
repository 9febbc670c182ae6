#include "server/engine/adaptive_model.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/base/mutex.h"
#include "server/base/thread.h"
#include "server/engine/agreement.h"
#include "server/engine/cpu_engine.h"
#include "server/engine/precision_record.h"
#include "server/models/architecture.h"
#include "server/models/golden.h"
#include "server/models/precision_host.h"
#include "server/models/precision_report.h"
#include "server/models/weight_fill.h"
#include "server/models/weights.h"
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
  FakeHost(const ModelPackage& package, std::int64_t limit)
      : package_(package), limit_(limit) {}

  absl::StatusOr<std::unique_ptr<PrecisionRoom>> Book(
      std::int64_t bytes) override {
    booked_ = bytes;
    if (bytes > limit_) {
      return absl::ResourceExhaustedError("loading needs too much");
    }
    return std::make_unique<PrecisionRoom>();
  }
  absl::StatusOr<ModelPackage> Read() override {
    ++reads_;
    return package_;
  }
  void Chosen(const std::vector<PrecisionFigures>& refused) override {
    const MutexLock lock(mutex_);
    refused_ = refused;
    ++times_;
    chosen_.NotifyAll();
  }

  std::int64_t booked() const { return booked_; }
  int reads() const { return reads_; }
  // Waits for so many choices, and answers how many there were.
  int Await(int times) ABSL_LOCKS_EXCLUDED(mutex_) {
    const MutexLock lock(mutex_);
    while (times_ < times) {
      chosen_.Wait(mutex_);
    }
    return times_;
  }
  // Of the last choice.
  std::vector<PrecisionFigures> refused() ABSL_LOCKS_EXCLUDED(mutex_) {
    const MutexLock lock(mutex_);
    return refused_;
  }

 private:
  const ModelPackage& package_;
  const std::int64_t limit_;
  std::atomic<std::int64_t> booked_{0};
  std::atomic<int> reads_{0};
  Mutex mutex_;
  CondVar chosen_;
  int times_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<PrecisionFigures> refused_ ABSL_GUARDED_BY(mutex_);
};

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

class AdaptiveModelTest : public testing::Test {
 protected:
  AdaptiveModelTest() {
    package_.facts.weights_sha256 = std::string(64, 'd');
    TakePictures(kLeastRealPictures);
  }

  // Eight, again and again.
  void TakePictures(std::size_t count) {
    pictures_.clear();
    for (std::size_t i = 0; i < count; ++i) {
      pictures_.push_back(FillPicture(16, 16, static_cast<int>(i % 8)));
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
      options.pictures.identity = [this](const VersionFacts&) {
        return Real().identity;
      };
    }
    auto engine = CreateCpuEngine(options);
    EXPECT_TRUE(engine.ok()) << engine.status();
    return *std::move(engine);
  }

  RealPictures Real() const {
    return {
        .pictures = pictures_,
        .classes = {},
        .identity = pictures_.empty() ? "" : absl::StrCat(pictures_.size())};
  }

  std::unique_ptr<Model> Load(ModelLoader& engine) {
    auto model = engine.Load(package_, 4);
    EXPECT_TRUE(model.ok()) << model.status();
    return *std::move(model);
  }

  // The host lives as long as the model.
  FakeHost& Attach(Model& model, std::int64_t limit = kPlenty) const {
    auto host = std::make_unique<FakeHost>(package_, limit);
    FakeHost& seen = *host;
    model.MayChoosePrecision(package_.facts, std::move(host));
    return seen;
  }
  // Returns once the choice is made.
  FakeHost& Choose(Model& model, std::int64_t limit = kPlenty) const {
    FakeHost& host = Attach(model, limit);
    EXPECT_EQ(host.Await(1), 1);
    return host;
  }
  absl::StatusOr<PrecisionReport> Measure(Model& model, bool use) const {
    return model.MeasurePrecisions(Real(), use, [] { return false; });
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
       {kLeastRealPictures - 1, kLeastRealPictures, kLeastRealPictures + 1}) {
    TakePictures(count);
    const auto engine = Engine("int8");
    const auto model = Load(*engine);
    FakeHost& host = Choose(*model);
    if (count >= kLeastRealPictures) {
      EXPECT_EQ(model->precision(), "int8") << model->precision_choice();
      continue;
    }
    EXPECT_NE(model->precision(), "int8");
    EXPECT_THAT(model->precision_choice(),
                HasSubstr("49 pictures to calibrate with, at least 50"));
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

}  // namespace
}  // namespace resnetd
