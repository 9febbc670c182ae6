#pragma once

#include <cstdint>

#include "server/models/fallbacks.h"

namespace resnetd {

// How often `fallback` has happened in this process.
inline std::int64_t FallbackCount(Fallback fallback) {
  return CountedFallbacks().at(FallbackName(fallback));
}

}  // namespace resnetd
