#pragma once

#include <cstddef>
#include <oneapi/dnnl/dnnl.hpp>

#include "server/engine/program.h"
#include "server/models/architecture.h"

namespace resnetd {

using FormatTag = dnnl::memory::format_tag;

// Float32 tensors of the engine, described for the library.

dnnl::memory::desc ActivationDesc(const BufferShape& shape, int batch,
                                  FormatTag layout);

// A step's weights in C order, as the state dict has them; grouped
// convolutions have the group as a dimension of its own.
dnnl::memory::desc PlainWeights(const ConvLayer& conv);
dnnl::memory::desc PlainWeights(const LinearLayer& linear);

// The same tensors in whatever layout the library prefers.
dnnl::memory::desc AnyWeights(const ConvLayer& conv);
dnnl::memory::desc AnyWeights(const LinearLayer& linear);

dnnl::memory::desc VectorDesc(std::size_t size);
dnnl::memory::desc MatrixDesc(int rows, int columns);

}  // namespace resnetd
