#include "server/engine/step_types.h"

#include <cstddef>
#include <oneapi/dnnl/dnnl.hpp>

#include "server/engine/descs.h"
#include "server/engine/parameters.h"
#include "server/engine/precision.h"
#include "server/engine/quantisation.h"

namespace resnetd {

dnnl::memory::data_type TypeOf(const Levels& levels) {
  return levels.is_signed ? DataType::s8 : DataType::u8;
}

StepTypes TypesOf(const Parameters& parameters, std::size_t step) {
  switch (parameters.precision()) {
    case Precision::kFloat32:
      break;
    case Precision::kBfloat16:
      return {.input = DataType::bf16,
              .weights = DataType::bf16,
              .output = DataType::bf16};
    case Precision::kInt8: {
      const StepLevels& levels = parameters.levels(step);
      return {.input = TypeOf(levels.input),
              .weights = DataType::s8,
              .output = TypeOf(levels.output)};
    }
  }
  return {};
}

}  // namespace resnetd
