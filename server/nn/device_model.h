#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/models/model.h"
#include "server/models/model_package.h"
#include "server/nn/batch_graphs.h"
#include "server/nn/device_executor.h"
#include "server/nn/folded_network.h"
#include "server/nn/picture_input.h"
#include "server/nn/transfer_slots.h"

namespace resnetd {

// A network that a GPU serves: folded, recorded for each batch size, fed with
// 8-bit pictures.
//
// A batch goes its way in four steps: the worker writes the pictures into a
// slot of host memory; the executor enqueues their copy to the device, the
// replay of the recording and the copy of the results; the device works while
// the executor enqueues the batch of the next worker; the worker waits for its
// own. With two workers the copies of one batch and the computation of another
// go on at the same time. A batch with values that are normalised already is
// computed operation by operation, without a recording.
//
// Thread-safe.
class DeviceModel final : public Model {
 public:
  struct Options {
    // float32, bfloat16 or float16.
    at::ScalarType type = at::kFloat;
    // Pictures of the largest recorded batch; >= 1. Larger batches are split.
    std::size_t max_batch = 1;
    // Allowed ones, as GraphBatchSizes() takes them.
    std::vector<std::size_t> batch_sizes = {};
  };

  // `loading`: loads and records, so that what `serving` does for other models
  // goes on meanwhile; both of one device.
  // RESOURCE_EXHAUSTED (MEMORY_ADMISSION), with figures: no memory. INTERNAL:
  // the library failed. UNAVAILABLE (BACKEND_UNAVAILABLE): the device is
  // broken.
  static absl::StatusOr<std::unique_ptr<DeviceModel>> Create(
      const ModelPackage& package, const Options& options,
      DeviceExecutor& loading, std::shared_ptr<DeviceExecutor> serving);

  // Beside those of Model: UNAVAILABLE (BACKEND_UNAVAILABLE).
  absl::StatusOr<std::vector<float>> Logits(
      absl::Span<const Pixels* const> batch) const override;
  absl::StatusOr<ModelOutput> Compute(absl::Span<const ModelInput> batch,
                                      bool want_features) const override;
  std::string precision() const override;
  std::string backend() const override { return "torch"; }
  // Weights, inputs and outputs; activations belong to the library.
  std::int64_t resident_bytes() const override;

  // Batch sizes that are recorded, ascending.
  absl::Span<const std::size_t> batch_sizes() const { return graphs_->sizes(); }

 private:
  DeviceModel(const ModelPackage& package, const Options& options,
              std::shared_ptr<DeviceExecutor> serving);

  absl::Status Load(const ModelPackage& package, DeviceStream& stream);
  absl::Status LoadWith(const ModelPackage& package, DeviceStream& stream,
                        ConvolutionKernels kernels);

  absl::StatusOr<ModelOutput> ComputePart(absl::Span<const ModelInput> part,
                                          bool want_features) const;
  absl::StatusOr<ModelOutput> Replay(absl::Span<const ModelInput> part,
                                     bool want_features) const;
  // What a batch enqueued before it failed still reads and writes its slot.
  void AwaitWhatRuns() const;
  // Operation by operation; halved once when the memory is too small.
  absl::StatusOr<ModelOutput> RunOperations(absl::Span<const ModelInput> part,
                                            bool want_features) const;
  absl::StatusOr<ModelOutput> RunOperationsOnce(
      absl::Span<const ModelInput> part, bool want_features) const;

  const Options options_;
  const int side_;
  const std::shared_ptr<DeviceExecutor> serving_;
  std::unique_ptr<PictureInput> input_;
  std::unique_ptr<FoldedNetwork> network_;
  // The recordings are used by the thread of `serving_` alone.
  std::unique_ptr<BatchGraphs> graphs_;
  std::unique_ptr<TransferSlots> slots_;
};

}  // namespace resnetd
