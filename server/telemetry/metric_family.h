#pragma once

#include <prometheus/family.h>
#include <prometheus/metric_family.h>
#include <prometheus/registry.h>

#include <string>

#include "server/telemetry/metric_names.h"

namespace resnetd {

// The family of `spec` in `registry`; `builder` is prometheus::BuildGauge() or
// one of its siblings.
template <typename Builder>
auto& RegisterFamily(Builder builder, const MetricSpec& spec,
                     prometheus::Registry& registry) {
  return builder.Name(std::string(spec.name))
      .Help(std::string(spec.help))
      .Register(registry);
}

// `spec` without metrics yet, for what is collected without a registry.
inline prometheus::MetricFamily GaugeFamily(const MetricSpec& spec) {
  prometheus::MetricFamily family;
  family.name = std::string(spec.name);
  family.help = std::string(spec.help);
  family.type = prometheus::MetricType::Gauge;
  return family;
}

}  // namespace resnetd
