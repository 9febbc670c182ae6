#include "server/nn/parallel_for.h"

#include <ATen/Parallel.h>
#include <ATen/TensorIterator.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

namespace resnetd {

void ParallelFor(std::int64_t count,
                 absl::FunctionRef<void(std::int64_t)> body) {
  if (count < 2 || at::get_num_threads() == 1) {
    for (std::int64_t i = 0; i < count; ++i) {
      body(i);
    }
    return;
  }
  // at::parallel_for() is a template whose threads are those of whoever
  // compiles it: OpenMP of another vendor would be a second set of them. This
  // walk over a tensor is compiled in LibTorch. The values are never looked at:
  // their places are the numbers.
  at::Tensor places = at::empty({count}, at::kByte);
  const auto* first = static_cast<const char*>(places.const_data_ptr());
  at::TensorIterator iterator = at::TensorIterator::nullary_op(places);
  iterator.for_each(
      [&](char** data, const std::int64_t* strides, std::int64_t size,
          std::int64_t rows) {
        for (std::int64_t i = 0; i < rows * size; ++i) {
          const char* place =
              data[0] + i / size * strides[1] + i % size * strides[0];
          body(place - first);
        }
      },
      /*grain_size=*/1);
}

}  // namespace resnetd
