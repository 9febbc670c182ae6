#pragma once

#include <prometheus/client_metric.h>
#include <prometheus/metric_family.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "server/base/clock.h"

namespace resnetd {

// How metrics are written for a scraper.
enum class ExpositionFormat {
  // Prometheus text 0.0.4
  // (https://prometheus.io/docs/instrumenting/exposition_formats).
  kText,
  // OpenMetrics 1.0, which has exemplars (https://github.com/OpenObservability/
  // OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md).
  kOpenMetrics,
};

// The format for a scraper that sends `accept`, the value of that header or "":
// OpenMetrics when it is named and wanted no less than text. A scraper that
// wants neither gets text, as it may yet read it.
ExpositionFormat ChooseFormat(absl::string_view accept);

// The Content-Type of a format: Prometheus 3 refuses a scrape without version.
absl::string_view ContentTypeOf(ExpositionFormat format);

// One call that a bucket of a histogram counted.
struct Exemplar {
  std::string trace_id;
  // What was observed; decides the bucket.
  double value = 0;
  WallTime when;
};

// Exemplars by the name of a histogram and the labels of one of its metrics,
// sorted by name. Of several in one bucket the newest is shown.
using Exemplars = std::map<
    std::pair<std::string, std::vector<prometheus::ClientMetric::Label>>,
    std::vector<Exemplar>>;

// `families` as text: HELP and label values escaped, families by name, their
// metrics by labels, every histogram with its +Inf bucket. Bytes that are no
// UTF-8 become U+FFFD: one of them would fail the whole scrape. Families
// without metrics are left out. `exemplars`: kOpenMetrics alone shows them.
std::string FormatMetrics(std::vector<prometheus::MetricFamily> families,
                          ExpositionFormat format = ExpositionFormat::kText,
                          const Exemplars& exemplars = {});

}  // namespace resnetd
