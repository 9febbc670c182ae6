#include "server/nn/torch_device.h"

#include <ATen/Context.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/status/status.h"
#include "server/base/error.h"

namespace resnetd {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(TorchDeviceTest, FindsTheCpu) {
  const auto device = FindDevice("cpu");
  ASSERT_TRUE(device.ok()) << device.status();
  EXPECT_TRUE(device->is_cpu());
  EXPECT_THAT(DescribeDevice(*device), StartsWith("CPU, "));
}

// Which of the two depends on the machine; neither may throw or end the
// process.
TEST(TorchDeviceTest, FindsAGpuOrSaysWhatToDo) {
  const auto device = FindDevice("cuda");
  if (device.ok()) {
    EXPECT_TRUE(device->is_cuda());
    EXPECT_THAT(DescribeDevice(*device), StartsWith("CUDA "));
    return;
  }
  EXPECT_EQ(device.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(DetailsOf(device.status()).reason, "BACKEND_UNAVAILABLE");
  const std::string text(device.status().message());
  EXPECT_THAT(text, HasSubstr("--device=cpu"));
  EXPECT_THAT(
      text, AnyOf(HasSubstr("NVIDIA driver"), HasSubstr("./dev setup --cuda")));
}

TEST(TorchDeviceTest, RefusesOtherNames) {
  for (const char* name : {"", "gpu", "CPU", "cuda:"}) {
    const auto device = FindDevice(name);
    EXPECT_EQ(device.status().code(), absl::StatusCode::kInvalidArgument)
        << name;
    EXPECT_THAT(std::string(device.status().message()),
                HasSubstr("known are cpu, cuda"));
  }
}

TEST(TorchDeviceTest, RefusesAGpuThatIsNotThere) {
  const absl::Status status = FindDevice("cuda:1000").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(FindDevice("cuda:100000000").status().code(), status.code());
  // It serves, but LibTorch has nothing of that name.
  EXPECT_EQ(FindDevice("fake").status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(TorchDeviceTest, SwitchesShortMantissasOff) {
  at::globalContext().setAllowTF32CuDNN(true);
  at::globalContext().setAllowTF32CuBLAS(true);
  RequireFullFloat32();
  EXPECT_FALSE(at::globalContext().allowTF32CuDNN());
  EXPECT_FALSE(at::globalContext().allowTF32CuBLAS());
}

}  // namespace
}  // namespace resnetd
