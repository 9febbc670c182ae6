#pragma once

#include "server/image/pixels.h"
#include "server/image/resample_kernels.h"
#include "server/image/resample_taps.h"

namespace resnetd {

// The picture resized along both axes, columns first, rounded to 8 bits in
// between: one output per tap of `columns` and of `rows`. Memory: the rows that
// one output row reads. Precondition: the taps are of the picture's sides and
// not empty.
Pixels Resample(const Pixels& pixels, const ResampleTaps& columns,
                const ResampleTaps& rows, const ResampleKernels& kernels);

}  // namespace resnetd
