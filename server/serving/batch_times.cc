#include "server/serving/batch_times.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "server/models/batch_sizes.h"

namespace resnetd {
namespace {

// Batches after which a size that did not run is forgotten: it would tell of
// another time, e.g. before a neighbour came.
constexpr std::uint64_t kForgottenAfter = 64;

// A stretch of sizes with one time.
struct Level {
  std::int64_t sum = 0;
  std::int64_t count = 0;
  std::size_t first = 0;  // into what was measured
  double Mean() const {
    return static_cast<double>(sum) / static_cast<double>(count);
  }
};

// Makes `times` monotone with the least squares of change: neighbours that fall
// get their mean.
void MakeMonotone(std::vector<Duration>& times) {
  std::vector<Level> levels;
  for (std::size_t i = 0; i < times.size(); ++i) {
    levels.push_back({.sum = times[i].count(), .count = 1, .first = i});
    while (levels.size() > 1 &&
           levels[levels.size() - 2].Mean() >= levels.back().Mean()) {
      Level& before = levels[levels.size() - 2];
      before.sum += levels.back().sum;
      before.count += levels.back().count;
      levels.pop_back();
    }
  }
  for (std::size_t i = 0; i < levels.size(); ++i) {
    const std::size_t end =
        i + 1 < levels.size() ? levels[i + 1].first : times.size();
    for (std::size_t t = levels[i].first; t < end; ++t) {
      times[t] = Duration(levels[i].sum / levels[i].count);
    }
  }
}

Duration Part(Duration whole, std::size_t part, std::size_t of) {
  return Duration(static_cast<std::int64_t>(static_cast<double>(whole.count()) *
                                            static_cast<double>(part) /
                                            static_cast<double>(of)));
}

}  // namespace

BatchTimes::BatchTimes(std::size_t max_batch, std::vector<std::size_t> allowed)
    : max_batch_(std::max<std::size_t>(max_batch, 1)),
      allowed_(std::move(allowed)),
      sizes_(max_batch_) {}

std::size_t BatchTimes::RowsOf(std::size_t images) const {
  return resnetd::RowsOf(images, allowed_);
}

Duration BatchTimes::Estimate(const Size& size) {
  const std::size_t kept = std::min(size.count, kKept);
  std::array<Duration, kKept> sorted = size.newest;
  std::sort(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(kept));
  // Of two the shorter: first batches are slow, none is too quick.
  if (kept <= 2) {
    return sorted[0];
  }
  const Duration sum = std::accumulate(
      sorted.begin() + 1,
      sorted.begin() + static_cast<std::ptrdiff_t>(kept) - 1, Duration::zero());
  return sum / static_cast<std::int64_t>(kept - 2);
}

void BatchTimes::Record(std::size_t images, Duration duration) {
  Size& size = sizes_[std::min(RowsOf(images), max_batch_) - 1];
  size.newest[size.count % kKept] = std::max(duration, Duration(1));
  ++size.count;
  size.recorded_at = ++recorded_;
  Forget();
  MakeTable();
}

void BatchTimes::Forget() {
  for (Size& size : sizes_) {
    if (size.count > 0 && recorded_ - size.recorded_at >= kForgottenAfter) {
      size = Size{};
    }
  }
}

void BatchTimes::MakeTable() {
  std::vector<std::size_t> known;
  std::vector<Duration> times;
  for (std::size_t i = 0; i < sizes_.size(); ++i) {
    if (sizes_[i].count > 0) {
      known.push_back(i + 1);
      times.push_back(Estimate(sizes_[i]));
    }
  }
  MakeMonotone(times);
  table_.assign(max_batch_, Duration::zero());
  std::size_t next = 0;  // the first known one that is not smaller
  for (std::size_t images = 1; images <= max_batch_; ++images) {
    while (next < known.size() && known[next] < images) {
      ++next;
    }
    Duration& time = table_[images - 1];
    if (next == known.size()) {
      time = Part(times.back(), images, known.back());
    } else if (next == 0 || known[next] == images) {
      time = Part(times[next], images, known[next]);
    } else {
      const std::size_t below = known[next - 1];
      time = times[next - 1] + Part(times[next] - times[next - 1],
                                    images - below, known[next] - below);
    }
  }
  per_image_ = table_.back() / static_cast<std::int64_t>(max_batch_);
}

Duration BatchTimes::OfBatch(std::size_t images) const {
  if (table_.empty() || images == 0) {
    return Duration::zero();
  }
  return table_[std::min(RowsOf(images), max_batch_) - 1];
}

Duration BatchTimes::OfImages(std::size_t images) const {
  return OfBatch(max_batch_) * static_cast<std::int64_t>(images / max_batch_) +
         OfBatch(images % max_batch_);
}

}  // namespace resnetd
