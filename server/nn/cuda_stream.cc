#include "server/nn/cuda_stream.h"

#include <ATen/core/CachingHostAllocator.h>
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
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "server/base/mutex.h"

namespace resnetd {
namespace {

// The recordings of a stream that there are. They are made by the thread of
// the stream and end wherever a model does; LibTorch keeps a list of them for
// each device that has no lock of its own.
struct Recordings {
  Mutex mutex;
  int count ABSL_GUARDED_BY(mutex) = 0;
};

class CudaGraph final : public RecordedGraph {
 public:
  explicit CudaGraph(std::shared_ptr<Recordings> recordings)
      : recordings_(std::move(recordings)),
        graph_(std::make_unique<at::cuda::CUDAGraph>()) {}

  ~CudaGraph() override {
    const MutexLock lock(recordings_->mutex);
    recordings_->count -= is_recording_ ? 1 : 0;
    graph_.reset();
  }

  // The recording begins; `pool` is renewed where none shares it any more,
  // since a pool that was left by all is of no use to LibTorch.
  void Begin(at::cuda::MempoolId_t& pool) {
    const MutexLock lock(recordings_->mutex);
    if (recordings_->count == 0) {
      pool = at::cuda::graph_pool_handle();
    }
    // Other threads go on allocating meanwhile, a trainer above all.
    graph_->capture_begin(pool, cudaStreamCaptureModeThreadLocal);
    ++recordings_->count;
    is_recording_ = true;
  }

  void End() { graph_->capture_end(); }

  void Replay() override { graph_->replay(); }

 private:
  const std::shared_ptr<Recordings> recordings_;
  std::unique_ptr<at::cuda::CUDAGraph> graph_;
  bool is_recording_ = false;
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
        record_(
            c10::cuda::getStreamFromPool(kServingPriority, device.index())) {}

  c10::Device device() const override { return device_; }
  bool HasFusedKernels() const override { return true; }

  void Run(absl::FunctionRef<void()> work) override {
    const c10::InferenceMode inference_mode;
    const c10::cuda::CUDAStreamGuard guard(compute_);
    work();
  }

  std::unique_ptr<RecordedGraph> Record(std::function<void()> work) override {
    const c10::InferenceMode inference_mode;
    // Nothing of before may still run on memory that the recording takes over.
    C10_CUDA_CHECK(cudaStreamSynchronize(compute_.stream()));
    const c10::cuda::CUDAStreamGuard guard(record_);
    AllocateWorkspaces();
    auto recorded = std::make_unique<CudaGraph>(recordings_);
    try {
      recorded->Begin(pool_);
      work();
    } catch (...) {
      EndFailedCapture(*recorded);
      throw;
    }
    try {
      recorded->End();
    } catch (...) {
      LeavePool();
      throw;
    }
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
  // Matrix products have one workspace for each thread and stream, which stays.
  // It is not to be of the pool, which ends.
  static void AllocateWorkspaces() {
    static_cast<void>(at::cuda::getCurrentCUDABlasHandle());
    static_cast<void>(at::cuda::getCUDABlasLtWorkspace());
  }

  // The stream has to leave its recording, or it is of no use any more.
  void EndFailedCapture(CudaGraph& graph) {
    try {
      graph.End();
    } catch (const std::exception&) {
      LeavePool();
    }
  }

  // What a recording leaves undone that cannot be ended: the allocator would go
  // on asking it, when it is gone, whose memory is whose.
  void LeavePool() {
    static_cast<void>(cudaGetLastError());
    // Where these fail, it had come that far, and its end does the rest.
    try {
      c10::cuda::CUDACachingAllocator::endAllocateToPool(device_.index(),
                                                         pool_);
      c10::cuda::CUDACachingAllocator::releasePool(device_.index(), pool_);
    } catch (const std::exception&) {
      static_cast<void>(cudaGetLastError());
    }
    try {
      at::HostAllocator& host = *at::getHostAllocator(c10::kCUDA);
      host.end_allocate_to_pool(pool_);
      host.release_pool(pool_);
    } catch (const std::exception&) {
      static_cast<void>(cudaGetLastError());
    }
  }

  const c10::Device device_;
  const c10::cuda::CUDAStream compute_;
  const c10::cuda::CUDAStream copy_;
  // Recordings have a stream for themselves. Its priority is that of every
  // replay, on whatever stream. And the workspaces of the libraries, one for
  // each stream, are part of what is recorded: what `compute_` does beside
  // replays, as it warms the next network up, must not write into them.
  const c10::cuda::CUDAStream record_;
  at::cuda::CUDAEvent uploaded_{cudaEventDisableTiming};
  const std::shared_ptr<Recordings> recordings_ =
      std::make_shared<Recordings>();
  // One for all graphs of the stream: they run one after another, and what they
  // leave behind lies in tensors outside of it.
  at::cuda::MempoolId_t pool_ = {0, 0};
};

}  // namespace

std::unique_ptr<DeviceStream> MakeCudaStream(c10::Device device,
                                             StreamPriority priority) {
  return std::make_unique<CudaStream>(device, priority);
}

}  // namespace resnetd
