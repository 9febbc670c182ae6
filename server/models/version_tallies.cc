#include "server/models/version_tallies.h"

#include <algorithm>

namespace resnetd {

VersionTally& VersionTallies::Take(const ModelName& model,
                                   VersionNumber version) {
  const auto [found, is_new] = entries_.try_emplace({model, version});
  found->second.at = ++counts_;
  if (is_new && entries_.size() > kMostVersions) {
    entries_.erase(std::min_element(entries_.begin(), entries_.end(),
                                    [](const auto& a, const auto& b) {
                                      return a.second.at < b.second.at;
                                    }));
  }
  VersionTally& tally = found->second.tally;
  if (tally.answers + tally.failures >= kFading) {
    const std::int64_t left = tally.answers / 2;
    tally = {.answers = left,
             .failures = tally.failures / 2,
             // As many as are left of the answers, at the same mean.
             .confidence_sum = tally.answers == 0
                                   ? 0
                                   : tally.confidence_sum *
                                         static_cast<double>(left) /
                                         static_cast<double>(tally.answers)};
  }
  return tally;
}

void VersionTallies::CountAnswer(const ModelName& model, VersionNumber version,
                                 double confidence) {
  const MutexLock lock(mutex_);
  VersionTally& tally = Take(model, version);
  ++tally.answers;
  tally.confidence_sum += confidence;
}

void VersionTallies::CountFailure(const ModelName& model,
                                  VersionNumber version) {
  const MutexLock lock(mutex_);
  ++Take(model, version).failures;
}

VersionTally VersionTallies::Read(const ModelName& model,
                                  VersionNumber version) const {
  const MutexLock lock(mutex_);
  const auto found = entries_.find({model, version});
  return found == entries_.end() ? VersionTally() : found->second.tally;
}

void VersionTallies::Forget(const ModelName& model, VersionNumber version) {
  const MutexLock lock(mutex_);
  entries_.erase({model, version});
}

}  // namespace resnetd
