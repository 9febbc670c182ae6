#include "server/engine/cpu_features.h"

#include <cmath>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "server/base/error.h"
#include "server/models/weight_fill.h"
#include "tests/support/filled_package.h"
#include "tests/support/naive_network.h"

namespace resnetd {
namespace {

std::unique_ptr<FeatureExtractorLoader> Loader(int threads = 1) {
  auto loader = CreateCpuFeatureLoader({.threads = threads});
  EXPECT_TRUE(loader.ok()) << loader.status();
  return *std::move(loader);
}

absl::StatusOr<std::unique_ptr<FeatureExtractor>> Load(
    const ModelPackage& package, int stages, std::size_t max_batch = 2) {
  return Loader()->Load(package.network, package.weights,
                        package.facts.preprocess, stages, max_batch);
}

double LargestDifference(const float* actual,
                         const std::vector<double>& expected) {
  double scale = 0;
  double largest = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    scale = std::fmax(scale, std::fabs(expected[i]));
    largest = std::fmax(largest, std::fabs(actual[i] - expected[i]));
  }
  return largest / scale;
}

class CpuFeaturesTest : public testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(Networks, CpuFeaturesTest,
                         testing::Values("resnet18", "resnet50", "resnet18_v2",
                                         "cifar_resnet8", "cifar_resnet14_v2"),
                         [](const auto& row) { return row.param; });

TEST_P(CpuFeaturesTest, AreWhatLeavesEachStage) {
  const int crop = IsCifar(GetParam()) ? 12 : 33;
  const ModelPackage package = FilledPackage(GetParam(), 10, crop);
  const NaiveNetwork naive(package);
  const Pixels first = FillPicture(crop, crop, 1);
  const Pixels second = FillPicture(crop, crop, 2);
  for (int stages = 0; stages <= StageCount(package.network); ++stages) {
    const auto extractor = Load(package, stages);
    ASSERT_TRUE(extractor.ok()) << extractor.status();
    const FeatureShape shape = (*extractor)->shape();
    EXPECT_EQ(shape, ShapeOfFeatures(package.network, crop, stages));
    const auto features = (*extractor)->Features({&first, &second});
    ASSERT_TRUE(features.ok()) << features.status();
    ASSERT_EQ(features->size(), 2 * shape.values());
    const std::vector<double> expected = naive.Features(first, stages);
    ASSERT_EQ(expected.size(), shape.values());
    EXPECT_LE(LargestDifference(features->data(), expected), 1e-5) << stages;
    EXPECT_LE(LargestDifference(features->data() + shape.values(),
                                naive.Features(second, stages)),
              1e-5)
        << stages;
    EXPECT_EQ(*(*extractor)->Features({&first, &second}), *features);
  }
}

TEST(CpuFeaturesLimitsTest, RefusesWhatAWholeModelRefuses) {
  EXPECT_EQ(DetailsOf(CreateCpuFeatureLoader({.threads = 0}).status()).reason,
            "REQUEST_INVALID");
  const ModelPackage package = FilledPackage("cifar_resnet8", 10, 8);
  EXPECT_EQ(DetailsOf(Load(package, 1, 0).status()).reason, "LIMIT_EXCEEDED");
  EXPECT_EQ(
      DetailsOf(Load(package, 1, kLargestEngineBatch + 1).status()).reason,
      "LIMIT_EXCEEDED");
  const auto extractor = Load(package, 1).value();
  const Pixels fits = FillPicture(8, 8, 1);
  const Pixels other = FillPicture(9, 9, 1);
  EXPECT_TRUE(extractor->Features({&fits, &fits}).ok());
  EXPECT_EQ(
      DetailsOf(extractor->Features({&fits, &fits, &fits}).status()).reason,
      "LIMIT_EXCEEDED");
  EXPECT_EQ(DetailsOf(extractor->Features({}).status()).reason,
            "LIMIT_EXCEEDED");
  EXPECT_EQ(DetailsOf(extractor->Features({&other}).status()).reason,
            "REQUEST_INVALID");
}

}  // namespace
}  // namespace resnetd
