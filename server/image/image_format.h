#pragma once

#include <cstdint>
#include <optional>

#include "absl/types/span.h"

namespace resnetd {

enum class ImageFormat { kJpeg, kPng, kWebp };

struct FoundFormat {
  ImageFormat format = ImageFormat::kJpeg;
  // Whether all bytes that the format is known by are there; else the file ends
  // before.
  bool is_whole = false;
};

// The format that a file begins like, as far as it goes; nothing: none of
// these. Allocates nothing. Thread-safe.
std::optional<FoundFormat> FindFormat(absl::Span<const std::uint8_t> encoded);

}  // namespace resnetd
