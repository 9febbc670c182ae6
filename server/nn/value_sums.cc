#include "server/nn/value_sums.h"

#include <array>
#include <bit>
#include <cstddef>
#include <type_traits>

// One version for each width of vectors, chosen when the program is loaded.
#if defined(__x86_64__)
#define RESNETD_VECTOR_WIDTHS \
  __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define RESNETD_VECTOR_WIDTHS
#endif
// Into each of the versions.
#define RESNETD_INLINE [[gnu::always_inline]] inline

namespace resnetd {
namespace {

// Sums that are kept apart: as many as eight vectors of AVX2 have room for.
constexpr std::size_t kLanes = 32;
// With four sums in each lane the registers are full earlier.
constexpr std::size_t kPairLanes = 16;
// Zeros are counted in 32 bits over so many values of a lane.
constexpr std::size_t kCounted = std::size_t{1} << 20U;

template <typename Value>
RESNETD_INLINE double Wide(Value value) {
  if constexpr (std::is_same_v<Value, c10::BFloat16>) {
    return static_cast<double>(static_cast<float>(value));
  } else {
    return static_cast<double>(value);
  }
}

// What two values are added up, in their type.
template <typename Value>
RESNETD_INLINE double Both(Value left, Value right) {
  return Wide(left + right);
}
// c10 looks for NaN first, which vectors cannot; here one stays in `left` or
// `right`, whose squares tell.
template <>
RESNETD_INLINE double Both(c10::BFloat16 left, c10::BFloat16 right) {
  const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(left) +
                                                 static_cast<float>(right));
  const std::uint32_t to_even = 0x7FFFU + ((bits >> 16U) & 1U);
  return Wide(std::bit_cast<float>((bits + to_even) & 0xFFFF0000U));
}

template <typename Value>
RESNETD_INLINE ValueSums Sums(const Value* values, std::size_t count) {
  std::array<double, kLanes> squares{};
  ValueSums sums;
  const std::size_t in_lanes = count - count % kLanes;
  std::size_t i = 0;
  while (i < in_lanes) {
    const std::size_t end =
        in_lanes - i > kCounted * kLanes ? i + kCounted * kLanes : in_lanes;
    std::array<std::int32_t, kLanes> zeros{};
    for (; i < end; i += kLanes) {
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        const double value = Wide(values[i + lane]);
        squares[lane] += value * value;
        zeros[lane] += values[i + lane] == Value(0) ? 1 : 0;
      }
    }
    for (const std::int32_t of_lane : zeros) {
      sums.zeros += of_lane;
    }
  }
  for (; i < count; ++i) {
    const double value = Wide(values[i]);
    sums.squares += value * value;
    sums.zeros += values[i] == Value(0) ? 1 : 0;
  }
  for (const double of_lane : squares) {
    sums.squares += of_lane;
  }
  return sums;
}

template <typename Value>
RESNETD_INLINE PairSums Pair(const Value* left, const Value* right,
                             std::size_t count) {
  std::array<double, kPairLanes> lefts{};
  std::array<double, kPairLanes> rights{};
  std::array<double, kPairLanes> boths{};
  std::array<double, kPairLanes> products{};
  const std::size_t in_lanes = count - count % kPairLanes;
  for (std::size_t i = 0; i < in_lanes; i += kPairLanes) {
    for (std::size_t lane = 0; lane < kPairLanes; ++lane) {
      const double l = Wide(left[i + lane]);
      const double r = Wide(right[i + lane]);
      const double b = Both(left[i + lane], right[i + lane]);
      lefts[lane] += l * l;
      rights[lane] += r * r;
      boths[lane] += b * b;
      products[lane] += l * r;
    }
  }
  PairSums sums;
  for (std::size_t i = in_lanes; i < count; ++i) {
    const double l = Wide(left[i]);
    const double r = Wide(right[i]);
    const double b = Both(left[i], right[i]);
    sums += {.left = l * l, .right = r * r, .both = b * b, .products = l * r};
  }
  for (std::size_t lane = 0; lane < kPairLanes; ++lane) {
    sums += {.left = lefts[lane],
             .right = rights[lane],
             .both = boths[lane],
             .products = products[lane]};
  }
  return sums;
}

// The sum of the squares of what `of(i)` says of each of `count` values.
template <typename Of>
RESNETD_INLINE double Squares(std::size_t count, Of of) {
  std::array<double, kLanes> squares{};
  const std::size_t in_lanes = count - count % kLanes;
  for (std::size_t i = 0; i < in_lanes; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const double value = of(i + lane);
      squares[lane] += value * value;
    }
  }
  double sum = 0;
  for (std::size_t i = in_lanes; i < count; ++i) {
    const double value = of(i);
    sum += value * value;
  }
  for (const double of_lane : squares) {
    sum += of_lane;
  }
  return sum;
}

template <typename Value>
RESNETD_INLINE double Copy(const Value* __restrict from, Value* __restrict to,
                           std::size_t count) {
  return Squares(count, [&](std::size_t i) {
    to[i] = from[i];
    return Wide(from[i]);
  });
}

// In the type of the values: a difference of close ones is exact.
template <typename Value>
RESNETD_INLINE double Distance(const Value* left, const Value* right,
                               std::size_t count) {
  return Squares(count,
                 [&](std::size_t i) { return Wide(left[i] - right[i]); });
}

}  // namespace

RESNETD_VECTOR_WIDTHS ValueSums SumsOf(absl::Span<const float> values) {
  return Sums(values.data(), values.size());
}
RESNETD_VECTOR_WIDTHS ValueSums SumsOf(absl::Span<const double> values) {
  return Sums(values.data(), values.size());
}
RESNETD_VECTOR_WIDTHS ValueSums SumsOf(absl::Span<const c10::BFloat16> values) {
  return Sums(values.data(), values.size());
}

RESNETD_VECTOR_WIDTHS PairSums SumsOfPair(absl::Span<const float> left,
                                          absl::Span<const float> right) {
  return Pair(left.data(), right.data(), left.size());
}
RESNETD_VECTOR_WIDTHS PairSums SumsOfPair(absl::Span<const double> left,
                                          absl::Span<const double> right) {
  return Pair(left.data(), right.data(), left.size());
}
RESNETD_VECTOR_WIDTHS PairSums
SumsOfPair(absl::Span<const c10::BFloat16> left,
           absl::Span<const c10::BFloat16> right) {
  return Pair(left.data(), right.data(), left.size());
}

RESNETD_VECTOR_WIDTHS double CopySquares(absl::Span<const float> from,
                                         absl::Span<float> to) {
  return Copy(from.data(), to.data(), from.size());
}
RESNETD_VECTOR_WIDTHS double CopySquares(absl::Span<const double> from,
                                         absl::Span<double> to) {
  return Copy(from.data(), to.data(), from.size());
}

RESNETD_VECTOR_WIDTHS double SquaredDistance(absl::Span<const float> left,
                                             absl::Span<const float> right) {
  return Distance(left.data(), right.data(), left.size());
}
RESNETD_VECTOR_WIDTHS double SquaredDistance(absl::Span<const double> left,
                                             absl::Span<const double> right) {
  return Distance(left.data(), right.data(), left.size());
}

}  // namespace resnetd
