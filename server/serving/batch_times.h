#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "server/base/clock.h"

namespace resnetd {

// How long a batch of each size takes, learnt from those that ran.
//
// Of each size the newest eight count, without the longest and the shortest: a
// batch that was held up once changes nothing, a lasting change is followed
// within seven. A size that did not run lately is forgotten, sizes in between
// are interpolated, others taken in proportion to the nearest. The table never
// falls with the size. Where only some sizes are allowed, a batch in between
// costs what the next larger one does (RowsOf()).
//
// A plain value. Not thread-safe.
class BatchTimes {
 public:
  // Batches have up to `max_batch` images; >= 1. `allowed`: see RowsOf(); empty
  // or up to `max_batch`.
  explicit BatchTimes(std::size_t max_batch = 1,
                      std::vector<std::size_t> allowed = {});

  // A batch of `images` images took `duration`. Precondition: 1 <= images.
  void Record(std::size_t images, Duration duration);

  bool empty() const { return table_.empty(); }
  std::size_t max_batch() const { return max_batch_; }
  // What a batch of `images` images is filled up to.
  std::size_t RowsOf(std::size_t images) const;

  // Of one batch of 1 to max_batch() images. Zero while nothing was measured.
  Duration OfBatch(std::size_t images) const;
  // Of one image where many wait, in batches as large as allowed.
  Duration PerImage() const { return per_image_; }
  // Of `images` images, one batch after the other.
  Duration OfImages(std::size_t images) const;

 private:
  static constexpr std::size_t kKept = 8;
  struct Size {
    std::array<Duration, kKept> newest{};
    std::size_t count = 0;  // in all; the ring is full at kKept
    std::uint64_t recorded_at = 0;
  };
  // What was measured of one size, made robust.
  static Duration Estimate(const Size& size);
  void Forget();
  void MakeTable();

  std::size_t max_batch_;
  std::vector<std::size_t> allowed_;
  std::uint64_t recorded_ = 0;
  // Of 1, 2, ... images. Sizes without a measurement have count 0.
  std::vector<Size> sizes_;
  // The same; empty until something was measured.
  std::vector<Duration> table_;
  Duration per_image_{};
};

}  // namespace resnetd
