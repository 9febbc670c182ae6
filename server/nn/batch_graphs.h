#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/image/preprocess.h"
#include "server/nn/device_stream.h"
#include "server/nn/folded_network.h"
#include "server/nn/picture_input.h"

namespace resnetd {

// The first `rows` of a batch, where they are.
at::Tensor FirstRows(const at::Tensor& tensor, std::size_t rows);

// A network that is recorded once for each allowed batch size: from 8-bit
// pictures to logits and features, normalisation included, without a decision
// of the host in between. A replay costs the host one call instead of one for
// each operation.
//
// All sizes share one input and one output, so that one batch is on its way at
// a time: Replay() enqueues, and the results have to be copied away before the
// next one. Not thread-safe.
class BatchGraphs {
 public:
  // Records `sizes`, which rise and are at least one, the largest first, and
  // leaves out those that the memory of the device is too small for, each
  // counted (Fallback::kBatchSizeLeftOut).
  // `network` and `input` must outlive this.
  // RESOURCE_EXHAUSTED (OVERLOADED): not even the smallest fits; how much
  // memory there is the caller says. INTERNAL (INTERNAL): the library failed.
  static absl::StatusOr<std::unique_ptr<BatchGraphs>> Record(
      DeviceStream& stream, const FoldedNetwork& network,
      const PictureInput& input, int side, std::vector<std::size_t> sizes);

  // Batch sizes, ascending; never empty.
  absl::Span<const std::size_t> sizes() const { return sizes_; }
  std::size_t largest() const { return sizes_.back(); }

  // Computes the first `pictures` rows of `rows` {at least pictures, side,
  // side, 3}, 8-bit, on the device. Call it inside DeviceStream::Run().
  // Precondition: 1 <= pictures <= largest().
  void Replay(const at::Tensor& rows, std::size_t pictures);

  // What the last replay computed, {largest(), classes} and {largest(),
  // features}; rows behind its pictures mean nothing.
  const at::Tensor& logits() const { return logits_; }
  const at::Tensor& features() const { return features_; }

  // Of inputs and outputs. Activations belong to the library.
  std::int64_t bytes() const;

 private:
  BatchGraphs() = default;

  void Allocate(DeviceStream& stream, const FoldedNetwork& network, int side,
                std::size_t max_batch);
  void RecordSize(DeviceStream& stream, const FoldedNetwork& network,
                  const PictureInput& input, std::size_t size);

  std::vector<std::size_t> sizes_;
  std::vector<std::unique_ptr<RecordedGraph>> graphs_;  // of sizes_
  at::Tensor rows_;
  at::Tensor logits_;
  at::Tensor features_;
};

}  // namespace resnetd
