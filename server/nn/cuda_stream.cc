#include "server/nn/cuda_stream.h"

#include <ATen/core/Tensor.h>
#include <ATen/cuda/CUDAContext.h>
#include <ATen/cuda/CUDAEvent.h>
#include <ATen/cuda/CUDAGraph.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <c10/util/Exception.h>
#include <cuda_runtime_api.h>

#include <exception>
#include <string>
#include <utility>

namespace resnetd {
namespace {

class CudaGraph final : public RecordedGraph {
 public:
  void Replay() override { graph_.replay(); }
  at::cuda::CUDAGraph& graph() { return graph_; }

 private:
  at::cuda::CUDAGraph graph_;
};

class CudaEvent final : public StreamEvent {
 public:
  explicit CudaEvent(const c10::cuda::CUDAStream& stream) {
    event_.record(stream);
  }
  void Wait() override { event_.synchronize(); }

 private:
  // A thread that waits sleeps: the cores are for decoding.
  at::cuda::CUDAEvent event_{cudaEventDisableTiming | cudaEventBlockingSync};
};

// Priorities as streams of CUDA have them: the lower, the sooner.
constexpr int kServingPriority = -1;
constexpr int kLoadingPriority = 0;

class CudaStream final : public DeviceStream {
 public:
  CudaStream(c10::Device device, StreamPriority priority)
      : device_(device),
        compute_(c10::cuda::getStreamFromPool(
            priority == StreamPriority::kServing ? kServingPriority
                                                 : kLoadingPriority,
            device.index())),
        copy_(c10::cuda::getStreamFromPool(kServingPriority, device.index())),
        pool_(at::cuda::graph_pool_handle()) {}

  c10::Device device() const override { return device_; }

  void Run(absl::FunctionRef<void()> work) override {
    const c10::InferenceMode inference_mode;
    const c10::cuda::CUDAStreamGuard guard(compute_);
    work();
  }

  std::unique_ptr<RecordedGraph> Record(std::function<void()> work) override {
    const c10::InferenceMode inference_mode;
    const c10::cuda::CUDAStreamGuard guard(compute_);
    // Nothing of before may still run on memory that the recording takes over.
    C10_CUDA_CHECK(cudaStreamSynchronize(compute_.stream()));
    auto recorded = std::make_unique<CudaGraph>();
    // Other threads go on allocating meanwhile, a trainer above all.
    recorded->graph().capture_begin(pool_, cudaStreamCaptureModeThreadLocal);
    try {
      work();
    } catch (...) {
      EndFailedCapture(recorded->graph());
      throw;
    }
    recorded->graph().capture_end();
    return recorded;
  }

  at::Tensor HostBuffer(at::IntArrayRef shape, at::ScalarType type) override {
    return at::empty(shape, at::TensorOptions(type).pinned_memory(true));
  }

  void Upload(const at::Tensor& device, const at::Tensor& host) override {
    const c10::InferenceMode inference_mode;
    {
      const c10::cuda::CUDAStreamGuard guard(copy_);
      device.copy_(host, /*non_blocking=*/true);
      uploaded_.record(copy_);
    }
    uploaded_.block(compute_);
  }

  void Download(const at::Tensor& host, const at::Tensor& device) override {
    const c10::InferenceMode inference_mode;
    const c10::cuda::CUDAStreamGuard guard(compute_);
    host.copy_(device, /*non_blocking=*/true);
  }

  std::unique_ptr<StreamEvent> Mark() override {
    return std::make_unique<CudaEvent>(compute_);
  }

  bool Works() override {
    try {
      const c10::cuda::CUDAStreamGuard guard(compute_);
      // What failed before and is over is forgotten; what is not comes again.
      static_cast<void>(cudaGetLastError());
      const at::Tensor zero = at::zeros({1}, at::TensorOptions(device_));
      return cudaStreamSynchronize(compute_.stream()) == cudaSuccess &&
             zero.cpu().item<float>() == 0.0F;
    } catch (const c10::OutOfMemoryError&) {
      return true;  // It says so, and takes no harm.
    } catch (const std::exception&) {
      return false;
    }
  }

  void ReleaseUnused() override {
    c10::cuda::CUDACachingAllocator::emptyCache();
  }

  Memory memory() const override {
    const c10::cuda::CUDAGuard guard(device_);
    std::size_t free = 0;
    std::size_t total = 0;
    C10_CUDA_CHECK(cudaMemGetInfo(&free, &total));
    return {.free_bytes = static_cast<std::int64_t>(free),
            .total_bytes = static_cast<std::int64_t>(total)};
  }

  std::string name() const override {
    return at::cuda::getDeviceProperties(device_.index())->name;
  }

 private:
  // The stream has to leave its recording, or it is of no use any more.
  static void EndFailedCapture(at::cuda::CUDAGraph& graph) {
    try {
      graph.capture_end();
    } catch (const std::exception&) {
      static_cast<void>(cudaGetLastError());
    }
  }

  const c10::Device device_;
  const c10::cuda::CUDAStream compute_;
  const c10::cuda::CUDAStream copy_;
  at::cuda::CUDAEvent uploaded_{cudaEventDisableTiming};
  // One for all graphs of the stream: they run one after another, and what they
  // leave behind lies in tensors outside of it.
  const at::cuda::MempoolId_t pool_;
};

}  // namespace

std::unique_ptr<DeviceStream> MakeCudaStream(c10::Device device,
                                             StreamPriority priority) {
  return std::make_unique<CudaStream>(device, priority);
}

}  // namespace resnetd
