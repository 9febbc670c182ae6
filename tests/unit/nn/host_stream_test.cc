#include "server/nn/host_stream.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <memory>

namespace resnetd {
namespace {

std::shared_ptr<HostStream::Life> Endless() {
  return std::make_shared<HostStream::Life>();
}

TEST(HostStreamTest, AReplayReadsAndWritesTheTensorsOfTheRecording) {
  HostStream stream(Endless(), 1);
  at::Tensor input;
  at::Tensor output;
  stream.Run([&] {
    input = at::ones({3});
    output = at::zeros({3});
  });
  const auto graph = stream.Record([=] { output.copy_(input.mul(2)); });
  EXPECT_EQ(output.sum().item<float>(), 0) << "recorded, not computed";
  stream.Run([&] { graph->Replay(); });
  EXPECT_EQ(output.sum().item<float>(), 6);
  stream.Run([&] {
    input.fill_(5);
    graph->Replay();
  });
  EXPECT_EQ(output.sum().item<float>(), 30);
}

TEST(HostStreamTest, CopiesBothWays) {
  HostStream stream(Endless(), 1);
  const at::Tensor host = stream.HostBuffer({2, 2}, at::kByte);
  EXPECT_EQ(host.scalar_type(), at::kByte);
  host.fill_(7);
  at::Tensor device;
  stream.Run([&] { device = at::zeros({2, 2}, at::kByte); });
  stream.Upload(device, host);
  host.fill_(0);
  stream.Download(host, device);
  stream.Mark()->Wait();
  EXPECT_EQ(host.sum().item<int>(), 28);
}

TEST(HostStreamTest, RunsWithoutAutograd) {
  HostStream stream(Endless(), 1);
  bool inference = false;
  stream.Run([&] { inference = c10::InferenceMode::is_enabled(); });
  EXPECT_TRUE(inference);
  EXPECT_FALSE(c10::InferenceMode::is_enabled());
}

TEST(HostStreamTest, BreaksAfterTheReplaysItWasTold) {
  const auto life = std::make_shared<HostStream::Life>();
  life->breaks_after = 2;
  HostStream stream(life, 1);
  HostStream beside(life, 1);
  int computed = 0;
  const auto graph = stream.Record([&] { ++computed; });
  graph->Replay();
  EXPECT_TRUE(stream.Works());
  graph->Replay();
  EXPECT_TRUE(stream.Works());
  EXPECT_THROW(graph->Replay(), c10::Error);
  EXPECT_FALSE(stream.Works());
  EXPECT_FALSE(beside.Works()) << "one device";
  EXPECT_EQ(computed, 2);
}

TEST(HostStreamTest, KnowsTheMemoryOfTheMachine) {
  const DeviceStream::Memory memory = HostStream(Endless(), 1).memory();
  EXPECT_GT(memory.free_bytes, 0);
  EXPECT_GE(memory.total_bytes, memory.free_bytes);
}

}  // namespace
}  // namespace resnetd
