#include "server/nn/cuda_stream.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/full.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <vector>

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

TEST_F(CudaStreamTest, RecordsAgainWhenEverythingRecordedIsGone) {
  const at::Tensor tensor = Full(1);
  const auto work = [=] { tensor.add_(at::zeros_like(tensor)); };
  stream_->Run(work);
  for (int round = 0; round < 3; ++round) {
    const auto first = stream_->Record(work);
    const auto second = stream_->Record(work);
    stream_->Run([&] {
      first->Replay();
      second->Replay();
    });
    stream_->Mark()->Wait();
  }
  const at::Tensor host = stream_->HostBuffer({1024}, at::kFloat);
  stream_->Download(host, tensor);
  stream_->Mark()->Wait();
  EXPECT_EQ(host.max().item<float>(), 1);
}

TEST_F(CudaStreamTest, WhatIsComputedBesideAReplayChangesNothingOfIt) {
  // Products of matrices, whose library has workspaces.
  const auto loading = MakeCudaStream(device_, StreamPriority::kLoading);
  at::Tensor left;
  at::Tensor right;
  at::Tensor product;
  loading->Run([&] {
    const auto options = at::TensorOptions(device_);
    left = at::full({8, 4096}, 0.5F, options);
    right = at::full({4096, 1000}, 0.25F, options);
    product = at::zeros({8, 1000}, options);
  });
  const auto work = [=] { product.copy_(left.mm(right)); };
  loading->Run(work);
  const auto graph = loading->Record(work);
  loading->Mark()->Wait();
  const at::Tensor host = stream_->HostBuffer({8, 1000}, at::kFloat);
  for (int round = 0; round < 200; ++round) {
    loading->Run([&] { left.mm(right); });
    stream_->Run([&] {
      product.zero_();
      graph->Replay();
    });
    stream_->Download(host, product);
    stream_->Mark()->Wait();
    ASSERT_EQ(host.min().item<float>(), 512);
    ASSERT_EQ(host.max().item<float>(), 512);
  }
}

TEST_F(CudaStreamTest, RecordingsEndOnAnyThreadWhileOthersBegin) {
  const at::Tensor tensor = Full(1);
  const auto work = [=] { tensor.mul_(1); };
  stream_->Run(work);
  std::vector<std::unique_ptr<RecordedGraph>> ending;
  for (int round = 0; round < 50; ++round) {
    ending.push_back(stream_->Record(work));
    ending.push_back(stream_->Record(work));
    std::thread other([&] { ending.clear(); });
    const auto kept = stream_->Record(work);
    other.join();
    stream_->Run([&] { kept->Replay(); });
  }
  stream_->Mark()->Wait();
  EXPECT_TRUE(stream_->Works());
}

TEST_F(CudaStreamTest, KnowsItsMemory) {
  EXPECT_GT(stream_->memory().free_bytes, 0);
  EXPECT_GT(stream_->memory().total_bytes, stream_->memory().free_bytes);
}

}  // namespace
}  // namespace resnetd
