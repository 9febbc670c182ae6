#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/telemetry/text_exposition.h"

namespace resnetd {

// The newest traced call in each bucket of a histogram of calls: an example of
// how slow ones look. Calls without a trace id cost nothing here. Thread-safe.
class TraceExemplars {
 public:
  // `bounds`: of the buckets, ascending.
  explicit TraceExemplars(std::vector<double> bounds);

  void Observe(absl::string_view method, absl::string_view code, double seconds,
               absl::string_view trace_id, WallTime when)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // For the histogram `name` with the labels code and method.
  void AddTo(absl::string_view name, Exemplars& exemplars) const
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  const std::vector<double> bounds_;
  mutable Mutex mutex_;
  // Code and method; by bucket. As many as there are such metrics.
  std::map<std::pair<std::string, std::string>, std::map<std::size_t, Exemplar>>
      newest_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace resnetd
