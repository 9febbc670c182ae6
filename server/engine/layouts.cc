#include "server/engine/layouts.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "server/engine/descs.h"
#include "server/engine/precision.h"
#include "server/engine/program.h"

namespace resnetd {
namespace {

constexpr int kBlock = 8;

bool CanBlock(const Program& program) {
  const BufferShape& result = program.buffers[program.output];
  return result.height == 1 && result.width == 1 &&
         std::none_of(program.steps.begin(), program.steps.end(),
                      [](const Step& step) { return step.conv.groups > 1; }) &&
         // The result has any number of classes, but one pixel.
         std::none_of(program.buffers.begin() + 1, program.buffers.end(),
                      [](const BufferShape& shape) {
                        return shape.channels % kBlock != 0 &&
                               shape.height * shape.width > 1;
                      });
}

}  // namespace

std::vector<FormatTag> LayoutsOf(const Program& program, Precision precision,
                                 bool wide_vectors) {
  std::vector<FormatTag> layouts(program.buffers.size(), FormatTag::nhwc);
  if (precision == Precision::kFloat32 && !wide_vectors && CanBlock(program)) {
    for (std::size_t i = 1; i < layouts.size(); ++i) {
      // One pixel is the same in both, but for what fills a last block.
      if (program.buffers[i].channels % kBlock == 0) {
        layouts[i] = FormatTag::nChw8c;
      }
    }
  }
  return layouts;
}

}  // namespace resnetd
