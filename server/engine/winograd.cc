#include "server/engine/winograd.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>

#include "server/engine/program.h"

namespace resnetd {
namespace {

// Measured: fewer tiles a picture leave the weights idle, more channels make
// them too large for what is gained.
constexpr std::size_t kLeastTiles = 16;
constexpr std::size_t kMostChannelsOfFour = 128;
constexpr std::size_t kMostChannels = 256;

// Bytes of transformed tiles at once.
constexpr std::size_t kLeastTileBytes = std::size_t{256} << 10U;
constexpr std::size_t kMostTileBytes = std::size_t{2} << 20U;
// Weights over tiles, in bytes, at which neither waits for memory.
constexpr std::size_t kWeightsOverTiles = 8;

constexpr std::size_t kKernel = 3;
constexpr std::size_t kMostPoints = 6;  // a side

using PointRows = std::array<std::array<double, kKernel>, kMostPoints>;

// What makes points of three weights: their polynomial at each point, over the
// product of the point's distances to the others.
PointRows RowsOf(std::size_t tile) {
  if (tile == 2) {
    return {{{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}}};
  }
  constexpr std::array<double, 5> kPoints = {0, kWinogradNear, -kWinogradNear,
                                             kWinogradFar, -kWinogradFar};
  PointRows rows = {};
  for (std::size_t i = 0; i < kPoints.size(); ++i) {
    double distances = 1;
    for (std::size_t j = 0; j < kPoints.size(); ++j) {
      distances *= i == j ? 1 : kPoints.at(i) - kPoints.at(j);
    }
    rows.at(i) = {1 / distances, kPoints.at(i) / distances,
                  kPoints.at(i) * kPoints.at(i) / distances};
  }
  rows.back() = {0, 0, 1};
  return rows;
}

// The points of one kernel of 3x3, first along its columns, then its lines;
// `stride` floats lie between them.
void TransformKernel(const PointRows& rows, std::size_t side,
                     const float* kernel, float* points, std::size_t stride) {
  for (std::size_t i = 0; i < side; ++i) {
    std::array<double, kKernel> line = {};
    for (std::size_t j = 0; j < kKernel; ++j) {
      line[j] = rows[i][0] * double{kernel[j]} +
                rows[i][1] * double{kernel[kKernel + j]} +
                rows[i][2] * double{kernel[2 * kKernel + j]};
    }
    for (std::size_t j = 0; j < side; ++j) {
      *points = static_cast<float>(line[0] * rows[j][0] + line[1] * rows[j][1] +
                                   line[2] * rows[j][2]);
      points += stride;
    }
  }
}

std::size_t DividedUp(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

}  // namespace

std::optional<WinogradShape> WinogradShapeOf(const Step& step,
                                             const BufferShape& input) {
  const ConvLayer& conv = step.conv;
  if (step.kind != StepKind::kConvolution || conv.kernel != kKernel ||
      conv.stride != 1 || conv.padding != 1 || conv.groups != 1) {
    return std::nullopt;
  }
  WinogradShape shape = {
      .in_channels = static_cast<std::size_t>(conv.in_channels),
      .out_channels = static_cast<std::size_t>(conv.out_channels),
      .height = static_cast<std::size_t>(input.height),
      .width = static_cast<std::size_t>(input.width),
      .tile = 4};
  if (shape.in_channels % kWinogradBlock != 0 ||
      shape.out_channels % kWinogradPanel != 0 ||
      shape.in_channels > kMostChannels || shape.out_channels > kMostChannels) {
    return std::nullopt;
  }
  if (shape.in_channels <= kMostChannelsOfFour &&
      shape.out_channels <= kMostChannelsOfFour &&
      TilesOf(shape) >= kLeastTiles) {
    return shape;
  }
  shape.tile = 2;
  return TilesOf(shape) >= kLeastTiles ? std::optional(shape) : std::nullopt;
}

std::size_t PointsOf(const WinogradShape& shape) {
  return (shape.tile + 2) * (shape.tile + 2);
}

std::size_t TilesOf(const WinogradShape& shape) {
  return DividedUp(shape.height, shape.tile) *
         DividedUp(shape.width, shape.tile);
}

std::size_t WinogradWeights(const WinogradShape& shape) {
  return PointsOf(shape) * shape.in_channels * shape.out_channels;
}

void TransformWeights(const WinogradShape& shape, const float* weights,
                      float* transformed) {
  const PointRows rows = RowsOf(shape.tile);
  const std::size_t side = shape.tile + 2;
  for (std::size_t out = 0; out < shape.out_channels; ++out) {
    for (std::size_t in = 0; in < shape.in_channels; ++in) {
      const std::size_t row =
          out / kWinogradPanel * side * side * shape.in_channels + in;
      TransformKernel(
          rows, side,
          weights + (out * shape.in_channels + in) * kKernel * kKernel,
          transformed + row * kWinogradPanel + out % kWinogradPanel,
          shape.in_channels * kWinogradPanel);
    }
  }
}

WinogradWork WinogradWorkOf(const WinogradShape& shape, std::size_t batch,
                            std::size_t threads) {
  const std::size_t tiles = batch * TilesOf(shape);
  const std::size_t tile_bytes =
      sizeof(float) * PointsOf(shape) * shape.in_channels;
  const std::size_t wanted_bytes =
      std::clamp(sizeof(float) * WinogradWeights(shape) / kWeightsOverTiles,
                 kLeastTileBytes, kMostTileBytes);
  const std::size_t wanted =
      std::max<std::size_t>(1, wanted_bytes / tile_bytes);
  WinogradWork work;
  if (tiles >= wanted * threads) {
    work.tile_parts = threads;
  } else {
    work.panel_parts = std::min(threads, shape.out_channels / kWinogradPanel);
  }
  const std::size_t of_part = DividedUp(tiles, work.tile_parts);
  work.tiles_at_once = DividedUp(of_part, DividedUp(of_part, wanted));
  work.scratch =
      PointsOf(shape) * (PointStride(work.tiles_at_once, shape.in_channels) +
                         PointStride(work.tiles_at_once, kWinogradPanel));
  return work;
}

}  // namespace resnetd
