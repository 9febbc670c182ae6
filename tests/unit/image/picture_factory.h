#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "server/image/pixels.h"

// Pictures for tests: made from a seed, written by the libraries' own encoders.
namespace resnetd::testing {

using Encoded = std::vector<std::uint8_t>;

// A picture that looks like a photo to an encoder: smooth areas, edges, grain.
Pixels MakePhoto(int width, int height, unsigned seed = 1);

struct JpegOptions {
  enum class Colour { kYcc, kRgb, kGrey, kCmyk, kYcck };
  Colour colour = Colour::kYcc;
  int quality = 90;
  bool progressive = false;
  // Both 2: chroma at half the size.
  int horizontal_sampling = 2;
  int vertical_sampling = 2;
  // MCUs between restart markers, 0 for none.
  unsigned restart_interval = 0;
  bool optimised_tables = false;
  // Each component in a scan of its own.
  bool separate_scans = false;
};
// For CMYK and YCCK the ink values are 255 - R, 255 - G, 255 - B and some
// black, written as Adobe's programs do, inverted.
Encoded EncodeJpeg(const Pixels& pixels, const JpegOptions& options = {});

// What a PNG holds before encoding: `samples` has width * height * channels
// values, each below 2^bit_depth.
struct PngPicture {
  int width = 0;
  int height = 0;
  int bit_depth = 8;
  int colour_type = 2;  // PNG's: 0 grey, 2 RGB, 3 palette, 4 grey + alpha, 6.
  bool interlaced = false;
  std::vector<std::uint16_t> samples;
  // RGB triples, for colour type 3.
  std::vector<std::uint8_t> palette;
  // Body of a tRNS chunk, empty for none.
  std::vector<std::uint8_t> transparency;

  int Channels() const;
};
PngPicture MakePng(int width, int height, int colour_type, int bit_depth,
                   unsigned seed = 1);
Encoded EncodePng(const PngPicture& picture);
Encoded EncodePng(const Pixels& pixels);

struct WebpOptions {
  bool lossless = false;
  float quality = 80;
};
Encoded EncodeWebp(const Pixels& pixels, const WebpOptions& options = {});
// `rgba` has width * height * 4 bytes.
Encoded EncodeWebp(absl::Span<const std::uint8_t> rgba, int width, int height,
                   const WebpOptions& options);

}  // namespace resnetd::testing
