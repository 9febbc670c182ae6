#pragma once

#include "absl/strings/string_view.h"

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

}  // namespace resnetd
