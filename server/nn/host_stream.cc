#include "server/nn/host_stream.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>

#include <utility>

#include "server/base/system_memory.h"
#include "server/nn/torch_threads.h"

namespace resnetd {
namespace {

bool IsBroken(const HostStream::Life& life) {
  return life.breaks_after && life.replays.load() > *life.breaks_after;
}

class HostGraph final : public RecordedGraph {
 public:
  HostGraph(std::shared_ptr<HostStream::Life> life, std::function<void()> work)
      : life_(std::move(life)), work_(std::move(work)) {}

  void Replay() override {
    ++life_->replays;
    TORCH_CHECK(!IsBroken(*life_), "the device on the host was told to break");
    work_();
  }

 private:
  const std::shared_ptr<HostStream::Life> life_;
  const std::function<void()> work_;
};

class Passed final : public StreamEvent {
 public:
  void Wait() override {}
};

}  // namespace

HostStream::HostStream(std::shared_ptr<Life> life, int threads)
    : life_(std::move(life)), threads_(threads) {}

void HostStream::Run(absl::FunctionRef<void()> work) {
  const c10::InferenceMode inference_mode;
  UseThreads(threads_);
  work();
}

std::unique_ptr<RecordedGraph> HostStream::Record(std::function<void()> work) {
  return std::make_unique<HostGraph>(life_, std::move(work));
}

at::Tensor HostStream::HostBuffer(at::IntArrayRef shape, at::ScalarType type) {
  return at::empty(shape, type);
}

void HostStream::Upload(const at::Tensor& device, const at::Tensor& host) {
  const c10::InferenceMode inference_mode;
  device.copy_(host);
}

void HostStream::Download(const at::Tensor& host, const at::Tensor& device) {
  const c10::InferenceMode inference_mode;
  host.copy_(device);
}

std::unique_ptr<StreamEvent> HostStream::Mark() {
  return std::make_unique<Passed>();
}

bool HostStream::Works() { return !IsBroken(*life_); }

DeviceStream::Memory HostStream::memory() const {
  const SystemMemory memory = ReadSystemMemory();
  return {.free_bytes = memory.free.value_or(0),
          .total_bytes = memory.total.value_or(0)};
}

}  // namespace resnetd
