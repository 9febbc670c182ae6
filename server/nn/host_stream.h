#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "server/nn/device_stream.h"

namespace resnetd {

// The host in the place of a GPU: the same calls, done at once. It is what
// `--device=fake` serves with, so that everything but the kernels of a GPU can
// be tried and tested without one. Not thread-safe, as a DeviceStream is.
class HostStream final : public DeviceStream {
 public:
  // Of one device, whatever streams it has. The replay of a graph after the
  // first `breaks_after` fails, and from then on the device is broken: how a
  // server takes that can be tried out.
  struct Life {
    std::optional<std::int64_t> breaks_after;
    std::atomic<std::int64_t> replays = 0;
  };

  // `threads`: of one operation.
  HostStream(std::shared_ptr<Life> life, int threads);

  c10::Device device() const override { return c10::kCPU; }
  void Run(absl::FunctionRef<void()> work) override;
  std::unique_ptr<RecordedGraph> Record(std::function<void()> work) override;
  at::Tensor HostBuffer(at::IntArrayRef shape, at::ScalarType type) override;
  void Upload(const at::Tensor& device, const at::Tensor& host) override;
  void Download(const at::Tensor& host, const at::Tensor& device) override;
  std::unique_ptr<StreamEvent> Mark() override;
  bool Works() override;
  void ReleaseUnused() override {}
  Memory memory() const override;
  std::string name() const override { return "the host in the place of a GPU"; }

 private:
  const std::shared_ptr<Life> life_;
  const int threads_;
};

}  // namespace resnetd
