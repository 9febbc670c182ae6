#include "server/base/utf8.h"

#include <cstdint>

namespace resnetd {
namespace {

bool IsContinuation(absl::string_view text, std::size_t index) {
  return index < text.size() &&
         (static_cast<std::uint8_t>(text[index]) & 0xC0U) == 0x80U;
}

// Whether no character begins with these two bytes, though each alone could
// stand there: E0 80..9F and F0 80..8F are longer forms than needed, ED A0..BF
// surrogates, F4 90..BF over U+10FFFF.
bool IsExcluded(std::uint8_t lead, std::uint8_t second) {
  switch (lead) {
    case 0xE0:
      return second < 0xA0;
    case 0xED:
      return second > 0x9F;
    case 0xF0:
      return second < 0x90;
    case 0xF4:
      return second > 0x8F;
    default:
      return false;
  }
}

}  // namespace

std::size_t Utf8CharLength(absl::string_view text) {
  if (text.empty()) {
    return 0;
  }
  const auto lead = static_cast<std::uint8_t>(text[0]);
  if (lead < 0x80) {
    return 1;
  }
  if (!IsContinuation(text, 1)) {
    return 0;
  }
  if (lead >= 0xC2 && lead <= 0xDF) {
    return 2;
  }
  if (IsExcluded(lead, static_cast<std::uint8_t>(text[1]))) {
    return 0;
  }
  if (lead >= 0xE0 && lead <= 0xEF) {
    return IsContinuation(text, 2) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    return IsContinuation(text, 2) && IsContinuation(text, 3) ? 4 : 0;
  }
  return 0;
}

bool IsUtf8(absl::string_view text) {
  while (!text.empty()) {
    const std::size_t length = Utf8CharLength(text);
    if (length == 0) {
      return false;
    }
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace resnetd
