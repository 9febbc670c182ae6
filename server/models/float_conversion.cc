#include "server/models/float_conversion.h"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace resnetd {
namespace {

static_assert(std::endian::native == std::endian::little,
              "the format is little-endian and is read as it lies in memory");

constexpr std::uint32_t kExponentMask = 0x7F800000U;

float FromHalf(std::uint16_t half) {
  const std::uint32_t sign = (half & 0x8000U) << 16U;
  const std::uint32_t magnitude = half & 0x7FFFU;
  if (magnitude >= 0x7C00U) {  // infinity and NaN
    return std::bit_cast<float>(sign | kExponentMask |
                                ((magnitude & 0x3FFU) << 13U));
  }
  // Exponent and mantissa moved to their places read as a float that is 2^-112
  // of the value, subnormals included; the product is exact.
  const float scaled = std::bit_cast<float>(magnitude << 13U) * 0x1p112F;
  return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(scaled));
}

float FromBFloat16(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16U);
}

// Reads each element with memcpy: tensors need not be aligned in the file.
template <typename Stored, typename Convert>
void ConvertEach(absl::Span<const std::uint8_t> bytes, absl::Span<float> out,
                 Convert convert) {
  const std::uint8_t* in = bytes.data();
  for (float& value : out) {
    Stored stored;
    std::memcpy(&stored, in, sizeof(stored));
    in += sizeof(stored);
    value = convert(stored);
  }
}

}  // namespace

void ConvertToFloat(const TensorView& tensor, absl::Span<float> out) {
  const auto by_value = [](auto value) { return static_cast<float>(value); };
  switch (tensor.dtype) {
    case DType::kF32:
      if (!out.empty()) {
        std::memcpy(out.data(), tensor.bytes.data(), tensor.bytes.size());
      }
      return;
    case DType::kF64:
      return ConvertEach<double>(tensor.bytes, out, by_value);
    case DType::kF16:
      return ConvertEach<std::uint16_t>(tensor.bytes, out, FromHalf);
    case DType::kBF16:
      return ConvertEach<std::uint16_t>(tensor.bytes, out, FromBFloat16);
    case DType::kI64:
      return ConvertEach<std::int64_t>(tensor.bytes, out, by_value);
    case DType::kI32:
      return ConvertEach<std::int32_t>(tensor.bytes, out, by_value);
    case DType::kU8:
      return ConvertEach<std::uint8_t>(tensor.bytes, out, by_value);
    case DType::kBool:
      return ConvertEach<std::uint8_t>(
          tensor.bytes, out,
          [](std::uint8_t byte) { return byte == 0 ? 0.0F : 1.0F; });
  }
}

std::size_t FirstNonFinite(absl::Span<const float> values) {
  // Whole blocks first: a loop of fixed length without a branch becomes vector
  // code.
  constexpr std::size_t kBlock = 256;
  std::size_t start = 0;
  for (; start + kBlock <= values.size(); start += kBlock) {
    std::uint32_t any = 0;
    for (std::size_t i = 0; i < kBlock; ++i) {
      const auto bits = std::bit_cast<std::uint32_t>(values[start + i]);
      any |=
          static_cast<std::uint32_t>((bits & kExponentMask) == kExponentMask);
    }
    if (any != 0) {
      break;
    }
  }
  for (; start < values.size(); ++start) {
    if ((std::bit_cast<std::uint32_t>(values[start]) & kExponentMask) ==
        kExponentMask) {
      return start;
    }
  }
  return values.size();
}

}  // namespace resnetd
