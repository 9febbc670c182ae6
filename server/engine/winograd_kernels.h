#pragma once

#include <cstddef>

#include "server/engine/winograd.h"

namespace resnetd {

// A convolution and what is done with its results.
struct WinogradCall {
  WinogradShape shape;
  WinogradWork work;  // of the batch
  std::size_t batch = 1;
  // Added to what the destination holds, then relu: as in Step.
  bool accumulate = false;
  bool relu = false;
  // As TransformWeights() leaves them.
  const float* weights = nullptr;
  // One value an output channel; null: none.
  const float* bias = nullptr;
};

// Part `part` of a batch, of call.work.parts(). Activations lie in blocks of
// eight channels (nChw8c), `scratch` has room for call.work.scratch floats of
// this part alone. Each result is computed in one order, whatever the batch and
// the parts. A NaN in the input is one in every result of its tile.
//
// The processor has AVX2 and FMA.
void RunWinogradAvx2(const WinogradCall& call, std::size_t part,
                     const float* source, float* destination, float* scratch);

}  // namespace resnetd
