#include "server/telemetry/gpu_metrics.h"

#include <prometheus/client_metric.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/telemetry/metric_family.h"
#include "server/telemetry/metric_names.h"

namespace resnetd {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;

template <typename Value>
void AddGauge(std::vector<ClientMetric::Label> labels,
              std::optional<Value> value, MetricFamily& family) {
  if (!value) {
    return;
  }
  ClientMetric metric;
  metric.label = std::move(labels);
  metric.gauge.value = static_cast<double>(*value);
  family.metric.push_back(std::move(metric));
}

}  // namespace

std::vector<MetricFamily> CollectGpuMetrics(GpuSource& source) {
  MetricFamily info = GaugeFamily(kGpuInfo);
  MetricFamily memory = GaugeFamily(kGpuMemoryBytes);
  MetricFamily power = GaugeFamily(kGpuPowerWatts);
  MetricFamily temperature = GaugeFamily(kGpuTemperatureCelsius);
  MetricFamily utilization = GaugeFamily(kGpuUtilizationRatio);
  for (const GpuFigures& gpu : source.Read()) {
    const std::string number = absl::StrCat(gpu.number);
    AddGauge({{"gpu", number}, {"name", gpu.name}}, std::optional<int>(1),
             info);
    AddGauge({{"gpu", number}, {"kind", "total"}}, gpu.total_bytes, memory);
    AddGauge({{"gpu", number}, {"kind", "free"}}, gpu.free_bytes, memory);
    AddGauge({{"gpu", number}, {"kind", "used"}}, gpu.used_bytes, memory);
    AddGauge({{"gpu", number}}, gpu.watts, power);
    AddGauge({{"gpu", number}}, gpu.celsius, temperature);
    AddGauge({{"gpu", number}}, gpu.utilization, utilization);
  }
  return {std::move(info), std::move(memory), std::move(power),
          std::move(temperature), std::move(utilization)};
}

}  // namespace resnetd
