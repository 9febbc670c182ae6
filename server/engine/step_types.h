#pragma once

#include <cstddef>
#include <oneapi/dnnl/dnnl.hpp>

#include "server/engine/parameters.h"
#include "server/engine/quantisation.h"

namespace resnetd {

// What the tensors of one step are made of, in the precision of a plan. The
// average and the logits are float32 in all of them.
struct StepTypes {
  dnnl::memory::data_type input = dnnl::memory::data_type::f32;
  dnnl::memory::data_type weights = dnnl::memory::data_type::f32;
  dnnl::memory::data_type output = dnnl::memory::data_type::f32;
};

StepTypes TypesOf(const Parameters& parameters, std::size_t step);

dnnl::memory::data_type TypeOf(const Levels& levels);

}  // namespace resnetd
