#pragma once

#include <cstdint>

namespace resnetd {

// Unaligned loads of file fields. Precondition: that many bytes are there.

inline std::uint32_t LoadBig16(const std::uint8_t* at) {
  return std::uint32_t{at[0]} << 8U | at[1];
}

inline std::uint32_t LoadBig32(const std::uint8_t* at) {
  return LoadBig16(at) << 16U | LoadBig16(at + 2);
}

inline std::uint32_t LoadLittle16(const std::uint8_t* at) {
  return std::uint32_t{at[1]} << 8U | at[0];
}

inline std::uint32_t LoadLittle24(const std::uint8_t* at) {
  return std::uint32_t{at[2]} << 16U | LoadLittle16(at);
}

inline std::uint32_t LoadLittle32(const std::uint8_t* at) {
  return LoadLittle16(at + 2) << 16U | LoadLittle16(at);
}

}  // namespace resnetd
