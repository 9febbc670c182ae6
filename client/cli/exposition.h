#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace resnetd::cli {

// One line of Prometheus's text format.
struct MetricSample {
  std::string name;
  std::map<std::string, std::string> labels;
  double value = 0;

  // Empty: there is none.
  std::string Label(const std::string& label) const;
};

using MetricSamples = std::vector<MetricSample>;

// The samples of a scrape in the text format 0.0.4, in their order; comments,
// times and exemplars are left out. UNAVAILABLE: it is no such text.
absl::StatusOr<MetricSamples> ParseExposition(absl::string_view text);

}  // namespace resnetd::cli
