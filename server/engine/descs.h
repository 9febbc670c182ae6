#pragma once

#include <cstddef>
#include <oneapi/dnnl/dnnl.hpp>

#include "server/engine/program.h"
#include "server/models/architecture.h"

namespace resnetd {

using FormatTag = dnnl::memory::format_tag;
using DataType = dnnl::memory::data_type;

// Tensors of the engine, described for the library: float32 where nothing else
// is said.

dnnl::memory::desc ActivationDesc(const BufferShape& shape, int batch,
                                  FormatTag layout,
                                  DataType type = DataType::f32);

// A step's weights in C order, as the state dict has them; grouped
// convolutions have the group as a dimension of its own.
dnnl::memory::desc PlainWeights(const ConvLayer& conv,
                                DataType type = DataType::f32);
dnnl::memory::desc PlainWeights(const LinearLayer& linear,
                                DataType type = DataType::f32);

// The same tensors in whatever layout the library prefers.
dnnl::memory::desc AnyWeights(const ConvLayer& conv,
                              DataType type = DataType::f32);
dnnl::memory::desc AnyWeights(const LinearLayer& linear,
                              DataType type = DataType::f32);

dnnl::memory::desc VectorDesc(std::size_t size);
dnnl::memory::desc MatrixDesc(int rows, int columns,
                              DataType type = DataType::f32);

}  // namespace resnetd
