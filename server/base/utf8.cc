#include "server/base/utf8.h"

#include <cstdint>

namespace resnetd {
namespace {

bool IsContinuation(absl::string_view text, std::size_t index) {
  return index < text.size() &&
         (static_cast<std::uint8_t>(text[index]) & 0xC0U) == 0x80U;
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
  const auto second = static_cast<std::uint8_t>(text[1]);
  if (lead >= 0xC2 && lead <= 0xDF) {
    return 2;
  }
  if (lead >= 0xE0 && lead <= 0xEF) {
    // E0 80..9F would be a longer form than needed, ED A0..BF a surrogate.
    const bool excluded =
        (lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F);
    return !excluded && IsContinuation(text, 2) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    // F0 80..8F: longer than needed; F4 90..BF: over U+10FFFF.
    const bool excluded =
        (lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second > 0x8F);
    return !excluded && IsContinuation(text, 2) && IsContinuation(text, 3) ? 4
                                                                           : 0;
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
