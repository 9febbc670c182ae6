#include "server/nn/device_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "server/base/error.h"
#include "server/models/golden.h"
#include "server/models/weight_fill.h"
#include "server/nn/torch_model.h"
#include "tests/support/fallback_count.h"
#include "tests/support/filled_package.h"
#include "tests/support/golden_logits.h"
#include "tests/unit/nn/scripted_stream.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::size_t kClasses = 10;
constexpr int kSide = 32;
constexpr std::size_t kMaxBatch = 4;

std::vector<Pixels> Pictures(std::size_t count) {
  std::vector<Pixels> pictures;
  for (std::size_t i = 0; i < count; ++i) {
    pictures.push_back(FillPicture(kSide, kSide, static_cast<int>(i)));
  }
  return pictures;
}

std::vector<const Pixels*> BatchOf(const std::vector<Pixels>& pictures) {
  std::vector<const Pixels*> batch;
  for (const Pixels& picture : pictures) {
    batch.push_back(&picture);
  }
  return batch;
}

// The normalised values of a picture, plane after plane.
std::vector<float> Normalised(const Pixels& picture,
                              const PreprocessSpec& spec) {
  const auto plane = static_cast<std::size_t>(kSide) * kSide;
  std::vector<float> values(3 * plane);
  for (std::size_t channel = 0; channel < 3; ++channel) {
    for (std::size_t at = 0; at < plane; ++at) {
      const float value =
          static_cast<float>(picture.rgb[3 * at + channel]) / 255.0F;
      values[channel * plane + at] =
          (value - spec.mean[channel]) / spec.std[channel];
    }
  }
  return values;
}

class DeviceModelTest : public testing::Test {
 protected:
  std::shared_ptr<DeviceExecutor> Executor() {
    return std::make_shared<DeviceExecutor>(
        std::make_unique<ScriptedStream>(script_), "gpu", [] {});
  }

  absl::StatusOr<std::unique_ptr<DeviceModel>> Create(
      const ModelPackage& package, DeviceModel::Options options) {
    return DeviceModel::Create(package, options, *loading_, serving_);
  }

  std::unique_ptr<DeviceModel> Make(DeviceModel::Options options = {
                                        .type = at::kFloat,
                                        .max_batch = kMaxBatch}) {
    auto model = Create(package_, options);
    EXPECT_TRUE(model.ok()) << model.status();
    return model.ok() ? *std::move(model) : nullptr;
  }

  // What the layers one by one answer.
  std::vector<float> Expected(const std::vector<Pixels>& pictures) {
    return TorchModel::Create(package_, c10::kCPU, 1)
        .value()
        ->Logits(BatchOf(pictures))
        .value();
  }

  static double Difference(const std::vector<float>& expected,
                           const std::vector<float>& actual) {
    EXPECT_EQ(expected.size(), actual.size());
    return expected.size() == actual.size()
               ? RelativeToScale({expected.begin(), expected.end()},
                                 actual.data())
               : std::numeric_limits<double>::infinity();
  }

  const ModelPackage package_ = FilledPackage("cifar_resnet8");
  const std::shared_ptr<DeviceScript> script_ =
      std::make_shared<DeviceScript>();
  std::shared_ptr<DeviceExecutor> loading_ = Executor();
  std::shared_ptr<DeviceExecutor> serving_ = Executor();
};

TEST_F(DeviceModelTest, AnswersBatchesOfEverySizeAsTheLayersOneByOneDo) {
  const auto model = Make();
  EXPECT_THAT(model->batch_sizes(), ElementsAre(1, 2, 4));
  // Up to twice the largest recording and one more: split into three.
  for (std::size_t count = 1; count <= 2 * kMaxBatch + 1; ++count) {
    const std::vector<Pixels> pictures = Pictures(count);
    const auto logits = model->Logits(BatchOf(pictures));
    ASSERT_TRUE(logits.ok()) << logits.status();
    EXPECT_LE(Difference(Expected(pictures), *logits), 1e-5) << count;
  }
}

TEST_F(DeviceModelTest, ReplaysWhatItRecordedAndComputesNothingElse) {
  const auto model = Make();
  const int records = script_->records;
  EXPECT_EQ(records, 3);
  const std::vector<Pixels> pictures = Pictures(3);
  for (int round = 1; round <= 5; ++round) {
    ASSERT_TRUE(model->Logits(BatchOf(pictures)).ok());
    EXPECT_EQ(script_->replays, round);
  }
  EXPECT_EQ(script_->records, records);
}

// What a larger batch left behind in the padding is seen by nobody.
TEST_F(DeviceModelTest, ABatchSeesNothingOfTheOneBefore) {
  const auto model = Make();
  const std::vector<Pixels> pictures = Pictures(4);
  const auto alone = model->Logits({&pictures[2]});
  ASSERT_TRUE(model->Logits(BatchOf(pictures)).ok());
  const auto again = model->Logits({&pictures[2]});
  EXPECT_EQ(*alone, *again);
  const auto three = model->Logits({&pictures[0], &pictures[1], &pictures[2]});
  ASSERT_TRUE(three.ok());
  EXPECT_LE(Difference(*alone, {three->begin() + 2 * kClasses, three->end()}),
            1e-6);
}

TEST_F(DeviceModelTest, GivesTheFeaturesThatTheLogitsAreMadeOf) {
  const auto model = Make();
  const auto layers = TorchModel::Create(package_, c10::kCPU, 1).value();
  const std::vector<Pixels> pictures = Pictures(3);
  std::vector<ModelInput> batch;
  for (const Pixels& picture : pictures) {
    batch.push_back({.pixels = &picture, .normalised = nullptr});
  }
  const auto expected = layers->Compute(batch, true);
  const auto with = model->Compute(batch, true);
  const auto without = model->Compute(batch, false);
  ASSERT_TRUE(with.ok()) << with.status();
  EXPECT_LE(Difference(expected->features, with->features), 1e-5);
  EXPECT_EQ(with->logits, without->logits);
  EXPECT_THAT(without->features, IsEmpty());
}

TEST_F(DeviceModelTest, TakesNormalisedValuesAlsoBesidePictures) {
  const auto model = Make();
  const std::vector<Pixels> pictures = Pictures(3);
  const std::vector<float> values =
      Normalised(pictures[1], package_.facts.preprocess);
  const std::vector<ModelInput> batch = {
      {.pixels = &pictures[0], .normalised = nullptr},
      {.pixels = nullptr, .normalised = &values},
      {.pixels = &pictures[2], .normalised = nullptr}};
  const auto output = model->Compute(batch, true);
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_LE(Difference(Expected(pictures), output->logits), 1e-5);
  EXPECT_EQ(script_->replays, 0);
}

TEST_F(DeviceModelTest, ComputesIn16BitsWhenToldTo) {
  EXPECT_EQ(Make()->precision(), "fp32");
  for (const auto& [type, name] :
       {std::pair{at::kBFloat16, "bf16"}, {at::kHalf, "fp16"}}) {
    const auto model = Make({.type = type, .max_batch = kMaxBatch});
    EXPECT_EQ(model->precision(), name);
    EXPECT_EQ(model->backend(), "torch");
    const std::vector<Pixels> pictures = Pictures(4);
    const auto logits = model->Logits(BatchOf(pictures));
    ASSERT_TRUE(logits.ok()) << logits.status();
    EXPECT_LE(Difference(Expected(pictures), *logits), GoldenTolerance(name));
    EXPECT_LT(model->resident_bytes(), Make()->resident_bytes());
  }
}

TEST_F(DeviceModelTest, AnswersAnEmptyBatchWithNothing) {
  const auto logits = Make()->Logits({});
  ASSERT_TRUE(logits.ok()) << logits.status();
  EXPECT_THAT(*logits, IsEmpty());
}

TEST_F(DeviceModelTest, RefusesAPictureOfAnotherSize) {
  const auto model = Make();
  const Pixels good = FillPicture(kSide, kSide);
  const Pixels bad = FillPicture(kSide, kSide + 1);
  const absl::Status status = model->Logits({&good, &bad}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("picture 1 of"));
  EXPECT_TRUE(model->Logits({&good}).ok());
}

TEST_F(DeviceModelTest, RefusesToAnswerWhatIsNotFinite) {
  ModelPackage package = FilledPackage("cifar_resnet8");
  absl::flat_hash_map<std::string, Tensor> tensors;
  for (const TensorSpec& spec : TensorSpecs(package.network)) {
    if (!spec.optional_counter) {
      tensors[spec.name] = package.weights.at(spec.name);
    }
  }
  tensors["fc.bias"].values.back() = std::numeric_limits<float>::quiet_NaN();
  package.weights = Weights::FromTensors(std::move(tensors));
  const auto model = Create(package, {.max_batch = 1});
  ASSERT_TRUE(model.ok()) << model.status();
  const Pixels picture = FillPicture(kSide, kSide);
  const absl::Status status = (*model)->Logits({&picture}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), HasSubstr("not finite"));
}

// In float32 nobody asks for them.
TEST_F(DeviceModelTest, ConvolutionsThatAreNotFusedAreCountedAndComputed) {
  script_->has_fused_kernels = true;
  const std::int64_t before = FallbackCount(Fallback::kUnfusedConvolutions);
  (void)Make();
  EXPECT_EQ(FallbackCount(Fallback::kUnfusedConvolutions), before);
  script_->runs_that_fail = 1;
  const auto model = Make({.type = at::kBFloat16, .max_batch = kMaxBatch});
  ASSERT_NE(model, nullptr);
  EXPECT_EQ(FallbackCount(Fallback::kUnfusedConvolutions), before + 1);
  const std::vector<Pixels> pictures = Pictures(4);
  const auto logits = model->Logits(BatchOf(pictures));
  ASSERT_TRUE(logits.ok()) << logits.status();
  EXPECT_LE(Difference(Expected(pictures), *logits), GoldenTolerance("bf16"));
}

TEST_F(DeviceModelTest, LeavesOutTheSizesThatTheMemoryIsTooSmallFor) {
  for (const auto& [without, expected] :
       {std::pair<int, std::vector<std::size_t>>{0, {1, 2, 4}},
        {1, {1, 2}},
        {2, {1}}}) {
    script_->records = 0;
    script_->records_without_memory = without;
    const std::int64_t before = FallbackCount(Fallback::kBatchSizeLeftOut);
    const auto model = Make();
    EXPECT_EQ(FallbackCount(Fallback::kBatchSizeLeftOut), before + without);
    EXPECT_EQ(std::vector<std::size_t>(model->batch_sizes().begin(),
                                       model->batch_sizes().end()),
              expected);
    const std::vector<Pixels> pictures = Pictures(5);
    const auto logits = model->Logits(BatchOf(pictures));
    ASSERT_TRUE(logits.ok()) << logits.status();
    EXPECT_LE(Difference(Expected(pictures), *logits), 1e-5) << without;
  }
}

TEST_F(DeviceModelTest, SaysHowMuchMemoryThereIsWhenNotOnePictureFits) {
  script_->records_without_memory = 3;
  const auto model = Create(package_, {.max_batch = kMaxBatch});
  EXPECT_EQ(model.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(DetailsOf(model.status()).reason, "MEMORY_ADMISSION");
  const std::string text(model.status().message());
  EXPECT_THAT(text, HasSubstr("a scripted GPU is too small for batches of 1 "
                              "with the network "));
  EXPECT_THAT(text, HasSubstr(" MiB are needed, 3 MiB of 64 MiB are free"));
  EXPECT_GE(script_->releases, 3);
}

TEST_F(DeviceModelTest, SaysSoWhenTheWeightsDoNotFit) {
  script_->runs_with_memory = 0;
  script_->runs_without_memory = 1;
  const auto model = Create(package_, {.max_batch = kMaxBatch});
  EXPECT_EQ(DetailsOf(model.status()).reason, "MEMORY_ADMISSION");
  EXPECT_THAT(std::string(model.status().message()),
              HasSubstr("a scripted GPU is too small for the weights of "));
  EXPECT_EQ(script_->releases, 1);
}

TEST_F(DeviceModelTest, SaysSoWhenWhatIsCopiedThroughDoesNotFit) {
  script_->buffers_without_memory = 1;
  const auto model = Create(package_, {.max_batch = kMaxBatch});
  EXPECT_EQ(DetailsOf(model.status()).reason, "MEMORY_ADMISSION");
  EXPECT_THAT(std::string(model.status().message()),
              HasSubstr("what batches of 4 are copied through for "));
}

TEST_F(DeviceModelTest, RecordsTheBatchSizesThatAreAllowed) {
  const auto model =
      Create(package_, {.max_batch = kMaxBatch, .batch_sizes = {3, 4}});
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_THAT((*model)->batch_sizes(), ElementsAre(3, 4));
  const std::vector<Pixels> pictures = Pictures(5);
  const auto logits = (*model)->Logits(BatchOf(pictures));
  ASSERT_TRUE(logits.ok()) << logits.status();
  EXPECT_LE(Difference(Expected(pictures), *logits), 1e-5);
}

// Halved once: what is still too large is refused.
TEST_F(DeviceModelTest, HalvesABatchThatTheMemoryIsTooSmallFor) {
  const auto model = Make();
  const std::vector<Pixels> pictures = Pictures(3);
  std::vector<std::vector<float>> values;
  for (const Pixels& picture : pictures) {
    values.push_back(Normalised(picture, package_.facts.preprocess));
  }
  std::vector<ModelInput> batch;
  for (const std::vector<float>& of_one : values) {
    batch.push_back({.pixels = nullptr, .normalised = &of_one});
  }
  const int releases = script_->releases;
  const std::int64_t before = FallbackCount(Fallback::kBatchHalved);
  script_->runs_with_memory = script_->runs;
  script_->runs_without_memory = 1;
  const auto output = model->Compute(batch, false);
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_EQ(FallbackCount(Fallback::kBatchHalved), before + 1);
  EXPECT_LE(Difference(Expected(pictures), output->logits), 1e-5);
  EXPECT_EQ(script_->releases, releases + 1);

  script_->runs_with_memory = script_->runs;
  script_->runs_without_memory = 2;
  EXPECT_EQ(model->Compute(batch, false).status().code(),
            absl::StatusCode::kResourceExhausted);
  script_->runs_with_memory = script_->runs;
  script_->runs_without_memory = 1;
  EXPECT_EQ(model->Compute(absl::MakeConstSpan(batch).first(1), false)
                .status()
                .code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(FallbackCount(Fallback::kBatchHalved), before + 2)
      << "one picture has no halves";
}

TEST_F(DeviceModelTest, ASlotIsFreeWhenNothingOfAFailedBatchRunsAnyMore) {
  const auto model = Make();
  const std::vector<Pixels> pictures = Pictures(2);
  const std::vector<const Pixels*> batch = BatchOf(pictures);
  const int waits = script_->waits;
  // The copy to the device and the replay were enqueued before.
  script_->downloads_that_fail = 1;
  EXPECT_EQ(model->Logits(batch).status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(script_->waits, waits + 1);
  const auto logits = model->Logits(batch);
  ASSERT_TRUE(logits.ok()) << logits.status();
  EXPECT_LE(Difference(Expected(pictures), *logits), 1e-5);
}

TEST_F(DeviceModelTest, ABrokenDeviceAnswersNobodyAnyMore) {
  const auto model = Make();
  const auto other = Make();
  const Pixels picture = FillPicture(kSide, kSide);
  script_->works = false;
  script_->fails_on_wait = true;
  EXPECT_EQ(model->Logits({&picture}).status().code(),
            absl::StatusCode::kUnavailable);
  script_->works = true;
  script_->fails_on_wait = false;
  EXPECT_EQ(model->Logits({&picture}).status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(other->Logits({&picture}).status().code(),
            absl::StatusCode::kUnavailable);
}

TEST_F(DeviceModelTest, AnswersManyCallersAtOnceEachWithItsOwn) {
  constexpr std::size_t kCallers = 5;
  const auto model = Make();
  const auto loaded_beside = Make();
  const std::vector<Pixels> pictures = Pictures(kCallers);
  std::vector<std::vector<float>> expected;
  for (const Pixels& picture : pictures) {
    expected.push_back(model->Logits({&picture}).value());
  }
  std::vector<std::jthread> callers;
  for (std::size_t i = 0; i < kCallers; ++i) {
    callers.emplace_back([&, i] {
      const DeviceModel& mine = i % 2 == 0 ? *model : *loaded_beside;
      for (int round = 0; round < 20; ++round) {
        const auto logits = mine.Logits({&pictures[i]});
        ASSERT_TRUE(logits.ok()) << logits.status();
        EXPECT_EQ(*logits, expected[i]);
      }
    });
  }
}

}  // namespace
}  // namespace resnetd
