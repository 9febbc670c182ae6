#include "server/nn/torch_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "server/base/error.h"
#include "server/models/weight_fill.h"
#include "tests/support/filled_package.h"
#include "tests/support/golden_logits.h"

namespace resnetd {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int kClasses = 10;
constexpr int kSide = 32;

std::unique_ptr<TorchModel> MakeModel(const ModelPackage& package,
                                      int threads = 1) {
  auto model = TorchModel::Create(package, at::kCPU, threads);
  EXPECT_TRUE(model.ok()) << model.status();
  return model.ok() ? *std::move(model) : nullptr;
}

std::unique_ptr<TorchModel> SmallModel(int threads = 1) {
  return MakeModel(FilledPackage("cifar_resnet8"), threads);
}

// Of the scale of `expected`.
double Difference(const std::vector<float>& expected, const float* actual) {
  return RelativeToScale({expected.begin(), expected.end()}, actual);
}

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

TEST(TorchModelTest, SaysWhatItIs) {
  const auto model = SmallModel();
  EXPECT_EQ(model->backend(), "torch");
  EXPECT_EQ(model->precision(), "fp32");
  // Parameters of cifar_resnet8 and the statistics of its 7 norms, 4 bytes
  // each.
  const Network network =
      BuildNetwork(FindArchitecture("cifar_resnet8", kClasses).value());
  EXPECT_GT(model->resident_bytes(), 4 * ParameterCount(network));
  EXPECT_LT(model->resident_bytes(), 4 * ParameterCount(network) + 8192);
}

TEST(TorchModelTest, AnswersAPictureAlikeAloneAndInABatch) {
  const auto model = SmallModel();
  const std::vector<Pixels> pictures = Pictures(5);
  const auto together = model->Logits(BatchOf(pictures));
  ASSERT_TRUE(together.ok()) << together.status();
  ASSERT_EQ(together->size(), 5U * kClasses);
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const auto alone = model->Logits({&pictures[i]});
    ASSERT_TRUE(alone.ok()) << alone.status();
    EXPECT_LE(Difference(*alone, together->data() + i * kClasses), 1e-6) << i;
  }
}

TEST(TorchModelTest, AnswersAnEmptyBatchWithNothing) {
  const auto logits = SmallModel()->Logits({});
  ASSERT_TRUE(logits.ok()) << logits.status();
  EXPECT_THAT(*logits, IsEmpty());
}

TEST(TorchModelTest, RefusesAPictureOfAnotherSize) {
  const auto model = SmallModel();
  const Pixels good = FillPicture(kSide, kSide);
  Pixels cut = good;
  cut.rgb.pop_back();
  for (const Pixels& bad :
       {FillPicture(kSide - 1, kSide), FillPicture(kSide, kSide + 1),
        FillPicture(kSide + 1, kSide + 1), Pixels{}, cut}) {
    const absl::Status status = model->Logits({&good, &bad}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(DetailsOf(status).reason, "REQUEST_INVALID");
    EXPECT_THAT(std::string(status.message()), HasSubstr("picture 1 of"));
    EXPECT_THAT(std::string(status.message()), HasSubstr("takes 32x32 RGB"));
  }
  EXPECT_TRUE(model->Logits({&good}).ok()) << "usable after a refusal";
}

TEST(TorchModelTest, RefusesToAnswerWhatIsNotFinite) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(),
                          std::numeric_limits<float>::infinity()}) {
    ModelPackage package = FilledPackage("cifar_resnet8");
    absl::flat_hash_map<std::string, Tensor> tensors;
    for (const TensorSpec& spec : TensorSpecs(package.network)) {
      if (!spec.optional_counter) {
        tensors[spec.name] = package.weights.at(spec.name);
      }
    }
    tensors["fc.bias"].values.back() = bad;
    package.weights = Weights::FromTensors(std::move(tensors));
    const Pixels picture = FillPicture(kSide, kSide);
    const absl::Status status = MakeModel(package)->Logits({&picture}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
    EXPECT_THAT(std::string(status.message()), HasSubstr("not finite"));
  }
}

class TorchModelThreadsTest : public testing::TestWithParam<int> {};

// One answer for all: each of four callers has other pictures and sees what it
// would see alone.
TEST_P(TorchModelThreadsTest, AnswersSeveralThreadsAtOnce) {
  constexpr std::size_t kCallers = 4;
  constexpr int kRounds = 10;
  const auto model = SmallModel(GetParam());
  const std::vector<Pixels> pictures = Pictures(kCallers);
  std::vector<std::vector<float>> expected;
  for (const Pixels& picture : pictures) {
    expected.push_back(model->Logits({&picture}).value());
  }
  std::vector<double> worst(kCallers, 0);
  {
    std::vector<std::jthread> callers;
    for (std::size_t i = 0; i < kCallers; ++i) {
      callers.emplace_back([&, i] {
        for (int round = 0; round < kRounds; ++round) {
          const auto logits = model->Logits({&pictures[i]});
          ASSERT_TRUE(logits.ok()) << logits.status();
          worst[i] =
              std::max(worst[i], Difference(expected[i], logits->data()));
        }
      });
    }
  }
  for (const double difference : worst) {
    EXPECT_LE(difference, 1e-6);
  }
}

INSTANTIATE_TEST_SUITE_P(ThreadsOfABatch, TorchModelThreadsTest,
                         testing::Values(1, 2));

}  // namespace
}  // namespace resnetd
