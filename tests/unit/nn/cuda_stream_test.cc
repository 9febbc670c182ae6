#include "server/nn/cuda_stream.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <memory>

#include "server/nn/torch_device.h"

namespace resnetd {
namespace {

// Needs a GPU; everything around a stream is tested with the host in its place.
class CudaStreamTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto device = FindDevice("cuda");
    if (!device.ok()) {
      GTEST_SKIP() << device.status().message();
    }
    device_ = *device;
    stream_ = MakeCudaStream(device_, StreamPriority::kServing);
  }

  at::Tensor Full(float value) {
    at::Tensor tensor;
    stream_->Run(
        [&] { tensor = at::full({1024}, value, at::TensorOptions(device_)); });
    return tensor;
  }

  c10::Device device_ = c10::kCPU;
  std::unique_ptr<DeviceStream> stream_;
};

TEST_F(CudaStreamTest, ReplaysWhatItRecordedWithTheValuesOfThen) {
  const at::Tensor input = Full(1);
  const at::Tensor output = Full(0);
  const auto work = [=] { output.copy_(input.mul(2)); };
  stream_->Run(work);
  const auto graph = stream_->Record(work);
  const at::Tensor host = stream_->HostBuffer({1024}, at::kFloat);
  for (const float value : {3.0F, 4.0F}) {
    stream_->Run([&] {
      input.fill_(value);
      graph->Replay();
    });
    stream_->Download(host, output);
    stream_->Mark()->Wait();
    EXPECT_EQ(host.min().item<float>(), 2 * value);
    EXPECT_EQ(host.max().item<float>(), 2 * value);
  }
}

TEST_F(CudaStreamTest, WhatIsEnqueuedBehindAnUploadSeesIt) {
  const at::Tensor device = Full(0);
  const at::Tensor host = stream_->HostBuffer({1024}, at::kFloat);
  const at::Tensor back = stream_->HostBuffer({1024}, at::kFloat);
  for (int round = 1; round <= 50; ++round) {
    host.fill_(round);
    stream_->Upload(device, host);
    stream_->Run([&] { device.add_(1); });
    stream_->Download(back, device);
    stream_->Mark()->Wait();
    EXPECT_EQ(back.min().item<float>(), static_cast<float>(round + 1));
  }
}

TEST_F(CudaStreamTest, ARecordingThatFailsLeavesTheStreamUsable) {
  const at::Tensor tensor = Full(1);
  EXPECT_ANY_THROW(stream_->Record([&] {
    // Waits for the device, which a recording must not.
    EXPECT_EQ(tensor.sum().item<float>(), 1024);
  }));
  EXPECT_TRUE(stream_->Works());
  const at::Tensor host = stream_->HostBuffer({1024}, at::kFloat);
  stream_->Download(host, Full(5));
  stream_->Mark()->Wait();
  EXPECT_EQ(host.max().item<float>(), 5);
}

TEST_F(CudaStreamTest, KnowsItsMemory) {
  EXPECT_GT(stream_->memory().free_bytes, 0);
  EXPECT_GT(stream_->memory().total_bytes, stream_->memory().free_bytes);
}

}  // namespace
}  // namespace resnetd
