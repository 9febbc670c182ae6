#include "server/telemetry/version_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <map>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "server/base/mutex.h"
#include "server/telemetry/metric_family.h"
#include "server/telemetry/metric_names.h"

namespace resnetd {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;

// From the demo model (20 ms) to a large network from a cold disk.
const Histogram::BucketBoundaries& LoadBuckets() {
  static const Histogram::BucketBoundaries buckets = {
      0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100};
  return buckets;
}

// The goal is 50 ms; the swap of a pointer takes microseconds.
const Histogram::BucketBoundaries& SwapBuckets() {
  static const Histogram::BucketBoundaries buckets = {
      0.00001, 0.0001, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5};
  return buckets;
}

// What a load can fail with; see Reason in base/error.h. The last one stands
// for all others.
constexpr std::array<absl::string_view, 9> kLoadReasons = {
    "MEMORY_ADMISSION", "STORE_CORRUPT",       "STORE_FAILED",
    "WEIGHTS_CORRUPT",  "WEIGHTS_MISMATCH",    "GOLDEN_MISMATCH",
    "MODEL_INVALID",    "BACKEND_UNAVAILABLE", "OTHER"};

// Of PrecisionObjection, those that a version is refused a precision for.
constexpr std::array<const char*, 6> kRefusals = {
    "no_pictures", "too_few_pictures", "unsupported",
    "disagrees",   "no_memory",        "failed"};

struct Families {
  explicit Families(prometheus::Registry& registry)
      : model_info(
            RegisterFamily(prometheus::BuildGauge(), kModelInfo, registry)),
        alias_info(
            RegisterFamily(prometheus::BuildGauge(), kAliasInfo, registry)),
        alias_generation(RegisterFamily(prometheus::BuildGauge(),
                                        kAliasGeneration, registry)),
        switches(RegisterFamily(prometheus::BuildCounter(), kAliasSwitchesTotal,
                                registry)),
        promoted(RegisterFamily(prometheus::BuildGauge(),
                                kModelPromotedTimestampSeconds, registry)),
        load_duration(RegisterFamily(prometheus::BuildHistogram(),
                                     kModelLoadDurationSeconds, registry)),
        load_failures(RegisterFamily(prometheus::BuildCounter(),
                                     kModelLoadFailuresTotal, registry)),
        swap_duration(RegisterFamily(prometheus::BuildHistogram(),
                                     kModelSwapDurationSeconds, registry)),
        memory(RegisterFamily(prometheus::BuildGauge(), kModelMemoryBytes,
                              registry)),
        model_integrity(RegisterFamily(prometheus::BuildCounter(),
                                       kModelIntegrityFailuresTotal, registry)),
        store_size(RegisterFamily(prometheus::BuildGauge(), kStoreSizeBytes,
                                  registry)),
        fallbacks(RegisterFamily(prometheus::BuildCounter(),
                                 kEngineFallbacksTotal, registry)),
        precision_refusals(RegisterFamily(prometheus::BuildCounter(),
                                          kPrecisionRefusalsTotal, registry)),
        imports(RegisterFamily(prometheus::BuildCounter(), kImportsTotal,
                               registry)) {}

  Family<Gauge>& model_info;
  Family<Gauge>& alias_info;
  Family<Gauge>& alias_generation;
  Family<Counter>& switches;
  Family<Gauge>& promoted;
  Family<Histogram>& load_duration;
  Family<Counter>& load_failures;
  Family<Histogram>& swap_duration;
  Family<Gauge>& memory;
  Family<Counter>& model_integrity;
  Family<Gauge>& store_size;
  Family<Counter>& fallbacks;
  Family<Counter>& precision_refusals;
  Family<Counter>& imports;
};

// A gauge without labels.
Gauge& Single(const MetricSpec& spec, prometheus::Registry& registry) {
  return RegisterFamily(prometheus::BuildGauge(), spec, registry).Add({});
}

class PrometheusVersionMetrics final : public VersionMetrics {
 public:
  explicit PrometheusVersionMetrics(prometheus::Registry& registry)
      : families_(registry),
        weights_(families_.memory.Add({{"owner", "weights"}})),
        activations_(families_.memory.Add({{"owner", "activations"}})),
        loading_(families_.memory.Add({{"owner", "loading"}})),
        blob_bytes_(families_.store_size.Add({{"kind", "blobs"}})),
        database_bytes_(families_.store_size.Add({{"kind", "database"}})),
        blobs_(Single(kStoreBlobs, registry)),
        versions_(Single(kStoreVersions, registry)),
        free_bytes_(Single(kStoreFreeBytes, registry)),
        quota_bytes_(Single(kStoreQuotaBytes, registry)),
        store_integrity_(RegisterFamily(prometheus::BuildCounter(),
                                        kStoreIntegrityFailuresTotal, registry)
                             .Add({})),
        import_bytes_(RegisterFamily(prometheus::BuildCounter(),
                                     kImportBytesTotal, registry)
                          .Add({})) {
    // Made at once: a rate over a series that has yet to appear misses its
    // first event.
    for (std::size_t i = 0; i < kLoadReasons.size(); ++i) {
      load_failures_.at(i) = &families_.load_failures.Add(
          {{"reason", std::string(kLoadReasons.at(i))}});
    }
    families_.imports.Add({{"outcome", "OK"}});
    for (const char* const precision : {"bf16", "int8"}) {
      for (const char* const reason : kRefusals) {
        families_.precision_refusals.Add(
            {{"precision", precision}, {"reason", reason}});
      }
    }
  }

  void VersionLoaded(const ModelInfoLabels& labels, Duration duration) override
      ABSL_LOCKS_EXCLUDED(mutex_) {
    families_.load_duration.Add({{"model", labels.model}}, LoadBuckets())
        .Observe(ToSeconds(duration));
    families_.model_integrity.Add({{"model", labels.model}});
    const MutexLock lock(mutex_);
    ShowInfo(labels);
  }

  void PrecisionChosen(const ModelInfoLabels& labels) override
      ABSL_LOCKS_EXCLUDED(mutex_) {
    const MutexLock lock(mutex_);
    if (loaded_.find({labels.model, labels.version}) != loaded_.end()) {
      ShowInfo(labels);
    }
  }

  void PrecisionRefused(absl::string_view precision,
                        absl::string_view reason) override {
    families_.precision_refusals
        .Add({{"precision", std::string(precision)},
              {"reason", std::string(reason)}})
        .Increment();
  }

  void SetFallbacks(const std::map<std::string, std::int64_t>& counts) override
      ABSL_LOCKS_EXCLUDED(mutex_) {
    // Two scrapes may bring their figures in the wrong order.
    const MutexLock lock(mutex_);
    for (const auto& [reason, count] : counts) {
      Counter& counter = families_.fallbacks.Add({{"reason", reason}});
      const double more = static_cast<double>(count) - counter.Value();
      if (more > 0) {
        counter.Increment(more);
      }
    }
  }

  void VersionUnloaded(absl::string_view model,
                       absl::string_view version) override
      ABSL_LOCKS_EXCLUDED(mutex_) {
    const MutexLock lock(mutex_);
    const auto found = loaded_.find({std::string(model), std::string(version)});
    if (found != loaded_.end()) {
      families_.model_info.Remove(found->second);
      loaded_.erase(found);
    }
  }

  void LoadFailed(absl::string_view reason) override {
    std::size_t index = 0;
    while (index + 1 < kLoadReasons.size() &&
           kLoadReasons.at(index) != reason) {
      ++index;
    }
    load_failures_.at(index)->Increment();
  }

  void AliasPointed(const AliasLabels& labels, std::int64_t generation,
                    WallTime moved, AliasSwitch how, Duration swap) override
      ABSL_LOCKS_EXCLUDED(mutex_) {
    Counter& sets =
        families_.switches.Add({{"model", labels.model}, {"kind", "set"}});
    Counter& rollbacks =
        families_.switches.Add({{"model", labels.model}, {"kind", "rollback"}});
    Histogram& swaps =
        families_.swap_duration.Add({{"model", labels.model}}, SwapBuckets());
    if (how != AliasSwitch::kRestored) {
      (how == AliasSwitch::kSet ? sets : rollbacks).Increment();
      swaps.Observe(ToSeconds(swap));
    }
    const MutexLock lock(mutex_);
    Alias& alias = aliases_[{labels.model, labels.alias}];
    Gauge& info = families_.alias_info.Add({{"model", labels.model},
                                            {"alias", labels.alias},
                                            {"version", labels.version},
                                            {"digest", labels.digest}});
    info.Set(1);
    RemoveUnless(std::exchange(alias.info, &info), &info, families_.alias_info);
    alias.generation = &families_.alias_generation.Add(
        {{"model", labels.model}, {"alias", labels.alias}});
    alias.generation->Set(static_cast<double>(generation));
    if (labels.alias == "stable") {
      families_.promoted.Add({{"model", labels.model}})
          .Set(std::chrono::duration<double>(moved.time_since_epoch()).count());
    }
  }

  void AliasDeleted(absl::string_view model, absl::string_view alias) override
      ABSL_LOCKS_EXCLUDED(mutex_) {
    const MutexLock lock(mutex_);
    const auto found = aliases_.find({std::string(model), std::string(alias)});
    if (found != aliases_.end()) {
      families_.alias_info.Remove(found->second.info);
      families_.alias_generation.Remove(found->second.generation);
      aliases_.erase(found);
    }
  }

  void IntegrityFailed(absl::string_view model) override {
    families_.model_integrity.Add({{"model", std::string(model)}}).Increment();
  }

  void SetMemory(const ModelMemory& memory) override {
    weights_.Set(static_cast<double>(memory.weights));
    activations_.Set(static_cast<double>(memory.activations));
    loading_.Set(static_cast<double>(memory.loading));
  }

  void SetStore(const StoreFigures& store) override
      ABSL_LOCKS_EXCLUDED(mutex_) {
    blobs_.Set(static_cast<double>(store.blobs));
    blob_bytes_.Set(static_cast<double>(store.blob_bytes));
    database_bytes_.Set(static_cast<double>(store.database_bytes));
    versions_.Set(static_cast<double>(store.versions));
    free_bytes_.Set(static_cast<double>(store.free_bytes));
    quota_bytes_.Set(static_cast<double>(store.quota_bytes));
    const MutexLock lock(mutex_);
    // Two scrapes may bring their figures in the wrong order.
    if (store.integrity_failures > integrity_failures_) {
      store_integrity_.Increment(
          static_cast<double>(store.integrity_failures - integrity_failures_));
      integrity_failures_ = store.integrity_failures;
    }
  }

  void ImportEnded(absl::StatusCode outcome, std::int64_t bytes) override {
    families_.imports.Add({{"outcome", absl::StatusCodeToString(outcome)}})
        .Increment();
    import_bytes_.Increment(static_cast<double>(bytes));
  }

 private:
  using Key = std::pair<std::string, std::string>;
  struct Alias {
    Gauge* info = nullptr;
    Gauge* generation = nullptr;
  };

  void ShowInfo(const ModelInfoLabels& labels)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    Gauge& now = families_.model_info.Add({{"model", labels.model},
                                           {"version", labels.version},
                                           {"digest", labels.digest},
                                           {"arch", labels.architecture},
                                           {"precision", labels.precision},
                                           {"backend", labels.backend}});
    now.Set(1);
    Gauge* const before =
        std::exchange(loaded_[{labels.model, labels.version}], &now);
    RemoveUnless(before, &now, families_.model_info);
  }

  static void RemoveUnless(Gauge* before, const Gauge* now,
                           Family<Gauge>& family) {
    if (before != nullptr && before != now) {
      family.Remove(before);
    }
  }

  Families families_;
  Gauge& weights_;
  Gauge& activations_;
  Gauge& loading_;
  Gauge& blob_bytes_;
  Gauge& database_bytes_;
  Gauge& blobs_;
  Gauge& versions_;
  Gauge& free_bytes_;
  Gauge& quota_bytes_;
  Counter& store_integrity_;
  Counter& import_bytes_;
  std::array<Counter*, kLoadReasons.size()> load_failures_{};
  Mutex mutex_;
  // Model and version.
  std::map<Key, Gauge*> loaded_ ABSL_GUARDED_BY(mutex_);
  // Model and alias.
  std::map<Key, Alias> aliases_ ABSL_GUARDED_BY(mutex_);
  std::int64_t integrity_failures_ ABSL_GUARDED_BY(mutex_) = 0;
};

class ForgetfulVersionMetrics final : public VersionMetrics {
 public:
  void VersionLoaded(const ModelInfoLabels& /*labels*/,
                     Duration /*duration*/) override {}
  void PrecisionChosen(const ModelInfoLabels& /*labels*/) override {}
  void PrecisionRefused(absl::string_view /*precision*/,
                        absl::string_view /*reason*/) override {}
  void SetFallbacks(
      const std::map<std::string, std::int64_t>& /*counts*/) override {}
  void VersionUnloaded(absl::string_view /*model*/,
                       absl::string_view /*version*/) override {}
  void LoadFailed(absl::string_view /*reason*/) override {}
  void AliasPointed(const AliasLabels& /*labels*/, std::int64_t /*generation*/,
                    WallTime /*moved*/, AliasSwitch /*how*/,
                    Duration /*swap*/) override {}
  void AliasDeleted(absl::string_view /*model*/,
                    absl::string_view /*alias*/) override {}
  void IntegrityFailed(absl::string_view /*model*/) override {}
  void SetMemory(const ModelMemory& /*memory*/) override {}
  void SetStore(const StoreFigures& /*store*/) override {}
  void ImportEnded(absl::StatusCode /*outcome*/,
                   std::int64_t /*bytes*/) override {}
};

}  // namespace

std::unique_ptr<VersionMetrics> VersionMetrics::Create(
    prometheus::Registry& registry) {
  return std::make_unique<PrometheusVersionMetrics>(registry);
}

VersionMetrics& NullVersionMetrics() {
  static ForgetfulVersionMetrics metrics;
  return metrics;
}

}  // namespace resnetd
