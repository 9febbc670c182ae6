#include "server/nn/feature_input.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"

namespace resnetd {

absl::Status FeatureInput::Check(absl::Span<const Features> batch) const {
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (batch[i].size() != shape_.values()) {
      return Error(
          absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
          absl::StrCat("row ", i, " of the batch has ", batch[i].size(),
                       " features; the part takes ", shape_.channels, "x",
                       shape_.height, "x", shape_.width));
    }
  }
  return absl::OkStatus();
}

at::Tensor FeatureInput::Batch(absl::Span<const Features> batch) const {
  const at::Tensor rows =
      at::empty({static_cast<std::int64_t>(batch.size()), shape_.height,
                 shape_.width, shape_.channels},
                at::kFloat);
  auto* to = rows.data_ptr<float>();
  for (const Features& row : batch) {
    to = std::copy(row.begin(), row.end(), to);
  }
  // The channels of a pixel side by side are channels_last order already.
  return rows.permute({0, 3, 1, 2});
}

}  // namespace resnetd
