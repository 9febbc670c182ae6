#include "server/engine/descs.h"

#include <cstddef>
#include <oneapi/dnnl/dnnl.hpp>

#include "server/engine/program.h"
#include "server/models/architecture.h"

namespace resnetd {
namespace {

constexpr auto kF32 = dnnl::memory::data_type::f32;

dnnl::memory::desc WeightsDesc(const ConvLayer& conv, DataType type, bool any) {
  const dnnl::memory::dim out = conv.out_channels;
  const dnnl::memory::dim in = conv.in_channels;
  const dnnl::memory::dim groups = conv.groups;
  const dnnl::memory::dim side = conv.kernel;
  if (groups == 1) {
    return {
        {out, in, side, side}, type, any ? FormatTag::any : FormatTag::oihw};
  }
  return {{groups, out / groups, in / groups, side, side},
          type,
          any ? FormatTag::any : FormatTag::goihw};
}

dnnl::memory::desc WeightsDesc(const LinearLayer& linear, DataType type,
                               bool any) {
  return {{linear.out_features, linear.in_features},
          type,
          any ? FormatTag::any : FormatTag::oi};
}

}  // namespace

dnnl::memory::desc ActivationDesc(const BufferShape& shape, int batch,
                                  FormatTag layout, DataType type) {
  return {{batch, shape.channels, shape.height, shape.width}, type, layout};
}

dnnl::memory::desc PlainWeights(const ConvLayer& conv, DataType type) {
  return WeightsDesc(conv, type, /*any=*/false);
}

dnnl::memory::desc PlainWeights(const LinearLayer& linear, DataType type) {
  return WeightsDesc(linear, type, /*any=*/false);
}

dnnl::memory::desc AnyWeights(const ConvLayer& conv, DataType type) {
  return WeightsDesc(conv, type, /*any=*/true);
}

dnnl::memory::desc AnyWeights(const LinearLayer& linear, DataType type) {
  return WeightsDesc(linear, type, /*any=*/true);
}

dnnl::memory::desc VectorDesc(std::size_t size) {
  return {{static_cast<dnnl::memory::dim>(size)}, kF32, FormatTag::x};
}

dnnl::memory::desc MatrixDesc(int rows, int columns, DataType type) {
  return {{rows, columns}, type, FormatTag::nc};
}

}  // namespace resnetd
