#include "server/nn/logits_output.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cmath>

#include "absl/status/status.h"
#include "server/base/error.h"

namespace resnetd {

absl::StatusOr<std::vector<float>> FiniteLogits(const at::Tensor& logits) {
  const at::Tensor rows = logits.cpu().to(at::kFloat).contiguous();
  const float* first = rows.const_data_ptr<float>();
  std::vector<float> values(first, first + rows.numel());
  if (!std::all_of(values.begin(), values.end(),
                   [](float x) { return std::isfinite(x); })) {
    return Error(absl::StatusCode::kInternal, Reason::kInternal,
                 "the network computed a logit that is not finite; its "
                 "weights are not usable");
  }
  return values;
}

}  // namespace resnetd
