#pragma once

#include <prometheus/metric_family.h>

#include <vector>

namespace resnetd {

// What the kernel says of this process now, under the names that every
// Prometheus client library gives it. A value that cannot be read is left out.
// Thread-safe; costs some 40 us.
std::vector<prometheus::MetricFamily> CollectProcessMetrics();

}  // namespace resnetd
