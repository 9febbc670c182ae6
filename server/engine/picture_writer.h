#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "server/engine/normalisation.h"
#include "server/engine/precision.h"
#include "server/image/preprocess.h"
#include "server/models/model.h"

namespace resnetd {

// How a plan wants its pictures.
struct PictureFormat {
  PictureLayout layout = PictureLayout::kInterleaved;
  // kFloat32, kBfloat16: normalised values. kInt8: bytes as they come.
  Precision precision = Precision::kFloat32;
  // Bytes, interleaved: pixels around the picture, of PaddingBytes().
  int padding = 0;
};

// Writes pictures where a plan reads them. Immutable.
class PictureWriter {
 public:
  explicit PictureWriter(const PreprocessSpec& spec);

  // Of one picture.
  std::size_t BytesOf(const PictureFormat& format) const;

  // `picture` has crop x crop pixels, or as many normalised values. As bytes,
  // normalised values become the nearest bytes whose values they could be;
  // what no byte can be is cut off.
  void Write(const ModelInput& picture, const PictureFormat& format,
             std::byte* destination) const;

 private:
  void WriteBfloat16(const ModelInput& picture, PictureLayout layout,
                     std::uint16_t* destination) const;
  void WriteBytes(const ModelInput& picture, int padding,
                  std::uint8_t* destination) const;
  void WriteRow(const ModelInput& picture, std::size_t row,
                std::uint8_t* destination) const;

  const PreprocessSpec spec_;
  const std::size_t crop_;
  const Normalisation normalisation_;
  const std::array<std::uint8_t, 3> edge_;
  std::array<std::array<std::uint16_t, 256>, 3> bfloat_table_;
};

}  // namespace resnetd
