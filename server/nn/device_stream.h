#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"

namespace resnetd {

// Work of a device that was recorded once and is run again as a whole: the
// addresses that it reads and writes are those of the recording. Its owner
// keeps the tensors behind them. Not thread-safe, but may end on any thread.
class RecordedGraph {
 public:
  virtual ~RecordedGraph() = default;
  // Enqueues the work. Call it inside DeviceStream::Run(), of any stream of the
  // device.
  virtual void Replay() = 0;
};

// A place in the order of a stream's work. Not thread-safe.
class StreamEvent {
 public:
  virtual ~StreamEvent() = default;
  // Blocks until everything that was enqueued before the event is done. What
  // failed on the device is thrown here.
  virtual void Wait() = 0;
};

// What serving needs of a device: work in one order, beside which the host
// goes on. Implemented for GPUs (CudaStream) and for the host (HostStream),
// where everything is done when the call returns.
//
// Used by one thread, but for StreamEvent::Wait(), memory() and name().
// Everything may throw c10::Error: call it through TorchToStatus().
class DeviceStream {
 public:
  struct Memory {
    std::int64_t free_bytes = 0;
    std::int64_t total_bytes = 0;
  };

  virtual ~DeviceStream() = default;

  virtual c10::Device device() const = 0;

  // Whether a library of the device may compute a convolution together with
  // what follows it (ConvolutionKernels::kFused); for which shapes, shows
  // trying.
  virtual bool HasFusedKernels() const { return false; }

  // LibTorch operations that `work` calls go to this stream.
  virtual void Run(absl::FunctionRef<void()> work) = 0;

  // Records what `work` enqueues. Whether it is also computed differs; what it
  // writes counts from the first Replay() on. `work` must have run in Run()
  // before, with tensors of the same shapes: the first time libraries measure
  // and allocate, which no recording survives.
  // On the host `work` itself is kept, and what it refers to must stay.
  virtual std::unique_ptr<RecordedGraph> Record(std::function<void()> work) = 0;

  // Host memory that the device reads and writes without a copy in between.
  virtual at::Tensor HostBuffer(at::IntArrayRef shape, at::ScalarType type) = 0;

  // Copies beside what the stream computes; what is enqueued later comes after
  // the copy. `host` must not change before an event that follows.
  virtual void Upload(const at::Tensor& device, const at::Tensor& host) = 0;

  // Copies behind what was enqueued. `host` is complete at an event that
  // follows.
  virtual void Download(const at::Tensor& host, const at::Tensor& device) = 0;

  virtual std::unique_ptr<StreamEvent> Mark() = 0;

  // Whether the device still computes: false once it is broken for good for
  // this process, as after an illegal access or an uncorrectable memory error.
  // Throws nothing.
  virtual bool Works() = 0;

  // Memory that the library keeps for later goes back to the device.
  virtual void ReleaseUnused() = 0;

  // Thread-safe.
  virtual Memory memory() const = 0;

  // The device, for people: "NVIDIA H200". Thread-safe.
  virtual std::string name() const = 0;
};

}  // namespace resnetd
