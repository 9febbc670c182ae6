#include "server/image/image_format.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/string_view.h"

namespace resnetd {
namespace {

using Bytes = absl::Span<const std::uint8_t>;

struct Beginning {
  // Bytes the file begins with; '?' stands for any byte.
  absl::string_view magic;
  ImageFormat format;
};

constexpr Beginning kBeginnings[] = {
    {"\xFF\xD8\xFF", ImageFormat::kJpeg},
    {"\x89PNG\r\n\x1A\n", ImageFormat::kPng},
    {"RIFF????WEBP", ImageFormat::kWebp},
};

// Whether `encoded` agrees with `magic` as far as both go.
bool Agrees(Bytes encoded, absl::string_view magic) {
  const std::size_t common = std::min(encoded.size(), magic.size());
  for (std::size_t i = 0; i < common; ++i) {
    if (magic[i] != '?' && encoded[i] != static_cast<std::uint8_t>(magic[i])) {
      return false;
    }
  }
  return true;
}

}  // namespace

std::optional<FoundFormat> FindFormat(Bytes encoded) {
  for (const Beginning& beginning : kBeginnings) {
    if (Agrees(encoded, beginning.magic)) {
      return FoundFormat{.format = beginning.format,
                         .is_whole = encoded.size() >= beginning.magic.size()};
    }
  }
  return std::nullopt;
}

}  // namespace resnetd
