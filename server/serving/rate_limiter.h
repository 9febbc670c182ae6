#pragma once

#include <cstddef>
#include <string>
#include <unordered_map>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"

namespace resnetd {

// How many images a second one caller may ask for.
struct RateLimits {
  // 0: as many as it likes.
  std::size_t images_per_second = 0;
  // At once, after a time without any; 0: those of one second.
  std::size_t burst = 0;
};

// A bucket of tokens for each caller, one an image. Memory is bounded by the
// callers that asked within the time that fills a bucket. Thread-safe.
class RateLimiter {
 public:
  explicit RateLimiter(const RateLimits& limits);

  // Takes the tokens of a request. One of more images than a bucket holds is
  // let in when it is full, and paid off afterwards.
  // RESOURCE_EXHAUSTED (OVERLOADED; metadata "quota", "limit_name", "limit")
  // with retry_after: the time until there are enough.
  absl::Status Take(const std::string& identity, std::size_t images,
                    SteadyTime now) ABSL_LOCKS_EXCLUDED(mutex_);

  // Gives back what a request took that was refused for another reason.
  void GiveBack(const std::string& identity, std::size_t images)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Callers that are remembered.
  std::size_t size() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Bucket {
    double tokens = 0;
    SteadyTime filled_at{};
  };

  void Refill(Bucket& bucket, SteadyTime now) const;
  void ForgetFull(SteadyTime now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const double per_second_;
  const double burst_;
  mutable Mutex mutex_;
  std::unordered_map<std::string, Bucket> buckets_ ABSL_GUARDED_BY(mutex_);
  // When there are so many, full ones are looked for.
  std::size_t sweep_at_ ABSL_GUARDED_BY(mutex_) = 1024;
};

}  // namespace resnetd
