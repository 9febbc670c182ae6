#pragma once

#include <vector>

#include "server/engine/descs.h"
#include "server/engine/precision.h"
#include "server/engine/program.h"

namespace resnetd {

// How each buffer of a program lies in memory: channels innermost (NHWC), or in
// blocks of eight channels (nChw8c).
//
// With vectors of 512 bits both are as fast for plain convolutions. Those of
// float32 with vectors of 256 bits run at half of the core's peak on NHWC and
// at three quarters of it on blocks, where a tile of registers has room for
// them. Not blocked are
//   - bytes and bfloat16, whose kernels are made for NHWC,
//   - networks with grouped convolutions, for which oneDNN 2.6 has no blocked
//     kernel,
//   - channels that do not fill their blocks, and
//   - programs that end before the average: their result is read as NHWC.
// The picture, buffer 0, is left to the first convolution.
//
// `wide_vectors`: HasWideVectors().
std::vector<FormatTag> LayoutsOf(const Program& program, Precision precision,
                                 bool wide_vectors);

}  // namespace resnetd
