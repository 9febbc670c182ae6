#include "server/telemetry/credential_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <chrono>
#include <string>

#include "server/telemetry/metric_family.h"
#include "server/telemetry/metric_names.h"

namespace resnetd {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;

std::string NameOf(CredentialKind kind) {
  return kind == CredentialKind::kCertificate ? "certificate" : "tokens";
}

class PrometheusCredentialMetrics final : public CredentialMetrics {
 public:
  explicit PrometheusCredentialMetrics(prometheus::Registry& registry)
      : reloads_(RegisterFamily(prometheus::BuildCounter(),
                                kCredentialReloadsTotal, registry)),
        successful_(RegisterFamily(prometheus::BuildGauge(),
                                   kCredentialLastReloadSuccessful, registry)),
        expiry_(RegisterFamily(prometheus::BuildGauge(),
                               kCredentialExpiryTimestampSeconds, registry)) {}

  void InForce(CredentialKind kind) override {
    // Both at once: a rate over a series that has yet to appear misses its
    // first event.
    Reloads(kind, true);
    Reloads(kind, false);
    Successful(kind).Set(1);
  }

  void Reloaded(CredentialKind kind, const absl::Status& outcome) override {
    Reloads(kind, outcome.ok()).Increment();
    Successful(kind).Set(outcome.ok() ? 1 : 0);
  }

  void SetExpiry(CredentialKind kind, WallTime at) override {
    expiry_.Add({{"kind", NameOf(kind)}})
        .Set(std::chrono::duration<double>(at.time_since_epoch()).count());
  }

 private:
  Counter& Reloads(CredentialKind kind, bool is_ok) {
    return reloads_.Add(
        {{"kind", NameOf(kind)}, {"outcome", is_ok ? "ok" : "failed"}});
  }
  Gauge& Successful(CredentialKind kind) {
    return successful_.Add({{"kind", NameOf(kind)}});
  }

  Family<Counter>& reloads_;
  Family<Gauge>& successful_;
  Family<Gauge>& expiry_;
};

class ForgetfulCredentialMetrics final : public CredentialMetrics {
 public:
  void InForce(CredentialKind /*kind*/) override {}
  void Reloaded(CredentialKind /*kind*/,
                const absl::Status& /*outcome*/) override {}
  void SetExpiry(CredentialKind /*kind*/, WallTime /*at*/) override {}
};

}  // namespace

std::unique_ptr<CredentialMetrics> CredentialMetrics::Create(
    prometheus::Registry& registry) {
  return std::make_unique<PrometheusCredentialMetrics>(registry);
}

CredentialMetrics& NullCredentialMetrics() {
  static ForgetfulCredentialMetrics metrics;
  return metrics;
}

}  // namespace resnetd
