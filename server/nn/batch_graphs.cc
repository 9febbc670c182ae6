#include "server/nn/batch_graphs.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/log.h"
#include "server/base/status_macros.h"
#include "server/models/batch_sizes.h"
#include "server/models/fallbacks.h"
#include "server/nn/torch_status.h"

namespace resnetd {
namespace {

absl::Status TooSmall() {
  return Error(absl::StatusCode::kResourceExhausted, Reason::kOverloaded,
               "no batch size fits into the memory of the device");
}

}  // namespace

at::Tensor FirstRows(const at::Tensor& tensor, std::size_t rows) {
  return tensor.narrow(0, 0, static_cast<std::int64_t>(rows));
}

absl::StatusOr<std::unique_ptr<BatchGraphs>> BatchGraphs::Record(
    DeviceStream& stream, const FoldedNetwork& network,
    const PictureInput& input, int side, std::vector<std::size_t> sizes) {
  // Not make_unique: the constructor is private.
  std::unique_ptr<BatchGraphs> graphs(new BatchGraphs());
  while (!sizes.empty()) {
    const std::size_t size = sizes.back();
    sizes.pop_back();
    const absl::Status recorded = TorchToStatus("record a batch", [&] {
      if (!graphs->rows_.defined()) {
        graphs->Allocate(stream, network, side, size);
      }
      graphs->RecordSize(stream, network, input, size);
      return absl::OkStatus();
    });
    if (recorded.code() == absl::StatusCode::kResourceExhausted) {
      CountFallback(Fallback::kBatchSizeLeftOut);
      Log(LogLevel::kWarning, "a batch size does not fit into the device",
          {{"pictures", absl::StrCat(size)},
           {"free_bytes", absl::StrCat(stream.memory().free_bytes)}});
      // The next one allocates what is smaller. What was recorded stays: it is
      // larger, and fits.
      if (graphs->sizes_.empty()) {
        *graphs = BatchGraphs();
      }
      stream.ReleaseUnused();
      continue;
    }
    RETURN_IF_ERROR(recorded);
  }
  if (graphs->sizes_.empty()) {
    return TooSmall();
  }
  std::reverse(graphs->sizes_.begin(), graphs->sizes_.end());
  std::reverse(graphs->graphs_.begin(), graphs->graphs_.end());
  return graphs;
}

void BatchGraphs::Allocate(DeviceStream& stream, const FoldedNetwork& network,
                           int side, std::size_t max_batch) {
  stream.Run([&] {
    const auto batch = static_cast<std::int64_t>(max_batch);
    const auto options = at::TensorOptions(stream.device());
    rows_ = at::zeros({batch, side, side, 3}, options.dtype(at::kByte));
    logits_ = at::zeros({batch, network.classes()}, options);
    features_ = at::zeros({batch, network.features()}, options);
  });
}

void BatchGraphs::RecordSize(DeviceStream& stream, const FoldedNetwork& network,
                             const PictureInput& input, std::size_t size) {
  const auto compute = [&network, &input, rows = FirstRows(rows_, size),
                        logits = FirstRows(logits_, size),
                        features = FirstRows(features_, size)] {
    const at::Tensor average = network.Average(input.NormalisedRows(rows));
    features.copy_(average);
    logits.copy_(network.Head(average));
  };
  // The first time libraries measure and allocate.
  stream.Run(compute);
  graphs_.push_back(stream.Record(compute));
  sizes_.push_back(size);
}

void BatchGraphs::Replay(const at::Tensor& rows, std::size_t pictures) {
  const std::size_t padded = RowsOf(pictures, sizes_);
  // Rows behind are of an earlier batch: computed, and looked at by nobody.
  FirstRows(rows_, pictures).copy_(FirstRows(rows, pictures));
  const auto at = std::lower_bound(sizes_.begin(), sizes_.end(), padded);
  graphs_[static_cast<std::size_t>(at - sizes_.begin())]->Replay();
}

std::int64_t BatchGraphs::bytes() const {
  return static_cast<std::int64_t>(rows_.nbytes() + logits_.nbytes() +
                                   features_.nbytes());
}

}  // namespace resnetd
