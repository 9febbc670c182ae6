#include "server/engine/winograd_kernels.h"

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <cstddef>

#include "server/engine/avx2.h"
#include "server/engine/winograd.h"
#include "server/engine/winograd_tiles.h"

namespace resnetd {
namespace {

using winograd::kLanes;

// One point of kRows tiles in a panel of output channels. `ahead` are the
// weights that are wanted next: asked for while these are worked with, as a
// panel is too short for the processor to see where it leads.
template <std::size_t kRows>
RESNETD_AVX2 void Multiply(const float* tiles, std::size_t channels,
                           const float* weights, const float* ahead,
                           float* sums) {
  __m256 low[kRows];
  __m256 high[kRows];
#pragma GCC unroll 6
  for (std::size_t r = 0; r < kRows; ++r) {
    low[r] = _mm256_setzero_ps();
    high[r] = _mm256_setzero_ps();
  }
  for (std::size_t k = 0; k < channels; ++k) {
    const __m256 first = _mm256_loadu_ps(weights + k * kWinogradPanel);
    const __m256 second =
        _mm256_loadu_ps(weights + k * kWinogradPanel + kLanes);
    if (ahead != nullptr) {
      _mm_prefetch(ahead + k * kWinogradPanel, _MM_HINT_T0);
    }
#pragma GCC unroll 6
    for (std::size_t r = 0; r < kRows; ++r) {
      const __m256 value = _mm256_broadcast_ss(tiles + r * channels + k);
      low[r] = _mm256_fmadd_ps(value, first, low[r]);
      high[r] = _mm256_fmadd_ps(value, second, high[r]);
    }
  }
#pragma GCC unroll 6
  for (std::size_t r = 0; r < kRows; ++r) {
    _mm256_storeu_ps(sums + r * kWinogradPanel, low[r]);
    _mm256_storeu_ps(sums + r * kWinogradPanel + kLanes, high[r]);
  }
}

using Multiplier = void (*)(const float*, std::size_t, const float*,
                            const float*, float*);
// Twelve sums, two weights and a value fill the registers.
constexpr std::size_t kMostRows = 6;
constexpr std::array<Multiplier, kMostRows> kMultipliers = {
    Multiply<1>, Multiply<2>, Multiply<3>,
    Multiply<4>, Multiply<5>, Multiply<6>};

template <std::size_t kTile>
class Part {
 public:
  RESNETD_AVX2 Part(const WinogradCall& call, const float* source,
                    float* destination, float* scratch)
      : call_(call),
        shape_(call.shape),
        constants_(winograd::MakeConstants()),
        across_((shape_.width + kTile - 1) / kTile),
        of_picture_(TilesOf(shape_)),
        plane_(shape_.height * shape_.width * kLanes),
        source_(source),
        destination_(destination),
        points_(scratch) {}

  // Tiles `begin` to `end` of the batch, in panels `first` to `last`.
  RESNETD_AVX2 void Run(std::size_t begin, std::size_t end, std::size_t first,
                        std::size_t last) {
    for (first_ = begin; first_ < end; first_ += tiles_) {
      tiles_ = std::min(call_.work.tiles_at_once, end - first_);
      point_stride_ = PointStride(tiles_, shape_.in_channels);
      sum_stride_ = PointStride(tiles_, kWinogradPanel);
      sums_ = points_ + kSide * kSide * point_stride_;
      for (std::size_t tile = 0; tile < tiles_; ++tile) {
        Transform(tile);
      }
      for (std::size_t panel = first; panel < last; ++panel) {
        MultiplyPanel(panel);
        for (std::size_t tile = 0; tile < tiles_; ++tile) {
          FinishPanel(panel, tile);
        }
      }
    }
  }

 private:
  static constexpr std::size_t kSide = kTile + 2;

  // Where a tile begins.
  struct Place {
    std::size_t picture;
    std::size_t y;
    std::size_t x;
  };

  Place PlaceOf(std::size_t tile) const {
    const std::size_t all = first_ + tile;
    const std::size_t in_picture = all % of_picture_;
    return {.picture = all / of_picture_,
            .y = in_picture / across_ * kTile,
            .x = in_picture % across_ * kTile};
  }

  RESNETD_AVX2 void Transform(std::size_t tile) {
    const Place place = PlaceOf(tile);
    const float* plane =
        source_ + place.picture * shape_.in_channels / kLanes * plane_;
    float* const points = points_ + tile * shape_.in_channels;
    // The edge around the tile is one wide on each side.
    const bool is_inside = place.y > 0 && place.x > 0 &&
                           place.y + kTile < shape_.height &&
                           place.x + kTile < shape_.width;
    if (!is_inside) {
      return TransformAtEdge(place, plane, points);
    }
    const std::size_t corner =
        ((place.y - 1) * shape_.width + place.x - 1) * kLanes;
    for (std::size_t c = 0; c < shape_.in_channels; c += kLanes) {
      winograd::TransformTile<kTile>(constants_, plane + corner,
                                     shape_.width * kLanes, points + c,
                                     point_stride_);
      plane += plane_;
    }
  }

  // The same by way of a copy with zeros where the picture has nothing.
  RESNETD_AVX2 void TransformAtEdge(const Place& place, const float* plane,
                                    float* points) {
    alignas(32) float copy[kSide * kSide * kLanes] = {};
    // Lines and columns of the copy that the picture has.
    const std::size_t top = place.y == 0 ? 1 : 0;
    const std::size_t left = place.x == 0 ? 1 : 0;
    const std::size_t bottom = std::min(kSide, shape_.height + 1 - place.y);
    const std::size_t right = std::min(kSide, shape_.width + 1 - place.x);
    for (std::size_t c = 0; c < shape_.in_channels; c += kLanes) {
      for (std::size_t i = top; i < bottom; ++i) {
        const float* const line =
            plane + ((place.y + i - 1) * shape_.width + place.x) * kLanes;
        for (std::size_t j = left; j < right; ++j) {
          _mm256_store_ps(copy + (i * kSide + j) * kLanes,
                          _mm256_loadu_ps(line + j * kLanes - kLanes));
        }
      }
      winograd::TransformTile<kTile>(constants_, copy, kSide * kLanes,
                                     points + c, point_stride_);
      plane += plane_;
    }
  }

  RESNETD_AVX2 void MultiplyPanel(std::size_t panel) {
    const std::size_t channels = shape_.in_channels;
    const std::size_t of_point = channels * kWinogradPanel;
    const float* weights = call_.weights + panel * kSide * kSide * of_point;
    const std::size_t groups = (tiles_ + kMostRows - 1) / kMostRows;
    for (std::size_t point = 0; point < kSide * kSide; ++point) {
      const float* const values = points_ + point * point_stride_;
      float* const sums = sums_ + point * sum_stride_;
      const float* ahead = weights + of_point;
      std::size_t tile = 0;
      for (std::size_t left = groups; left > 0; --left) {
        // As even as can be: six and one would be slower than four and three.
        const std::size_t rows = (tiles_ - tile + left - 1) / left;
        kMultipliers[rows - 1](values + tile * channels, channels, weights,
                               ahead, sums + tile * kWinogradPanel);
        ahead = nullptr;
        tile += rows;
      }
      weights += of_point;
    }
  }

  RESNETD_AVX2 void FinishPanel(std::size_t panel, std::size_t tile) {
    const Place place = PlaceOf(tile);
    const std::size_t channel = panel * kWinogradPanel;
    winograd::TileEnd end = {
        .destination =
            destination_ +
            (place.picture * shape_.out_channels + channel) / kLanes * plane_ +
            (place.y * shape_.width + place.x) * kLanes,
        .row = shape_.width * kLanes,
        .height = std::min(kTile, shape_.height - place.y),
        .width = std::min(kTile, shape_.width - place.x),
        .accumulate = call_.accumulate,
        .relu = call_.relu};
    for (std::size_t c = 0; c < kWinogradPanel; c += kLanes) {
      winograd::FinishTile<kTile>(
          constants_, sums_ + tile * kWinogradPanel + c, sum_stride_,
          call_.bias == nullptr ? nullptr : call_.bias + channel + c, end);
      end.destination += plane_;
    }
  }

  const WinogradCall& call_;
  const WinogradShape& shape_;
  const winograd::Constants constants_;
  const std::size_t across_;  // tiles beside each other
  const std::size_t of_picture_;
  const std::size_t plane_;  // floats of eight channels of a picture
  const float* const source_;
  float* const destination_;
  // The tiles at hand: the first of them, and how many.
  std::size_t first_ = 0;
  std::size_t tiles_ = 0;
  float* const points_;
  std::size_t point_stride_ = 0;
  float* sums_ = nullptr;
  std::size_t sum_stride_ = 0;
};

template <std::size_t kTile>
RESNETD_AVX2 void RunPart(const WinogradCall& call, std::size_t part,
                          const float* source, float* destination,
                          float* scratch) {
  const WinogradWork& work = call.work;
  const std::size_t tiles = call.batch * TilesOf(call.shape);
  const std::size_t panels = call.shape.out_channels / kWinogradPanel;
  const std::size_t of_tiles = part / work.panel_parts;
  const std::size_t of_panels = part % work.panel_parts;
  Part<kTile>(call, source, destination, scratch)
      .Run(tiles * of_tiles / work.tile_parts,
           tiles * (of_tiles + 1) / work.tile_parts,
           panels * of_panels / work.panel_parts,
           panels * (of_panels + 1) / work.panel_parts);
}

}  // namespace

void RunWinogradAvx2(const WinogradCall& call, std::size_t part,
                     const float* source, float* destination, float* scratch) {
  if (call.shape.tile == 2) {
    RunPart<2>(call, part, source, destination, scratch);
  } else {
    RunPart<4>(call, part, source, destination, scratch);
  }
}

}  // namespace resnetd
