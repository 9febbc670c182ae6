#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>

#include "server/models/weights.h"

namespace resnetd {

// The values of `source` where they are: float32 on the host, in C order. Only
// to be read, and as long as `source` lives. May throw c10::Error.
inline at::Tensor ViewOf(const Tensor& source) {
  // from_blob wants a mutable address.
  return at::from_blob(const_cast<float*>(source.values.data()), source.shape,
                       at::kFloat);
}

}  // namespace resnetd
