#include "server/nn/torch_model_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/status/status.h"
#include "server/base/error.h"
#include "server/models/weight_fill.h"
#include "tests/support/filled_package.h"

namespace resnetd {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(TorchModelLoaderTest, LoadsAModelThatAnswers) {
  const auto loader = TorchModelLoader::Create({.threads = 1, .device = "cpu"});
  ASSERT_TRUE(loader.ok()) << loader.status();
  const ModelPackage package = FilledPackage("cifar_resnet8");
  const auto model = (*loader)->Load(package, 1);
  ASSERT_TRUE(model.ok()) << model.status();
  const Pixels picture = FillPicture(32, 32);
  const auto logits = (*model)->Logits({&picture});
  ASSERT_TRUE(logits.ok()) << logits.status();
  EXPECT_EQ(logits->size(), 10U);
}

TEST(TorchModelLoaderTest, NeedsAThread) {
  for (const int threads : {0, -1}) {
    const absl::Status status =
        TorchModelLoader::Create({.threads = threads, .device = "cpu"})
            .status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr("at least 1"));
  }
  EXPECT_TRUE(TorchModelLoader::Create({.threads = 1, .device = "cpu"}).ok());
}

TEST(TorchModelLoaderTest, DescribesItself) {
  const auto one = TorchModelLoader::Create({.threads = 1, .device = "cpu"});
  EXPECT_THAT((*one)->description(), StartsWith("LibTorch 2.11."));
  EXPECT_THAT((*one)->description(), EndsWith(", 1 thread"));
  const auto two = TorchModelLoader::Create({.threads = 2, .device = "cpu"});
  EXPECT_THAT((*two)->description(), EndsWith(", 2 threads"));
}

TEST(TorchModelLoaderTest, PassesOnThatADeviceIsMissing) {
  const absl::Status status =
      TorchModelLoader::Create({.threads = 1, .device = "npu"}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DetailsOf(status).reason, "REQUEST_INVALID");
}

}  // namespace
}  // namespace resnetd
