#pragma once

#include <prometheus/family.h>
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

}  // namespace resnetd
