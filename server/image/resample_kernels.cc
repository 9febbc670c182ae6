#include "server/image/resample_kernels.h"

#include <algorithm>
#include <cstring>

#include "opencv2/core/hal/intrin.hpp"
#include "opencv2/core/version.hpp"

namespace resnetd {
namespace {

constexpr int kWeightBits = ResampleTaps::kWeightBits;
constexpr std::int32_t kHalf = 1 << (kWeightBits - 1);

std::uint8_t ToByte(std::int32_t sum) {
  return static_cast<std::uint8_t>(std::clamp(sum >> kWeightBits, 0, 255));
}

void HorizontalScalar(const ResampleTaps& taps,
                      const ResampleKernels::Rows& rows,
                      const ResampleKernels::OutRows& out) {
  for (std::size_t row = 0; row < ResampleKernels::kRows; ++row) {
    for (std::size_t x = 0; x < taps.first.size(); ++x) {
      const std::int32_t* weights = &taps.weights[x * taps.stride];
      const std::uint8_t* in = rows[row] + std::ptrdiff_t{taps.first[x]} * 3;
      std::int32_t red = kHalf;
      std::int32_t green = kHalf;
      std::int32_t blue = kHalf;
      for (int i = 0; i < taps.count[x]; ++i, in += 3) {
        red += in[0] * weights[i];
        green += in[1] * weights[i];
        blue += in[2] * weights[i];
      }
      out[row][3 * x] = ToByte(red);
      out[row][3 * x + 1] = ToByte(green);
      out[row][3 * x + 2] = ToByte(blue);
    }
  }
}

void VerticalScalar(const ResampleTaps& taps, std::size_t index,
                    const std::uint8_t* const* rows, std::size_t bytes,
                    std::uint8_t* out) {
  const std::int32_t* weights = &taps.weights[index * taps.stride];
  for (std::size_t at = 0; at < bytes; ++at) {
    std::int32_t sum = kHalf;
    for (int i = 0; i < taps.count[index]; ++i) {
      sum += rows[i][at] * weights[i];
    }
    out[at] = ToByte(sum);
  }
}

constexpr ResampleKernels kScalar = {HorizontalScalar, VerticalScalar};

#if CV_SIMD128

using cv::v_int16x8;
using cv::v_int32x4;
using cv::v_uint16x8;
using cv::v_uint8x16;

inline v_int32x4 Add(const v_int32x4& a, const v_int32x4& b) {
#if CV_VERSION_MAJOR > 4 || CV_VERSION_MINOR >= 9
  return cv::v_add(a, b);
#else
  return a + b;
#endif
}

// Four sums of weighted values. A product of a byte and a 23-bit weight is
// taken as two products of 16-bit values; all sums are exact in 32 bits:
// 255 * 2^22 < 2^31.
struct Sums {
  v_int32x4 high = cv::v_setzero_s32();
  v_int32x4 low = cv::v_setall_s32(kHalf);

  // Adds the weighted sums of the two values in each 32-bit lane.
  void AddPairs(const v_int16x8& values, const v_int16x8& high_weights,
                const v_int16x8& low_weights) {
    high = cv::v_dotprod(values, high_weights, high);
    low = cv::v_dotprod(values, low_weights, low);
  }

  v_int32x4 Total() const {
    return cv::v_shr<kWeightBits>(
        Add(cv::v_shl<ResampleTaps::kLowBits>(high), low));
  }
};

inline v_int16x8 Broadcast(std::int32_t pair) {
  return cv::v_reinterpret_as_s16(cv::v_setall_s32(pair));
}

// 32-bit lanes: (red, red of the next pixel), green, blue, and one to ignore.
inline v_int16x8 LoadTwoPixels(const std::uint8_t* at) {
  const v_uint8x16 first = cv::v_load_low(at);
  const v_uint8x16 second = cv::v_rotate_right<3>(first);
  v_uint8x16 pairs;
  v_uint8x16 unused;
  cv::v_zip(first, second, pairs, unused);
  return cv::v_reinterpret_as_s16(cv::v_expand_low(pairs));
}

void HorizontalVector(const ResampleTaps& taps,
                      const ResampleKernels::Rows& rows,
                      const ResampleKernels::OutRows& out) {
  const std::size_t stride = taps.stride / 2;
  for (std::size_t x = 0; x < taps.first.size(); ++x) {
    const ResampleTaps::WeightPair* pair = &taps.pairs[x * stride];
    const std::ptrdiff_t begin = std::ptrdiff_t{taps.first[x]} * 3;
    const std::ptrdiff_t end = begin + std::ptrdiff_t{taps.count[x]} * 3;
    Sums sums0;
    Sums sums1;
    Sums sums2;
    Sums sums3;
    for (std::ptrdiff_t at = begin; at < end; at += 6, ++pair) {
      const v_int16x8 high = Broadcast(pair->high);
      const v_int16x8 low = Broadcast(pair->low);
      sums0.AddPairs(LoadTwoPixels(rows[0] + at), high, low);
      sums1.AddPairs(LoadTwoPixels(rows[1] + at), high, low);
      sums2.AddPairs(LoadTwoPixels(rows[2] + at), high, low);
      sums3.AddPairs(LoadTwoPixels(rows[3] + at), high, low);
    }
    const v_uint8x16 bytes =
        cv::v_pack_u(cv::v_pack(sums0.Total(), sums1.Total()),
                     cv::v_pack(sums2.Total(), sums3.Total()));
    alignas(16) std::array<std::uint8_t, 16> pixels;
    cv::v_store_aligned(pixels.data(), bytes);
    for (std::size_t row = 0; row < ResampleKernels::kRows; ++row) {
      // The fourth byte is overwritten by the next output.
      std::memcpy(out[row] + 3 * x, &pixels[4 * row], 4);
    }
  }
}

void VerticalVector(const ResampleTaps& taps, std::size_t index,
                    const std::uint8_t* const* rows, std::size_t bytes,
                    std::uint8_t* out) {
  const int count = taps.count[index];
  const ResampleTaps::WeightPair* pairs =
      &taps.pairs[index * (taps.stride / 2)];
  for (std::size_t at = 0; at < bytes; at += 16) {
    Sums sums0;
    Sums sums1;
    Sums sums2;
    Sums sums3;
    for (int i = 0; i < count; i += 2) {
      const v_int16x8 high = Broadcast(pairs[i / 2].high);
      const v_int16x8 low = Broadcast(pairs[i / 2].low);
      // The weight of a row beyond the last one is 0.
      const std::uint8_t* second = rows[std::min(i + 1, count - 1)];
      v_uint8x16 left;
      v_uint8x16 right;
      cv::v_zip(cv::v_load(rows[i] + at), cv::v_load(second + at), left, right);
      v_uint16x8 part0;
      v_uint16x8 part1;
      cv::v_expand(left, part0, part1);
      sums0.AddPairs(cv::v_reinterpret_as_s16(part0), high, low);
      sums1.AddPairs(cv::v_reinterpret_as_s16(part1), high, low);
      cv::v_expand(right, part0, part1);
      sums2.AddPairs(cv::v_reinterpret_as_s16(part0), high, low);
      sums3.AddPairs(cv::v_reinterpret_as_s16(part1), high, low);
    }
    cv::v_store(out + at,
                cv::v_pack_u(cv::v_pack(sums0.Total(), sums1.Total()),
                             cv::v_pack(sums2.Total(), sums3.Total())));
  }
}

constexpr ResampleKernels kVector = {HorizontalVector, VerticalVector};

#endif

}  // namespace

const ResampleKernels& ScalarKernels() { return kScalar; }

#if CV_SIMD128
const ResampleKernels& BestKernels() { return kVector; }
#else
const ResampleKernels& BestKernels() { return kScalar; }
#endif

}  // namespace resnetd
