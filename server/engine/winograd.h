#pragma once

#include <cstddef>
#include <optional>

#include "server/engine/program.h"

namespace resnetd {

// Convolutions of 3x3, stride 1 and padding 1 by minimal filtering (Winograd):
// a tile of `tile` x `tile` results is made of (tile + 2)^2 values a channel,
// points, that are products of a transformed tile of the input with transformed
// weights, summed over the input's channels. That takes 4 (tile 4) or 2.25
// (tile 2) times fewer multiplications than the sum itself, for weights that
// are 4 or 16/9 times as large and transforms that cost a little.
struct WinogradShape {
  std::size_t in_channels = 0;   // a multiple of kWinogradBlock
  std::size_t out_channels = 0;  // a multiple of kWinogradPanel
  std::size_t height = 0;
  std::size_t width = 0;
  std::size_t tile = 4;  // results a side of a tile, 2 or 4

  friend bool operator==(const WinogradShape&, const WinogradShape&) = default;
};

// Channels of activations that lie together, and output channels whose sums are
// made at once.
inline constexpr std::size_t kWinogradBlock = 8;
inline constexpr std::size_t kWinogradPanel = 16;

// The points of tiles of four: 0, infinity, and plus and minus these two. They
// are exact in binary, as are the constants made of them, and leave a quarter
// of the error of the textbook's 1 and 2.
inline constexpr double kWinogradNear = 0.75;
inline constexpr double kWinogradFar = 1.5;

// How a convolution that reads pictures of `input` is done so, or nothing: the
// library's direct kernel is faster, or the transformed weights too large. The
// same for every batch, so that a picture's bits do not depend on it. Pure.
//
// Tiles of four where the pictures have room for some of them and the weights
// are small, else tiles of two.
std::optional<WinogradShape> WinogradShapeOf(const Step& step,
                                             const BufferShape& input);

// Points of a tile; tiles of a picture, those that reach over its edge
// included.
std::size_t PointsOf(const WinogradShape& shape);
std::size_t TilesOf(const WinogradShape& shape);

// Values of the transformed weights.
std::size_t WinogradWeights(const WinogradShape& shape);

// Transforms weights {out, in, 3, 3} in double precision. `transformed` has
// room for WinogradWeights(): panels of output channels, in each the points, in
// each the input channels, in each the panel's channels.
void TransformWeights(const WinogradShape& shape, const float* weights,
                      float* transformed);

// How the work on a batch is cut.
struct WinogradWork {
  // Tiles that are transformed before they are multiplied: enough that the
  // weights, which are read once for all of them, do not wait for memory, and
  // few enough that they stay in a near cache.
  std::size_t tiles_at_once = 0;
  // Parts for threads: equal ranges of the tiles, or of the panels of output
  // channels, of which each transforms all tiles. One of the two is 1.
  std::size_t tile_parts = 1;
  std::size_t panel_parts = 1;
  // Floats that a part works in.
  std::size_t scratch = 0;

  std::size_t parts() const { return tile_parts * panel_parts; }
};

// Precondition: `batch` and `threads` are at least 1.
WinogradWork WinogradWorkOf(const WinogradShape& shape, std::size_t batch,
                            std::size_t threads);

// Where the points of `tiles` tiles begin in the scratch of a part, after
// another: a little apart, so that they do not fall on the same lines of a
// cache.
inline std::size_t PointStride(std::size_t tiles, std::size_t channels) {
  return tiles * channels + kWinogradPanel;
}

}  // namespace resnetd
