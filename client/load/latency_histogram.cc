#include "client/load/latency_histogram.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>

namespace resnetd::client {
namespace {

// Values below 2^kBits microseconds have a bucket each; from there on every
// doubling has half as many.
constexpr unsigned kBits = 10;
constexpr std::uint64_t kLinear = std::uint64_t{1} << kBits;
constexpr std::uint64_t kHalf = kLinear / 2;
constexpr std::uint64_t kMost = (std::uint64_t{1} << 32U) - 1;

std::size_t BucketOf(std::uint64_t microseconds) {
  if (microseconds < kLinear) {
    return microseconds;
  }
  // How often the value is halved until it fits: >= 1.
  const auto shift =
      static_cast<unsigned>(std::bit_width(microseconds)) - kBits;
  return kLinear + (shift - 1) * kHalf + ((microseconds >> shift) - kHalf);
}

// The largest value of a bucket.
std::uint64_t HighestOf(std::size_t bucket) {
  if (bucket < kLinear) {
    return bucket;
  }
  const std::uint64_t shift = (bucket - kLinear) / kHalf + 1;
  const std::uint64_t mantissa = (bucket - kLinear) % kHalf + kHalf;
  return ((mantissa + 1) << shift) - 1;
}

}  // namespace

void LatencyHistogram::Record(Duration duration) {
  const Duration value = std::max(duration, Duration::zero());
  const auto microseconds = std::min<std::uint64_t>(
      static_cast<std::uint64_t>(
          std::chrono::duration_cast<std::chrono::microseconds>(value).count()),
      kMost);
  const std::size_t bucket = BucketOf(microseconds);
  if (bucket >= buckets_.size()) {
    buckets_.resize(bucket + 1);
  }
  ++buckets_[bucket];
  ++count_;
  sum_ += value;
  most_ = std::max(most_, value);
}

void LatencyHistogram::Merge(const LatencyHistogram& other) {
  buckets_.resize(std::max(buckets_.size(), other.buckets_.size()));
  for (std::size_t i = 0; i < other.buckets_.size(); ++i) {
    buckets_[i] += other.buckets_[i];
  }
  count_ += other.count_;
  sum_ += other.sum_;
  most_ = std::max(most_, other.most_);
}

Duration LatencyHistogram::mean() const {
  return count_ == 0 ? Duration::zero()
                     : sum_ / static_cast<std::int64_t>(count_);
}

Duration LatencyHistogram::Quantile(double share) const {
  // Nearest rank.
  const auto rank = static_cast<std::uint64_t>(
      std::ceil(std::clamp(share, 0.0, 1.0) * static_cast<double>(count_)));
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    below += buckets_[i];
    if (below >= std::max<std::uint64_t>(rank, 1)) {
      return std::min<Duration>(std::chrono::microseconds(HighestOf(i)), most_);
    }
  }
  return Duration::zero();
}

}  // namespace resnetd::client
