#pragma once

#include <immintrin.h>

#include <cstddef>

#include "server/engine/avx2.h"
#include "server/engine/winograd.h"

// The transforms of one tile in eight channels, for winograd_kernels.cc alone.
namespace resnetd::winograd {

inline constexpr std::size_t kLanes = kWinogradBlock;

// One register for each number that the transforms of tiles of four multiply
// with: the two points, their powers, and what their polynomials have.
struct Constants {
  __m256 near;
  __m256 near2;
  __m256 near3;
  __m256 far;
  __m256 far2;
  __m256 far3;
  __m256 sum;
  __m256 product;
};

RESNETD_AVX2 inline __m256 Everywhere(double value) {
  return _mm256_set1_ps(static_cast<float>(value));
}

RESNETD_AVX2 inline Constants MakeConstants() {
  constexpr double kNear2 = kWinogradNear * kWinogradNear;
  constexpr double kFar2 = kWinogradFar * kWinogradFar;
  return {.near = Everywhere(kWinogradNear),
          .near2 = Everywhere(kNear2),
          .near3 = Everywhere(kNear2 * kWinogradNear),
          .far = Everywhere(kWinogradFar),
          .far2 = Everywhere(kFar2),
          .far3 = Everywhere(kFar2 * kWinogradFar),
          .sum = Everywhere(kNear2 + kFar2),
          .product = Everywhere(kNear2 * kFar2)};
}

// A line of a tile's values to points.
template <std::size_t kTile>
RESNETD_AVX2_INLINE void ToPoints(const Constants& c, const __m256* d,
                                  __m256* points) {
  if constexpr (kTile == 2) {
    points[0] = _mm256_sub_ps(d[0], d[2]);
    points[1] = _mm256_add_ps(d[1], d[2]);
    points[2] = _mm256_sub_ps(d[2], d[1]);
    points[3] = _mm256_sub_ps(d[3], d[1]);
  } else {
    const __m256 even = _mm256_fnmadd_ps(c.far2, d[2], d[4]);
    const __m256 odd = _mm256_fnmadd_ps(c.far2, d[1], d[3]);
    const __m256 far_even = _mm256_fnmadd_ps(c.near2, d[2], d[4]);
    const __m256 far_odd = _mm256_fnmadd_ps(c.near2, d[1], d[3]);
    points[0] =
        _mm256_fmadd_ps(c.product, d[0], _mm256_fnmadd_ps(c.sum, d[2], d[4]));
    points[1] = _mm256_fmadd_ps(c.near, odd, even);
    points[2] = _mm256_fnmadd_ps(c.near, odd, even);
    points[3] = _mm256_fmadd_ps(c.far, far_odd, far_even);
    points[4] = _mm256_fnmadd_ps(c.far, far_odd, far_even);
    points[5] =
        _mm256_fmadd_ps(c.product, d[1], _mm256_fnmadd_ps(c.sum, d[3], d[5]));
  }
}

// A line of points to results.
template <std::size_t kTile>
RESNETD_AVX2_INLINE void FromPoints(const Constants& c, const __m256* m,
                                    __m256* results) {
  const __m256 sum = _mm256_add_ps(m[1], m[2]);
  const __m256 difference = _mm256_sub_ps(m[1], m[2]);
  if constexpr (kTile == 2) {
    results[0] = _mm256_add_ps(m[0], sum);
    results[1] = _mm256_add_ps(difference, m[3]);
  } else {
    const __m256 far_sum = _mm256_add_ps(m[3], m[4]);
    const __m256 far_difference = _mm256_sub_ps(m[3], m[4]);
    results[0] = _mm256_add_ps(m[0], _mm256_add_ps(sum, far_sum));
    results[1] = _mm256_fmadd_ps(c.near, difference,
                                 _mm256_mul_ps(c.far, far_difference));
    results[2] = _mm256_fmadd_ps(c.near2, sum, _mm256_mul_ps(c.far2, far_sum));
    results[3] = _mm256_fmadd_ps(c.near3, difference,
                                 _mm256_fmadd_ps(c.far3, far_difference, m[5]));
  }
}

// Eight channels of one tile; `row` floats lie between its lines, `stride`
// between the points.
template <std::size_t kTile>
RESNETD_AVX2 void TransformTile(const Constants& c, const float* source,
                                std::size_t row, float* points,
                                std::size_t stride) {
  constexpr std::size_t kSide = kTile + 2;
  __m256 lines[kSide * kSide];
#pragma GCC unroll 6
  for (std::size_t i = 0; i < kSide; ++i) {
    __m256 values[kSide];
#pragma GCC unroll 6
    for (std::size_t j = 0; j < kSide; ++j) {
      values[j] = _mm256_loadu_ps(source + i * row + j * kLanes);
    }
    ToPoints<kTile>(c, values, lines + i * kSide);
  }
#pragma GCC unroll 6
  for (std::size_t j = 0; j < kSide; ++j) {
    __m256 values[kSide];
    __m256 column[kSide];
#pragma GCC unroll 6
    for (std::size_t i = 0; i < kSide; ++i) {
      values[i] = lines[i * kSide + j];
    }
    ToPoints<kTile>(c, values, column);
#pragma GCC unroll 6
    for (std::size_t i = 0; i < kSide; ++i) {
      _mm256_storeu_ps(points + (i * kSide + j) * stride, column[i]);
    }
  }
}

// Where the results of a tile go, and what is done with them.
struct TileEnd {
  float* destination;
  std::size_t row;  // floats between lines
  // Of the tile, inside the picture.
  std::size_t height;
  std::size_t width;
  bool accumulate;
  bool relu;
};

RESNETD_AVX2_INLINE void Finish(const TileEnd& end, __m256 result, __m256 bias,
                                float* place) {
  result = _mm256_add_ps(result, bias);
  if (end.accumulate) {
    result = _mm256_add_ps(result, _mm256_loadu_ps(place));
  }
  if (end.relu) {
    // In this order a NaN stays one.
    result = _mm256_max_ps(_mm256_setzero_ps(), result);
  }
  _mm256_storeu_ps(place, result);
}

// The results of one tile in eight channels.
template <std::size_t kTile>
RESNETD_AVX2 void FinishTile(const Constants& c, const float* points,
                             std::size_t stride, const float* bias,
                             const TileEnd& end) {
  constexpr std::size_t kSide = kTile + 2;
  __m256 lines[kSide * kTile];
#pragma GCC unroll 6
  for (std::size_t i = 0; i < kSide; ++i) {
    __m256 values[kSide];
#pragma GCC unroll 6
    for (std::size_t j = 0; j < kSide; ++j) {
      values[j] = _mm256_loadu_ps(points + (i * kSide + j) * stride);
    }
    FromPoints<kTile>(c, values, lines + i * kTile);
  }
  const __m256 biases =
      bias == nullptr ? _mm256_setzero_ps() : _mm256_loadu_ps(bias);
#pragma GCC unroll 4
  for (std::size_t j = 0; j < kTile; ++j) {
    if (j >= end.width) {
      return;
    }
    __m256 values[kSide];
    __m256 results[kTile];
#pragma GCC unroll 6
    for (std::size_t i = 0; i < kSide; ++i) {
      values[i] = lines[i * kTile + j];
    }
    FromPoints<kTile>(c, values, results);
#pragma GCC unroll 4
    for (std::size_t i = 0; i < kTile; ++i) {
      if (i < end.height) {
        Finish(end, results[i], biases,
               end.destination + i * end.row + j * kLanes);
      }
    }
  }
}

}  // namespace resnetd::winograd
