#pragma once

#include <cstddef>

#include "absl/strings/string_view.h"

namespace resnetd {

// Bytes of the UTF-8 character (RFC 3629: shortest form, no surrogates, up to
// U+10FFFF) that `text` begins with; 0 when it begins with none.
std::size_t Utf8CharLength(absl::string_view text);

// Whether the whole `text` is UTF-8. The empty text is.
bool IsUtf8(absl::string_view text);

}  // namespace resnetd
