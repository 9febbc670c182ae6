#include "server/serving/rate_limiter.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"

namespace resnetd {
namespace {

constexpr char kFlag[] = "max-images-per-second-per-client";

// Rounding must not refuse who waited as long as it was told.
constexpr double kEnough = 1e-6;

Duration Seconds(double seconds) {
  return Duration(static_cast<Duration::rep>(std::ceil(seconds * 1e9)));
}

}  // namespace

RateLimiter::RateLimiter(const RateLimits& limits)
    : per_second_(static_cast<double>(limits.images_per_second)),
      burst_(static_cast<double>(limits.burst == 0 ? limits.images_per_second
                                                   : limits.burst)) {}

void RateLimiter::Refill(Bucket& bucket, SteadyTime now) const {
  if (now > bucket.filled_at) {
    bucket.tokens =
        std::min(burst_, bucket.tokens +
                             per_second_ * ToSeconds(now - bucket.filled_at));
    bucket.filled_at = now;
  }
}

absl::Status RateLimiter::Take(const std::string& identity, std::size_t images,
                               SteadyTime now) {
  if (per_second_ == 0) {
    return absl::OkStatus();
  }
  const auto wanted = static_cast<double>(images);
  double missing = 0;
  {
    const MutexLock lock(mutex_);
    const auto [at, is_new] = buckets_.try_emplace(
        identity, Bucket{.tokens = burst_, .filled_at = now});
    Bucket& bucket = at->second;
    Refill(bucket, now);
    missing = std::min(wanted, burst_) - bucket.tokens;
    if (missing <= kEnough) {
      bucket.tokens -= wanted;
      if (is_new && buckets_.size() >= sweep_at_) {
        ForgetFull(now);
      }
      return absl::OkStatus();
    }
  }
  const Duration wait = Seconds(missing / per_second_);
  return Error(absl::StatusCode::kResourceExhausted, Reason::kOverloaded,
               absl::StrCat(
                   "this caller has used up its ", per_second_,
                   " images a second (--", kFlag, "): try again in ",
                   std::chrono::ceil<std::chrono::milliseconds>(wait).count(),
                   " ms"))
      .Metadata("quota", "images-per-second-per-client")
      .Metadata("limit_name", kFlag)
      .Metadata("limit", absl::StrCat(per_second_))
      .RetryAfter(wait);
}

void RateLimiter::GiveBack(const std::string& identity, std::size_t images) {
  if (per_second_ == 0) {
    return;
  }
  const MutexLock lock(mutex_);
  // Who is not remembered has a full bucket.
  if (const auto at = buckets_.find(identity); at != buckets_.end()) {
    at->second.tokens =
        std::min(burst_, at->second.tokens + static_cast<double>(images));
  }
}

std::size_t RateLimiter::size() const {
  const MutexLock lock(mutex_);
  return buckets_.size();
}

void RateLimiter::ForgetFull(SteadyTime now) {
  for (auto at = buckets_.begin(); at != buckets_.end();) {
    Refill(at->second, now);
    at = at->second.tokens >= burst_ ? buckets_.erase(at) : std::next(at);
  }
  // Twice as many, so that a look at all of them is rare.
  sweep_at_ = std::max<std::size_t>(2 * buckets_.size(), 1024);
}

}  // namespace resnetd
