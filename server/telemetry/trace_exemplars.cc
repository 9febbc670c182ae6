#include "server/telemetry/trace_exemplars.h"

#include <algorithm>

namespace resnetd {

TraceExemplars::TraceExemplars(std::vector<double> bounds)
    : bounds_(std::move(bounds)) {}

void TraceExemplars::Observe(absl::string_view method, absl::string_view code,
                             double seconds, absl::string_view trace_id,
                             WallTime when) {
  if (trace_id.empty()) {
    return;
  }
  const auto bucket = static_cast<std::size_t>(
      std::lower_bound(bounds_.begin(), bounds_.end(), seconds) -
      bounds_.begin());
  const MutexLock lock(mutex_);
  newest_[{std::string(code), std::string(method)}][bucket] = {
      .trace_id = std::string(trace_id), .value = seconds, .when = when};
}

void TraceExemplars::AddTo(absl::string_view name, Exemplars& exemplars) const {
  const MutexLock lock(mutex_);
  for (const auto& [labels, by_bucket] : newest_) {
    std::vector<Exemplar>& all =
        exemplars[{std::string(name),
                   {{"code", labels.first}, {"method", labels.second}}}];
    for (const auto& [bucket, exemplar] : by_bucket) {
      all.push_back(exemplar);
    }
  }
}

}  // namespace resnetd
