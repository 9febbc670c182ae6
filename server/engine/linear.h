#pragma once

#include <cstddef>

namespace resnetd {

// Of a linear layer and its batch.
struct LinearShape {
  std::size_t batch = 1;
  std::size_t in_features = 0;
  std::size_t out_features = 0;
};

// destination[b][o] = bias[o] + sum of weights[o][i] * source[b][i], all in C
// order and float32.
//
// Each result is summed up in one order, whatever the batch: so a picture has
// the same logits, bit for bit, whoever runs beside it. The library's products
// of matrices choose the order by the number of rows. The weights are read once
// for the whole batch.
void ApplyLinear(const LinearShape& shape, const float* weights,
                 const float* bias, const float* source, float* destination);

}  // namespace resnetd
