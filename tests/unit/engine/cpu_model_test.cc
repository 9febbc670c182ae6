#include "server/engine/cpu_model.h"

#include <sys/resource.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <latch>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/base/error.h"
#include "server/base/thread.h"
#include "server/engine/cpu_engine.h"
#include "server/engine/normalisation.h"
#include "server/image/pixels.h"
#include "server/models/feature_extractor.h"
#include "server/models/model.h"
#include "server/models/weight_fill.h"
#include "tests/support/filled_package.h"
#include "tests/support/golden_logits.h"
#include "tests/support/naive_network.h"

namespace resnetd {
namespace {

using ::testing::HasSubstr;

// Of the logits' scale.
constexpr double kTolerance = 1e-5;

std::unique_ptr<Model> LoadModel(const ModelPackage& package,
                                 std::size_t max_batch, int threads = 1) {
  auto engine = CreateCpuEngine({.threads = threads});
  EXPECT_TRUE(engine.ok()) << engine.status();
  auto model = (*engine)->Load(package, max_batch);
  EXPECT_TRUE(model.ok()) << model.status();
  return *std::move(model);
}

std::vector<Pixels> Pictures(int crop, int count) {
  std::vector<Pixels> pictures;
  for (int i = 0; i < count; ++i) {
    pictures.push_back(FillPicture(crop, crop, i));
  }
  return pictures;
}

std::vector<const Pixels*> Pointers(const std::vector<Pixels>& pictures,
                                    std::size_t count) {
  std::vector<const Pixels*> pointers;
  for (std::size_t i = 0; i < count; ++i) {
    pointers.push_back(&pictures[i]);
  }
  return pointers;
}

class GoldenTest : public testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(All, GoldenTest,
                         testing::Values("resnet18", "resnet34", "resnet50",
                                         "resnet101", "resnet152",
                                         "wide_resnet50_2", "wide_resnet101_2",
                                         "resnext50_32x4d", "resnext101_32x8d",
                                         "resnext101_64x4d", "resnet18_v2",
                                         "resnet50_v2", "cifar_resnet8",
                                         "cifar_resnet20", "cifar_resnet20_v2"),
                         [](const auto& row) { return row.param; });

TEST_P(GoldenTest, LogitsEqualTheReferenceAloneAndInABatch) {
  const std::vector<std::vector<double>> golden = ReadGoldenLogits(GetParam());
  ASSERT_EQ(golden.size(), 2U);
  const ModelPackage package = FilledPackage(GetParam());
  const std::vector<Pixels> pictures =
      Pictures(package.facts.preprocess.crop, 2);
  const std::unique_ptr<Model> model = LoadModel(package, 3, /*threads=*/2);

  const std::size_t classes = golden[0].size();
  const auto single = model->Logits({&pictures[1]});
  ASSERT_TRUE(single.ok()) << single.status();
  ASSERT_EQ(single->size(), classes);
  const double difference = RelativeToScale(golden[1], single->data());
  EXPECT_LE(difference, kTolerance);
  // For who wants the figure: --gtest_output=json:FILE.
  RecordProperty("difference", absl::StrCat(difference));

  const auto batch = model->Logits({&pictures[1], &pictures[0], &pictures[1]});
  ASSERT_TRUE(batch.ok()) << batch.status();
  ASSERT_EQ(batch->size(), 3 * classes);
  for (std::size_t row = 0; row < 3; ++row) {
    EXPECT_LE(RelativeToScale(golden[row == 1 ? 0 : 1],
                              batch->data() + row * classes),
              kTolerance)
        << "row " << row;
  }
}

struct OddCase {
  std::string name;
  int classes;
  int crop;
};

class OddSizeTest : public testing::TestWithParam<OddCase> {};

// The smallest picture, sides that no vector length divides, one class, more
// classes than a vector.
INSTANTIATE_TEST_SUITE_P(All, OddSizeTest,
                         testing::Values(OddCase{"cifar_resnet8", 1, 8},
                                         OddCase{"cifar_resnet8", 3, 9},
                                         OddCase{"cifar_resnet14", 17, 31},
                                         OddCase{"cifar_resnet14_v2", 2, 13},
                                         OddCase{"resnet18", 5, 33},
                                         OddCase{"resnet18_v2", 7, 37},
                                         OddCase{"resnet50_v2", 3, 8},
                                         OddCase{"resnext50_32x4d", 4, 39},
                                         OddCase{"resnext50_32x4d_v2", 4, 16}),
                         [](const auto& row) {
                           return absl::StrCat(row.param.name, "_",
                                               row.param.classes, "_",
                                               row.param.crop);
                         });

TEST_P(OddSizeTest, LogitsEqualAPlainEvaluation) {
  const auto& [name, classes, crop] = GetParam();
  const ModelPackage package = FilledPackage(name, classes, crop);
  const std::vector<Pixels> pictures = Pictures(crop, 2);
  const std::unique_ptr<Model> model = LoadModel(package, 2);
  const auto logits = model->Logits(Pointers(pictures, 2));
  ASSERT_TRUE(logits.ok()) << logits.status();
  const auto width = static_cast<std::size_t>(classes);
  ASSERT_EQ(logits->size(), 2 * width);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_LE(RelativeToScale(NaiveNetwork(package).Logits(pictures[i]),
                              logits->data() + i * width),
              kTolerance);
  }
}

class ComputeTest : public testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(All, ComputeTest,
                         testing::Values("resnet18", "resnet50", "resnet18_v2",
                                         "cifar_resnet14_v2"),
                         [](const auto& row) { return row.param; });

TEST_P(ComputeTest, FeaturesAreWhatTheHeadReadsAndLogitsStayTheSame) {
  const int crop = 33;
  const ModelPackage package = FilledPackage(GetParam(), 10, crop);
  const NaiveNetwork naive(package);
  const std::vector<Pixels> pictures = Pictures(crop, 3);
  const auto model = LoadModel(package, 3);
  std::vector<ModelInput> inputs;
  for (const Pixels& picture : pictures) {
    inputs.push_back({.pixels = &picture, .normalised = nullptr});
  }
  const auto output = model->Compute(inputs, /*want_features=*/true);
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_EQ(output->logits, *model->Logits(Pointers(pictures, 3)));
  const auto channels =
      static_cast<std::size_t>(package.network.head.in_features);
  ASSERT_EQ(output->features.size(), 3 * channels);
  for (std::size_t i = 0; i < 3; ++i) {
    const std::vector<double> expected =
        naive.Features(pictures[i], StageCount(package.network));
    ASSERT_EQ(expected.size(), channels);
    EXPECT_LE(RelativeToScale(expected, output->features.data() + i * channels),
              kTolerance)
        << i;
  }
  const auto plain = model->Compute(inputs, /*want_features=*/false);
  EXPECT_TRUE(plain->features.empty());
}

TEST_P(ComputeTest, APictureNormalisedBeforeGivesTheSameBits) {
  const int crop = 33;
  const ModelPackage package = FilledPackage(GetParam(), 10, crop);
  const std::vector<Pixels> pictures = Pictures(crop, 2);
  std::vector<float> planes(3 * crop * crop);
  Normalisation(package.facts.preprocess)
      .Write(pictures[1], PictureLayout::kPlanes, planes.data());
  const auto model = LoadModel(package, 2);
  const auto mixed =
      model->Compute({{.pixels = pictures.data(), .normalised = nullptr},
                      {.pixels = nullptr, .normalised = &planes}},
                     false);
  ASSERT_TRUE(mixed.ok()) << mixed.status();
  EXPECT_EQ(mixed->logits, *model->Logits(Pointers(pictures, 2)));
  planes.pop_back();
  EXPECT_EQ(model->Compute({{.pixels = nullptr, .normalised = &planes}}, false)
                .status()
                .code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(CpuModelTest, SaysWhatItIs) {
  const auto model = LoadModel(FilledPackage("cifar_resnet8", 10, 8), 1);
  EXPECT_EQ(model->precision(), "fp32");
  EXPECT_EQ(model->backend(), "engine");
}

TEST(CpuModelTest, EveryBatchSizeUpToTheLargestAnswersTheSame) {
  constexpr std::size_t kLargest = 9;
  const ModelPackage package = FilledPackage("cifar_resnet8");
  const std::vector<Pixels> pictures = Pictures(32, kLargest);
  const auto model = LoadModel(package, kLargest);
  const auto all = model->Logits(Pointers(pictures, kLargest));
  ASSERT_TRUE(all.ok());
  for (std::size_t batch = 1; batch <= kLargest; ++batch) {
    const auto logits = model->Logits(Pointers(pictures, batch));
    ASSERT_TRUE(logits.ok()) << logits.status();
    ASSERT_EQ(logits->size(), batch * 10);
    for (std::size_t i = 0; i < batch; ++i) {
      const float* row = all->data() + 10 * i;
      const std::vector<double> expected(row, row + 10);
      EXPECT_LE(RelativeToScale(expected, logits->data() + 10 * i), 1e-6)
          << "picture " << i << " of " << batch;
    }
  }
}

TEST(CpuModelTest, BatchesHaveLimits) {
  const auto model = LoadModel(FilledPackage("cifar_resnet8", 10, 8), 2);
  const std::vector<Pixels> pictures = Pictures(8, 3);
  EXPECT_TRUE(model->Logits(Pointers(pictures, 2)).ok());
  for (const std::size_t count : {std::size_t{0}, std::size_t{3}}) {
    const absl::Status status =
        model->Logits(Pointers(pictures, count)).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(DetailsOf(status).reason, "LIMIT_EXCEEDED");
    EXPECT_THAT(std::string(status.message()),
                HasSubstr(absl::StrCat("batch has ", count,
                                       " pictures, the model is prepared for "
                                       "1 to 2")));
  }
}

TEST(CpuModelTest, RefusesPicturesOfAnotherSize) {
  const auto model = LoadModel(FilledPackage("cifar_resnet8", 10, 16), 2);
  const Pixels right = FillPicture(16, 16);
  Pixels short_of_bytes = right;
  short_of_bytes.rgb.pop_back();
  for (const Pixels& wrong : {FillPicture(15, 16), FillPicture(16, 17),
                              FillPicture(8, 32), Pixels{}, short_of_bytes}) {
    const absl::Status status = model->Logits({&right, &wrong}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(DetailsOf(status).reason, "REQUEST_INVALID");
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("the network reads 16x16"));
    EXPECT_THAT(std::string(status.message()), HasSubstr("picture 1 "));
  }
  EXPECT_TRUE(model->Logits({&right, &right}).ok());
}

// A network whose logits overflow.
ModelPackage Overflowing() {
  ModelPackage package = FilledPackage("cifar_resnet8", 10, 8);
  absl::flat_hash_map<std::string, Tensor> tensors;
  for (const TensorSpec& spec : TensorSpecs(package.network)) {
    if (!spec.optional_counter) {
      tensors[spec.name] = package.weights.at(spec.name);
    }
  }
  for (float& value : tensors["fc.weight"].values) {
    value = std::numeric_limits<float>::max();
  }
  package.weights = Weights::FromTensors(std::move(tensors));
  return package;
}

TEST(CpuModelTest, ALogitThatIsNotFiniteIsAnError) {
  const auto model = LoadModel(Overflowing(), 1);
  const Pixels picture = FillPicture(8, 8);
  const absl::Status status = model->Logits({&picture}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), HasSubstr("is not finite"));
}

TEST(CpuModelTest, ManyThreadsAtOnceGetTheSameAsOneAfterTheOther) {
  constexpr std::size_t kThreads = 4;
  constexpr int kRounds = 20;
  const ModelPackage package = FilledPackage("cifar_resnet14");
  const std::vector<Pixels> pictures = Pictures(32, kThreads);
  std::vector<std::vector<float>> expected;
  for (std::size_t batch = 1; batch <= kThreads; ++batch) {
    expected.push_back(
        *LoadModel(package, kThreads, 1)->Logits(Pointers(pictures, batch)));
  }
  // Plans of 2 and 3 do not exist yet: several threads want them first.
  const auto model = LoadModel(package, kThreads, 1);
  std::latch start(kThreads);
  std::vector<int> wrong(kThreads);
  {
    std::vector<Thread> threads;
    for (std::size_t t = 0; t < kThreads; ++t) {
      threads.emplace_back(absl::StrCat("caller-", t), [&, t] {
        start.arrive_and_wait();
        for (int round = 0; round < kRounds; ++round) {
          const std::size_t batch =
              1 + (t + static_cast<std::size_t>(round)) % kThreads;
          const auto logits = model->Logits(Pointers(pictures, batch));
          wrong[t] += logits.ok() && *logits == expected[batch - 1] ? 0 : 1;
        }
      });
    }
  }
  EXPECT_EQ(wrong, std::vector<int>(kThreads, 0));
}

TEST(CpuModelTest, ResidentBytesAreWeightsAndWorkspaces) {
  const ModelPackage package = FilledPackage("resnet18", 1000, 64);
  const auto model = LoadModel(package, 2);
  // 11.69 M parameters less 4800 pairs of scale and shift, plus their biases.
  const std::int64_t weights = 4 * (ParameterCount(package.network) - 4800);
  // The largest two neighbours: 64 channels of 32 x 32 and of 16 x 16.
  const std::int64_t activations = 4 * 2 * 64 * (32 * 32 + 16 * 16);
  EXPECT_GE(model->resident_bytes(), weights + activations);
  EXPECT_LE(model->resident_bytes(), weights * 5 / 4 + 4 * activations);

  const std::vector<Pixels> pictures = Pictures(64, 2);
  const std::int64_t before = model->resident_bytes();
  ASSERT_TRUE(model->Logits(Pointers(pictures, 2)).ok());
  ASSERT_TRUE(model->Logits(Pointers(pictures, 1)).ok());
  EXPECT_EQ(model->resident_bytes(), before) << "nothing new was needed";
}

TEST(CpuModelTest, DoesNotNeedThePackageAfterLoading) {
  auto package =
      std::make_unique<ModelPackage>(FilledPackage("cifar_resnet8_v2"));
  const auto model = LoadModel(*package, 4);
  package.reset();
  const std::vector<Pixels> pictures = Pictures(32, 3);
  // A batch size that was not planned at load.
  const auto logits = model->Logits(Pointers(pictures, 3));
  ASSERT_TRUE(logits.ok()) << logits.status();
}

// The address space of a process that AddressSanitizer watches cannot be
// limited.
#ifndef __SANITIZE_ADDRESS__
[[noreturn]] void LoadWithLittleMemory() {
  const ModelPackage package = FilledPackage("resnet18");
  const auto engine = CreateCpuEngine({.threads = 1});
  const rlimit limit = {1ULL << 30U, 1ULL << 30U};
  setrlimit(RLIMIT_AS, &limit);
  const absl::Status status = (*engine)->Load(package, 1024).status();
  const bool small_fits = (*engine)->Load(package, 1).ok();
  std::fprintf(stderr, "%s, small fits: %d\n",
               std::string(status.message()).c_str(), small_fits ? 1 : 0);
  std::_Exit(absl::IsResourceExhausted(status) && small_fits ? 0 : 1);
}

TEST(CpuModelTest, ALoadThatFindsNoMemorySaysSoAndLeavesTheEngineUsable) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(LoadWithLittleMemory(), testing::ExitedWithCode(0),
              "no memory for loading a model.*small fits: 1");
}
#endif

}  // namespace
}  // namespace resnetd
