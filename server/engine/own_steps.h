#pragma once

#include <cstddef>
#include <oneapi/dnnl/dnnl.hpp>

#include "server/engine/parameters.h"
#include "server/engine/plan.h"
#include "server/engine/program.h"
#include "server/engine/winograd.h"

namespace resnetd {

// Steps that are loops of our own. Places are left open.

// Step `step` of `program`, an average over whole pictures, from bfloat16 or
// bytes to float32.
PlannedStep AverageStep(const Program& program, std::size_t step, int batch,
                        const Parameters& parameters);

// What comes before the products of an int8 linear layer, step `step` of
// `program`: the averages as bytes.
PlannedStep QuantiseFeaturesStep(const Program& program, std::size_t step,
                                 int batch, const Parameters& parameters);

// The last layer of float32 and bfloat16 plans. `weights` in C order and `bias`
// stay alive with the step.
PlannedStep LinearStep(const LinearLayer& linear, int batch,
                       const dnnl::memory& weights, const dnnl::memory& bias);

// Step `step` of `program`, a convolution between activations in blocks of
// eight channels, as `shape` says, planned for as many threads as the calling
// thread's OpenMP team has. `weights` are transformed, `bias` may be null; both
// stay alive with the step. For processors with AVX2 and FMA.
PlannedStep WinogradStep(const Program& program, std::size_t step, int batch,
                         const WinogradShape& shape,
                         const dnnl::memory& weights, const dnnl::memory& bias);

}  // namespace resnetd
