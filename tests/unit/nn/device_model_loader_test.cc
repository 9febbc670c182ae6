#include "server/nn/device_model_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "server/base/error.h"
#include "server/models/golden.h"
#include "server/models/weight_fill.h"
#include "server/nn/torch_device.h"
#include "server/nn/torch_model_loader.h"
#include "tests/support/filled_package.h"

namespace resnetd {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

// "fake" always; a GPU where there is one.
class DeviceModelLoaderTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (std::string(GetParam()) == "cuda" && !FindDevice("cuda").ok()) {
      GTEST_SKIP() << "there is no GPU here";
    }
  }
};

TEST_P(DeviceModelLoaderTest, LoadsModelsThatAnswerAlike) {
  const ModelPackage package = FilledPackage("cifar_resnet8");
  const Pixels picture = FillPicture(32, 32);
  const auto layers = TorchModelLoader::Create({}).value();
  const auto expected =
      layers->Load(package, 1).value()->Logits({&picture}).value();
  for (const char* precision : {"fp32", "bf16", "fp16"}) {
    const auto loader = TorchModelLoader::Create(
        {.threads = 1, .device = GetParam(), .precision = precision});
    ASSERT_TRUE(loader.ok()) << loader.status();
    EXPECT_THAT((*loader)->description(), EndsWith(precision));
    const auto model = (*loader)->Load(package, 8);
    ASSERT_TRUE(model.ok()) << model.status();
    EXPECT_EQ((*model)->precision(), precision);
    const auto logits = (*model)->Logits({&picture});
    ASSERT_TRUE(logits.ok()) << logits.status();
    const float scale = *std::max_element(
        expected.begin(), expected.end(),
        [](float a, float b) { return std::abs(a) < std::abs(b); });
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_NEAR((*logits)[i], expected[i],
                  std::abs(scale) * GoldenTolerance(precision));
    }
  }
}

TEST_P(DeviceModelLoaderTest, ModelsOutliveTheirLoader) {
  auto loader =
      TorchModelLoader::Create({.threads = 1, .device = GetParam()}).value();
  const auto model = loader->Load(FilledPackage("cifar_resnet8"), 2).value();
  loader.reset();
  const Pixels picture = FillPicture(32, 32);
  EXPECT_TRUE(model->Logits({&picture}).ok());
}

INSTANTIATE_TEST_SUITE_P(Devices, DeviceModelLoaderTest,
                         testing::Values("fake", "cuda"));

TEST(DeviceModelLoaderOptionsTest, RefusesWhatAGpuDoesNotDo) {
  for (const char* precision : {"int8", "auto", "", "fp64"}) {
    const absl::Status status =
        DeviceModelLoader::Create(
            {.threads = 1, .device = "fake", .precision = precision})
            .status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << precision;
    EXPECT_THAT(std::string(status.message()), HasSubstr("fp32, bf16 or fp16"));
  }
  EXPECT_EQ(DeviceModelLoader::Create({.threads = 0, .device = "fake"})
                .status()
                .code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DeviceModelLoader::Create({.threads = 1, .device = "cpu"})
                .status()
                .code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(DeviceModelLoaderOptionsTest, ADeviceThatBreaksTellsItOnce) {
  std::atomic<int> told = 0;
  const auto loader =
      DeviceModelLoader::Create(
          {.threads = 1, .device = "fake:2", .on_broken = [&told] { ++told; }})
          .value();
  const ModelPackage package = FilledPackage("cifar_resnet8");
  const auto model = loader->Load(package, 1).value();
  const Pixels picture = FillPicture(32, 32);
  EXPECT_TRUE(model->Logits({&picture}).ok());
  EXPECT_TRUE(model->Logits({&picture}).ok());
  EXPECT_EQ(told, 0);
  EXPECT_EQ(model->Logits({&picture}).status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(model->Logits({&picture}).status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(told, 1);
}

}  // namespace
}  // namespace resnetd
