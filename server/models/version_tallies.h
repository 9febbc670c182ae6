#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "server/base/ids.h"
#include "server/base/mutex.h"

namespace resnetd {

// What a version has answered in this process.
struct VersionTally {
  // Batches that were computed, and those that were not: the network failed or
  // a logit was not finite.
  std::int64_t answers = 0;
  std::int64_t failures = 0;
  // Of the first picture of each batch, the probability of its best class:
  // their sum over `answers`.
  double confidence_sum = 0;
};

// How versions fare in serving, for those who watch over promotions. Counts
// fade: what is older than the newest kFading batches counts less and less.
//
// Thread-safe. Costs a call some 100 ns: once for each batch, not each picture.
class VersionTallies {
 public:
  static constexpr std::int64_t kFading = 10'000;
  // Versions that are remembered, those that answered last.
  static constexpr std::size_t kMostVersions = 1024;

  void CountAnswer(const ModelName& model, VersionNumber version,
                   double confidence) ABSL_LOCKS_EXCLUDED(mutex_);
  void CountFailure(const ModelName& model, VersionNumber version)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Zeros: it has not answered.
  VersionTally Read(const ModelName& model, VersionNumber version) const
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Begins to count anew.
  void Forget(const ModelName& model, VersionNumber version)
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Entry {
    VersionTally tally;
    // Of the newest count.
    std::uint64_t at = 0;
  };
  using Key = std::pair<ModelName, VersionNumber>;

  VersionTally& Take(const ModelName& model, VersionNumber version)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable Mutex mutex_;
  std::uint64_t counts_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<Key, Entry> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace resnetd
