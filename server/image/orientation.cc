#include "server/image/orientation.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace resnetd {
namespace {

constexpr std::ptrdiff_t kChannels = 3;
// A tile of 32 x 32 pixels, 3 KiB on each side, stays in the first-level cache
// while rows become columns.
constexpr int kTile = 32;

// Where pixel (0, 0) of the upright picture lies in the stored one, and how far
// apart in it its neighbours to the right and below are; in bytes.
struct Walk {
  std::ptrdiff_t origin;
  std::ptrdiff_t right;
  std::ptrdiff_t down;
};

Walk WalkOf(const Pixels& stored, int orientation) {
  const std::ptrdiff_t x = kChannels;
  const std::ptrdiff_t y = kChannels * stored.width;
  const std::ptrdiff_t last_x = x * (stored.width - 1);
  const std::ptrdiff_t last_y = y * (stored.height - 1);
  switch (orientation) {
    case 2:
      return {last_x, -x, y};
    case 3:
      return {last_x + last_y, -x, -y};
    case 4:
      return {last_y, x, -y};
    case 5:
      return {0, y, x};
    case 6:
      return {last_y, -y, x};
    case 7:
      return {last_x + last_y, -y, -x};
    default:
      return {last_x, y, -x};
  }
}

void CopyTile(const std::uint8_t* stored, const Walk& walk, int left, int top,
              Pixels& upright) {
  const int right = std::min(left + kTile, upright.width);
  const int bottom = std::min(top + kTile, upright.height);
  for (int y = top; y < bottom; ++y) {
    const std::uint8_t* from =
        stored + walk.origin + y * walk.down + left * walk.right;
    std::uint8_t* to = upright.rgb.data() +
                       (std::ptrdiff_t{y} * upright.width + left) * kChannels;
    for (int x = left; x < right; ++x) {
      to[0] = from[0];
      to[1] = from[1];
      to[2] = from[2];
      to += kChannels;
      from += walk.right;
    }
  }
}

}  // namespace

Pixels Upright(Pixels stored, int orientation) {
  if (orientation < 2 || orientation > 8) {
    return stored;
  }
  const Walk walk = WalkOf(stored, orientation);
  Pixels upright = {.width = stored.width, .height = stored.height, .rgb = {}};
  if (orientation >= 5) {
    std::swap(upright.width, upright.height);
  }
  upright.rgb.resize(stored.rgb.size());
  for (int top = 0; top < upright.height; top += kTile) {
    for (int left = 0; left < upright.width; left += kTile) {
      CopyTile(stored.rgb.data(), walk, left, top, upright);
    }
  }
  return upright;
}

}  // namespace resnetd
