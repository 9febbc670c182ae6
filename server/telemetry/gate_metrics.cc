#include "server/telemetry/gate_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <array>
#include <string>

#include "absl/strings/string_view.h"
#include "server/telemetry/metric_family.h"
#include "server/telemetry/metric_names.h"

namespace resnetd {
namespace {

using prometheus::Counter;
using prometheus::Gauge;

// In the order of CallRefusal.
constexpr auto kRefusals = std::to_array<absl::string_view>(
    {"max_calls", "max_calls_per_connection", "max_calls_per_client",
     "max_bytes_held", "max_bytes_held_per_client", "too_large", "starting",
     "draining"});
static_assert(static_cast<std::size_t>(CallRefusal::kDraining) + 1 ==
              kRefusals.size());

class PrometheusGateMetrics final : public GateMetrics {
 public:
  explicit PrometheusGateMetrics(prometheus::Registry& registry)
      : held_(RegisterFamily(prometheus::BuildGauge(), kRpcHeldBytes, registry)
                  .Add({})),
        limit_(RegisterFamily(prometheus::BuildGauge(), kRpcHeldLimitBytes,
                              registry)
                   .Add({})) {
    auto& refused =
        RegisterFamily(prometheus::BuildCounter(), kRpcRefusedTotal, registry);
    // All at once: a rate over a series that has yet to appear misses its first
    // event.
    for (std::size_t i = 0; i < kRefusals.size(); ++i) {
      refused_[i] = &refused.Add({{"reason", std::string(kRefusals[i])}});
    }
  }

  void CountRefused(CallRefusal reason) override {
    refused_[static_cast<std::size_t>(reason)]->Increment();
  }
  void SetBytesHeld(std::size_t bytes) override {
    held_.Set(static_cast<double>(bytes));
  }
  void SetBytesLimit(std::size_t bytes) override {
    limit_.Set(static_cast<double>(bytes));
  }

 private:
  std::array<Counter*, kRefusals.size()> refused_{};
  Gauge& held_;
  Gauge& limit_;
};

class ForgetfulGateMetrics final : public GateMetrics {
 public:
  void CountRefused(CallRefusal /*reason*/) override {}
  void SetBytesHeld(std::size_t /*bytes*/) override {}
  void SetBytesLimit(std::size_t /*bytes*/) override {}
};

}  // namespace

std::unique_ptr<GateMetrics> GateMetrics::Create(
    prometheus::Registry& registry) {
  return std::make_unique<PrometheusGateMetrics>(registry);
}

GateMetrics& NullGateMetrics() {
  static ForgetfulGateMetrics metrics;
  return metrics;
}

}  // namespace resnetd
