#include "server/models/picture_split.h"

#include <algorithm>
#include <cstdint>
#include <optional>

namespace resnetd {
namespace {

// Of `size` places one, by the multiples of the golden ratio, which keep step
// with no period that classes may have.
std::size_t PlaceIn(std::size_t run, std::size_t size) {
  constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15U;
  const std::uint64_t fraction = (std::uint64_t{run} * kGolden) >> 32U;
  return static_cast<std::size_t>((fraction * size) >> 32U);
}

// `wanted` of the `size` places from `first` on, one of each run of neighbours.
void TakeEvenly(std::size_t first, std::size_t size, std::size_t wanted,
                std::vector<std::size_t>& places) {
  for (std::size_t run = 0; run < wanted; ++run) {
    const std::size_t begin = run * size / wanted;
    const std::size_t end = (run + 1) * size / wanted;
    places.push_back(first + begin + PlaceIn(run, end - begin));
  }
}

// How many calibrate of `held_out` pictures that training has not seen, beside
// `trained` that it has; nullopt: int8 is not tried.
std::optional<std::size_t> CalibratingOf(std::size_t held_out,
                                         std::size_t trained) {
  const std::size_t least =
      kLeastCalibrationPictures - std::min(trained, kLeastCalibrationPictures);
  if (held_out < kLeastRealPictures + least) {
    return std::nullopt;
  }
  return trained > 0 ? least
                     : std::min({kMostCalibrationPictures,
                                 held_out - kLeastRealPictures, held_out / 2});
}

}  // namespace

PictureSplit SplitPictures(std::size_t count, std::size_t trained) {
  const std::size_t held_out = count - trained;
  PictureSplit split;
  if (const auto calibrating = CalibratingOf(held_out, trained)) {
    TakeEvenly(0, trained, std::min(trained, kMostCalibrationPictures),
               split.calibrating);
    TakeEvenly(trained, held_out, *calibrating, split.calibrating);
  }
  auto next = std::lower_bound(split.calibrating.begin(),
                               split.calibrating.end(), trained);
  for (std::size_t i = trained; i < count; ++i) {
    if (next != split.calibrating.end() && *next == i) {
      ++next;
    } else {
      split.judging.push_back(i);
    }
  }
  return split;
}

}  // namespace resnetd
