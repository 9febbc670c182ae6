#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>

#include <atomic>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "server/nn/device_stream.h"
#include "server/nn/host_stream.h"

namespace resnetd {

// What a device does wrong, and what it was asked to do. Shared by the streams
// of one device; fields are set while nothing runs.
struct DeviceScript {
  // Calls of Record() that fail for want of memory, from the first one on.
  int records_without_memory = 0;
  // Calls of Run() that do so, behind the first `runs_with_memory`.
  int runs_with_memory = std::numeric_limits<int>::max();
  int runs_without_memory = 0;
  // Calls of HostBuffer() that do so.
  int buffers_without_memory = 0;
  // Calls of Download() that fail.
  int downloads_that_fail = 0;
  // Whether convolutions may be computed together with what follows them, and
  // calls of Run() that fail otherwise than for want of memory.
  bool has_fused_kernels = false;
  int runs_that_fail = 0;
  // Whether what is recorded fails when it is waited for.
  bool fails_on_wait = false;
  std::atomic<bool> works = true;

  std::atomic<int> runs = 0;
  std::atomic<int> records = 0;
  std::atomic<int> replays = 0;
  std::atomic<int> releases = 0;
  std::atomic<int> waits = 0;
};

// A host stream that does what its script says.
class ScriptedStream final : public DeviceStream {
 public:
  explicit ScriptedStream(std::shared_ptr<DeviceScript> script)
      : script_(std::move(script)),
        host_(std::make_shared<HostStream::Life>(), 1) {}

  c10::Device device() const override { return host_.device(); }
  bool HasFusedKernels() const override { return script_->has_fused_kernels; }

  void Run(absl::FunctionRef<void()> work) override {
    const int run = script_->runs++;
    if (run >= script_->runs_with_memory && script_->runs_without_memory > 0) {
      --script_->runs_without_memory;
      Exhaust();
    }
    if (script_->runs_that_fail > 0) {
      --script_->runs_that_fail;
      TORCH_CHECK(false, "no engine for this shape");
    }
    host_.Run(work);
  }

  std::unique_ptr<RecordedGraph> Record(std::function<void()> work) override {
    if (script_->records++ < script_->records_without_memory) {
      Exhaust();
    }
    return std::make_unique<Graph>(script_, host_.Record(std::move(work)));
  }

  at::Tensor HostBuffer(at::IntArrayRef shape, at::ScalarType type) override {
    if (script_->buffers_without_memory > 0) {
      --script_->buffers_without_memory;
      Exhaust();
    }
    return host_.HostBuffer(shape, type);
  }
  void Upload(const at::Tensor& device, const at::Tensor& host) override {
    host_.Upload(device, host);
  }
  void Download(const at::Tensor& host, const at::Tensor& device) override {
    if (script_->downloads_that_fail > 0) {
      --script_->downloads_that_fail;
      TORCH_CHECK(false, "a copy of the script fails");
    }
    host_.Download(host, device);
  }
  std::unique_ptr<StreamEvent> Mark() override {
    return std::make_unique<Event>(script_);
  }
  bool Works() override { return script_->works.load(); }
  void ReleaseUnused() override { ++script_->releases; }
  Memory memory() const override {
    return {.free_bytes = 3 << 20, .total_bytes = 64 << 20};
  }
  std::string name() const override { return "a scripted GPU"; }

 private:
  class Graph final : public RecordedGraph {
   public:
    Graph(std::shared_ptr<DeviceScript> script,
          std::unique_ptr<RecordedGraph> graph)
        : script_(std::move(script)), graph_(std::move(graph)) {}
    void Replay() override {
      ++script_->replays;
      graph_->Replay();
    }

   private:
    const std::shared_ptr<DeviceScript> script_;
    const std::unique_ptr<RecordedGraph> graph_;
  };

  class Event final : public StreamEvent {
   public:
    explicit Event(std::shared_ptr<DeviceScript> script)
        : script_(std::move(script)) {}
    void Wait() override {
      ++script_->waits;
      TORCH_CHECK(!script_->fails_on_wait, "an illegal access at 0xdead");
    }

   private:
    const std::shared_ptr<DeviceScript> script_;
  };

  [[noreturn]] static void Exhaust() {
    throw c10::OutOfMemoryError({__func__, __FILE__, __LINE__},
                                "out of memory of the script");
  }

  const std::shared_ptr<DeviceScript> script_;
  HostStream host_;
};

}  // namespace resnetd
