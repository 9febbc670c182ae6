#include "server/models/fallbacks.h"

#include <array>
#include <atomic>
#include <cstddef>

namespace resnetd {
namespace {

// In the order of Fallback.
constexpr std::array<const char*, 7> kNames = {
    "kernels_capped", "unfused_convolutions", "batch_size_left_out",
    "batch_halved",   "other_device",         "kept_choice_dropped",
    "int8_clips"};
static_assert(static_cast<std::size_t>(Fallback::kInt8Clips) + 1 ==
              kNames.size());

std::array<std::atomic<std::int64_t>, kNames.size()>& Counts() {
  static std::array<std::atomic<std::int64_t>, kNames.size()> counts{};
  return counts;
}

}  // namespace

const char* FallbackName(Fallback fallback) {
  return kNames.at(static_cast<std::size_t>(fallback));
}

void CountFallback(Fallback fallback) {
  Counts().at(static_cast<std::size_t>(fallback)).fetch_add(1);
}

std::map<std::string, std::int64_t> CountedFallbacks() {
  std::map<std::string, std::int64_t> counted;
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    counted[kNames.at(i)] = Counts().at(i).load();
  }
  return counted;
}

}  // namespace resnetd
