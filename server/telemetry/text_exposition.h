#pragma once

#include <prometheus/client_metric.h>
#include <prometheus/metric_family.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "server/base/clock.h"
#include "server/telemetry/exposition_format.h"

namespace resnetd {

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
