#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "absl/status/statusor.h"

namespace resnetd {

// The values of `logits`, row by row.
// INTERNAL (INTERNAL): one is not finite. May throw c10::Error.
absl::StatusOr<std::vector<float>> FiniteLogits(const at::Tensor& logits);

}  // namespace resnetd
