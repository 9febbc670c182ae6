#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <vector>

namespace resnetd {

// `families` in the Prometheus text format 0.0.4
// (https://prometheus.io/docs/instrumenting/exposition_formats): HELP and label
// values escaped, families by name, their metrics by labels, every histogram
// with its +Inf bucket. Bytes that are no UTF-8 become U+FFFD: one of them
// would fail the whole scrape. Families without metrics are left out.
std::string FormatMetrics(std::vector<prometheus::MetricFamily> families);

}  // namespace resnetd
