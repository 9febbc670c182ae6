#include "server/models/picture_split.h"

#include <algorithm>
#include <cstdint>

namespace resnetd {
namespace {

// Of `size` places one, by the multiples of the golden ratio, which keep step
// with no period that classes may have.
std::size_t PlaceIn(std::size_t run, std::size_t size) {
  constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15U;
  const std::uint64_t fraction = (std::uint64_t{run} * kGolden) >> 32U;
  return static_cast<std::size_t>((fraction * size) >> 32U);
}

}  // namespace

PictureSplit SplitPictures(std::size_t count) {
  const std::size_t runs =
      count < kLeastToQuantise
          ? 0
          : std::min({kMostCalibrationPictures, count - kLeastRealPictures,
                      count / 2});
  PictureSplit split;
  for (std::size_t run = 0; run < runs; ++run) {
    const std::size_t begin = run * count / runs;
    const std::size_t end = (run + 1) * count / runs;
    split.calibrating.push_back(begin + PlaceIn(run, end - begin));
  }
  auto next = split.calibrating.begin();
  for (std::size_t i = 0; i < count; ++i) {
    if (next != split.calibrating.end() && *next == i) {
      ++next;
    } else {
      split.judging.push_back(i);
    }
  }
  return split;
}

}  // namespace resnetd
