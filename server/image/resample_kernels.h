#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "server/image/resample_taps.h"

namespace resnetd {

// The two inner loops of the resize, in integers: every implementation gives
// the same bytes.
struct ResampleKernels {
  // How many rows one call of `horizontal` takes.
  static constexpr std::size_t kRows = 4;
  // Bytes that may be read after the last pixel of a row.
  static constexpr std::size_t kReadSlack = 8;
  // Bytes that may be written after the last output of a row.
  static constexpr std::size_t kWriteSlack = 16;

  using Rows = std::array<const std::uint8_t*, kRows>;
  using OutRows = std::array<std::uint8_t*, kRows>;

  // Resizes four RGB rows along x; the same row may be given more than once.
  void (*horizontal)(const ResampleTaps& taps, const Rows& rows,
                     const OutRows& out);

  // Makes output `index` of `taps` from whole rows: rows[i] is the i-th row it
  // reads. `bytes` is a multiple of 16, and rows hold that many.
  void (*vertical)(const ResampleTaps& taps, std::size_t index,
                   const std::uint8_t* const* rows, std::size_t bytes,
                   std::uint8_t* out);
};

// Plain loops.
const ResampleKernels& ScalarKernels();

// The fastest of this machine: 128-bit vectors where the processor has them,
// else the plain loops.
const ResampleKernels& BestKernels();

}  // namespace resnetd
