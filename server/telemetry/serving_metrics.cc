#include "server/telemetry/serving_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/base/mutex.h"
#include "server/base/version.h"
#include "server/telemetry/gpu_metrics.h"
#include "server/telemetry/gradient_metrics.h"
#include "server/telemetry/metric_family.h"
#include "server/telemetry/metric_names.h"
#include "server/telemetry/process_metrics.h"
#include "server/telemetry/text_exposition.h"
#include "server/telemetry/trace_exemplars.h"

namespace resnetd {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;

// Goals are met in milliseconds, the default deadline is 10 s; steps of about
// 2.5 keep an interpolated quantile within a factor of 1.6 of the truth.
const Histogram::BucketBoundaries& DurationBuckets() {
  static const Histogram::BucketBoundaries buckets = {
      0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
      0.1,     0.25,   0.5,   1,      2.5,   5,    10};
  return buckets;
}

// Batches are powers of two at most of the time; 256 is the largest request.
const Histogram::BucketBoundaries& BatchBuckets() {
  static const Histogram::BucketBoundaries buckets = {1,  2,  4,   8,  16,
                                                      32, 64, 128, 256};
  return buckets;
}

// Of batches of up to 8 images each size has its own.
const Histogram::BucketBoundaries& FillBuckets() {
  static const Histogram::BucketBoundaries buckets = {0.125, 0.25, 0.375, 0.5,
                                                      0.625, 0.75, 0.875, 1};
  return buckets;
}

// Codes 0 to 16; anything else counts as UNKNOWN.
constexpr std::size_t kCodes = 17;

std::size_t CodeIndex(absl::StatusCode code) {
  const auto index = static_cast<std::size_t>(code);
  return index < kCodes ? index
                        : static_cast<std::size_t>(absl::StatusCode::kUnknown);
}

std::string CodeName(std::size_t index) {
  return absl::StatusCodeToString(static_cast<absl::StatusCode>(index));
}

constexpr std::array<absl::string_view, 5> kStages = {
    "decode", "preprocess", "queue", "forward", "postprocess"};

constexpr std::array<absl::string_view, 4> kCloses = {"full", "drained",
                                                      "shared", "deadline"};

constexpr std::array<absl::string_view, 8> kReasons = {
    "queue_full", "overloaded", "quota",    "deadline",
    "too_large",  "bad_image",  "draining", "other"};

// Metrics of one family that differ in the status code; each made when its code
// is first seen, so that a server shows no zeros for codes it never answers.
// Thread-safe.
template <typename Metric>
class ByCode {
 public:
  using Make = std::function<Metric&(const std::string& code)>;

  explicit ByCode(Make make) : make_(std::move(make)) {}

  Metric& For(absl::StatusCode code) {
    const std::size_t index = CodeIndex(code);
    Metric* metric = made_[index].load(std::memory_order_acquire);
    if (metric == nullptr) {
      // Two threads may both come here: the family gives both the same one.
      metric = &make_(CodeName(index));
      made_[index].store(metric, std::memory_order_release);
    }
    return *metric;
  }

 private:
  const Make make_;
  // Pointers into the family, written once with the same value: a lock on the
  // path of every image would buy nothing.
  std::array<std::atomic<Metric*>, kCodes> made_{};
};

// The families; one set a registry. Thread-safe as prometheus-cpp is.
struct Families {
  explicit Families(prometheus::Registry& registry)
      : build_info(
            RegisterFamily(prometheus::BuildGauge(), kBuildInfo, registry)),
        ready(RegisterFamily(prometheus::BuildGauge(), kReady, registry)),
        rpc_requests(RegisterFamily(prometheus::BuildCounter(),
                                    kRpcRequestsTotal, registry)),
        rpc_duration(RegisterFamily(prometheus::BuildHistogram(),
                                    kRpcDurationSeconds, registry)),
        rpc_in_flight(
            RegisterFamily(prometheus::BuildGauge(), kRpcInFlight, registry)),
        images(
            RegisterFamily(prometheus::BuildCounter(), kImagesTotal, registry)),
        stage_duration(RegisterFamily(prometheus::BuildHistogram(),
                                      kStageDurationSeconds, registry)),
        batch_size(RegisterFamily(prometheus::BuildHistogram(),
                                  kBatchSizeImages, registry)),
        batch_fill(RegisterFamily(prometheus::BuildHistogram(), kBatchFillRatio,
                                  registry)),
        queue_depth(RegisterFamily(prometheus::BuildGauge(), kQueueDepthImages,
                                   registry)),
        queue_limit(RegisterFamily(prometheus::BuildGauge(), kQueueLimitImages,
                                   registry)),
        rejected(RegisterFamily(prometheus::BuildCounter(), kRejectedTotal,
                                registry)),
        batch_close(RegisterFamily(prometheus::BuildCounter(), kBatchCloseTotal,
                                   registry)),
        deadline_missed(RegisterFamily(prometheus::BuildCounter(),
                                       kDeadlineMissedTotal, registry)) {}

  Family<Gauge>& build_info;
  Family<Gauge>& ready;
  Family<Counter>& rpc_requests;
  Family<Histogram>& rpc_duration;
  Family<Gauge>& rpc_in_flight;
  Family<Counter>& images;
  Family<Histogram>& stage_duration;
  Family<Histogram>& batch_size;
  Family<Histogram>& batch_fill;
  Family<Gauge>& queue_depth;
  Family<Gauge>& queue_limit;
  Family<Counter>& rejected;
  Family<Counter>& batch_close;
  Family<Counter>& deadline_missed;
};

class ModelMetricsOf final : public ModelMetrics {
 public:
  ModelMetricsOf(Families& families, const std::string& model)
      : images_([&families, model](const std::string& code) -> Counter& {
          return families.images.Add({{"model", model}, {"outcome", code}});
        }),
        batch_size_(
            families.batch_size.Add({{"model", model}}, BatchBuckets())),
        batch_fill_(families.batch_fill.Add({{"model", model}}, FillBuckets())),
        queue_depth_(families.queue_depth.Add({{"model", model}})),
        queue_limit_(families.queue_limit.Add({{"model", model}})) {
    // Made at once: a rate over a series that has yet to appear misses its
    // first event.
    images_.For(absl::StatusCode::kOk);
    for (std::size_t i = 0; i < kStages.size(); ++i) {
      stages_[i] = &families.stage_duration.Add(
          {{"model", model}, {"stage", std::string(kStages[i])}},
          DurationBuckets());
    }
    for (std::size_t i = 0; i < kCloses.size(); ++i) {
      closes_[i] = &families.batch_close.Add(
          {{"model", model}, {"reason", std::string(kCloses[i])}});
    }
    for (const Stage stage : {Stage::kDecode, Stage::kQueue, Stage::kForward}) {
      const auto i = static_cast<std::size_t>(stage);
      missed_[i] = &families.deadline_missed.Add(
          {{"model", model}, {"stage", std::string(kStages[i])}});
    }
    for (std::size_t i = 0; i < kReasons.size(); ++i) {
      rejected_[i] = &families.rejected.Add(
          {{"model", model}, {"reason", std::string(kReasons[i])}});
    }
  }

  void ObserveStage(Stage stage, Duration duration) override {
    stages_[static_cast<std::size_t>(stage)]->Observe(ToSeconds(duration));
  }
  void ObserveBatch(std::size_t images, std::size_t most) override {
    batch_size_.Observe(static_cast<double>(images));
    batch_fill_.Observe(static_cast<double>(images) /
                        static_cast<double>(most));
  }
  void CountBatchClosed(BatchClose reason) override {
    closes_[static_cast<std::size_t>(reason)]->Increment();
  }
  void CountDeadlineMissed(Stage stage) override {
    if (Counter* const counter = missed_[static_cast<std::size_t>(stage)]) {
      counter->Increment();
    }
  }
  void CountImage(absl::StatusCode outcome) override {
    images_.For(outcome).Increment();
  }
  void CountRejected(absl::string_view reason) override {
    std::size_t index = 0;
    while (index + 1 < kReasons.size() && kReasons[index] != reason) {
      ++index;
    }
    rejected_[index]->Increment();
  }
  void SetQueue(std::size_t depth, std::size_t limit) override {
    queue_depth_.Set(static_cast<double>(depth));
    queue_limit_.Set(static_cast<double>(limit));
  }

 private:
  ByCode<Counter> images_;
  std::array<Histogram*, kStages.size()> stages_{};
  std::array<Counter*, kCloses.size()> closes_{};
  // Null: nobody looks at deadlines there.
  std::array<Counter*, kStages.size()> missed_{};
  std::array<Counter*, kReasons.size()> rejected_{};
  Histogram& batch_size_;
  Histogram& batch_fill_;
  Gauge& queue_depth_;
  Gauge& queue_limit_;
};

class DecodePoolMetricsOf final : public DecodePoolMetrics {
 public:
  explicit DecodePoolMetricsOf(prometheus::Registry& registry)
      : threads_(RegisterFamily(prometheus::BuildGauge(), kDecodePoolThreads,
                                registry)
                     .Add({})),
        queued_(RegisterFamily(prometheus::BuildGauge(), kDecodePoolQueueImages,
                               registry)
                    .Add({})),
        busy_(RegisterFamily(prometheus::BuildCounter(),
                             kDecodePoolBusySecondsTotal, registry)
                  .Add({})) {}

  void SetThreads(std::size_t threads) override {
    threads_.Set(static_cast<double>(threads));
  }
  void AddQueued(int images) override {
    // Increment() takes no negative value in some releases of the library.
    if (images >= 0) {
      queued_.Increment(static_cast<double>(images));
    } else {
      queued_.Decrement(-static_cast<double>(images));
    }
  }
  void AddBusy(Duration duration) override {
    busy_.Increment(ToSeconds(duration));
  }

 private:
  Gauge& threads_;
  Gauge& queued_;
  Counter& busy_;
};

// The metrics of one method.
class MethodMetrics {
 public:
  MethodMetrics(Families& families, const std::string& method)
      : name_(method),
        in_flight_(families.rpc_in_flight.Add({{"method", method}})),
        requests_([&families, method](const std::string& code) -> Counter& {
          return families.rpc_requests.Add(
              {{"method", method}, {"code", code}});
        }),
        durations_([&families, method](const std::string& code) -> Histogram& {
          return families.rpc_duration.Add({{"method", method}, {"code", code}},
                                           DurationBuckets());
        }) {
    requests_.For(absl::StatusCode::kOk);
  }

  // Its label.
  const std::string& name() const { return name_; }

  void Started() { in_flight_.Increment(); }
  void Ended(absl::StatusCode code, Duration duration) {
    in_flight_.Decrement();
    requests_.For(code).Increment();
    durations_.For(code).Observe(ToSeconds(duration));
  }

 private:
  const std::string name_;
  Gauge& in_flight_;
  ByCode<Counter> requests_;
  ByCode<Histogram> durations_;
};

// Methods are few and known; should a caller pass what it was sent, the series
// stay few all the same.
constexpr std::size_t kMaxMethods = 64;

class PrometheusTelemetry final : public Telemetry {
 public:
  explicit PrometheusTelemetry(std::unique_ptr<GpuSource> gpus)
      : gpus_(std::move(gpus)),
        families_(registry_),
        decode_pool_(registry_),
        versions_(VersionMetrics::Create(registry_)),
        training_(TrainingMetrics::Create(registry_, gradients_)),
        credentials_(CredentialMetrics::Create(registry_)),
        gate_(GateMetrics::Create(registry_)),
        ready_(families_.ready.Add({})) {
    families_.build_info.Add({{"version", kVersion}}).Set(1);
  }

  ModelMetrics& ForModel(absl::string_view model) override
      ABSL_LOCKS_EXCLUDED(mutex_) {
    const std::string name(model);
    const MutexLock lock(mutex_);
    std::unique_ptr<ModelMetricsOf>& metrics = models_[name];
    if (metrics == nullptr) {
      metrics = std::make_unique<ModelMetricsOf>(families_, name);
    }
    return *metrics;
  }

  void RpcStarted(absl::string_view method) override {
    ForMethod(method).Started();
  }

  void RpcEnded(absl::string_view method, absl::StatusCode code,
                Duration duration, absl::string_view trace_id) override {
    MethodMetrics& metrics = ForMethod(method);
    metrics.Ended(code, duration);
    if (!trace_id.empty()) {
      traces_.Observe(metrics.name(), CodeName(CodeIndex(code)),
                      ToSeconds(duration), trace_id, RealClock().WallNow());
    }
  }

  DecodePoolMetrics& decode_pool() override { return decode_pool_; }

  VersionMetrics& versions() override { return *versions_; }

  TrainingMetrics& training() override { return *training_; }

  CredentialMetrics& credentials() override { return *credentials_; }

  GateMetrics& gate() override { return *gate_; }

  void SetReady(bool ready) override { ready_.Set(ready ? 1 : 0); }

  std::string Expose(ExpositionFormat format) const override {
    std::vector<prometheus::MetricFamily> families = registry_.Collect();
    const auto add = [&families](std::vector<prometheus::MetricFamily> more) {
      for (prometheus::MetricFamily& family : more) {
        families.push_back(std::move(family));
      }
    };
    add(gradients_.Collect());
    add(CollectProcessMetrics());
    if (gpus_ != nullptr) {
      add(CollectGpuMetrics(*gpus_));
    }
    Exemplars exemplars;
    traces_.AddTo(kRpcDurationSeconds.name, exemplars);
    return FormatMetrics(std::move(families), format, exemplars);
  }

 private:
  MethodMetrics& ForMethod(absl::string_view method)
      ABSL_LOCKS_EXCLUDED(mutex_) {
    std::string name(method);
    const MutexLock lock(mutex_);
    auto found = methods_.find(name);
    if (found == methods_.end()) {
      if (methods_.size() >= kMaxMethods) {
        name = "other";
      }
      found = methods_.try_emplace(name).first;
      if (found->second == nullptr) {
        found->second = std::make_unique<MethodMetrics>(families_, name);
      }
    }
    return *found->second;
  }

  const std::unique_ptr<GpuSource> gpus_;
  prometheus::Registry registry_;
  GradientMetrics gradients_;
  TraceExemplars traces_{DurationBuckets()};
  Families families_;
  DecodePoolMetricsOf decode_pool_;
  const std::unique_ptr<VersionMetrics> versions_;
  const std::unique_ptr<TrainingMetrics> training_;
  const std::unique_ptr<CredentialMetrics> credentials_;
  const std::unique_ptr<GateMetrics> gate_;
  Gauge& ready_;
  Mutex mutex_;
  // Values live as long as this object: handles of them are given away.
  std::map<std::string, std::unique_ptr<ModelMetricsOf>> models_
      ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::unique_ptr<MethodMetrics>> methods_
      ABSL_GUARDED_BY(mutex_);
};

class ForgetfulModelMetrics final : public ModelMetrics {
 public:
  void ObserveStage(Stage /*stage*/, Duration /*duration*/) override {}
  void ObserveBatch(std::size_t /*images*/, std::size_t /*most*/) override {}
  void CountBatchClosed(BatchClose /*reason*/) override {}
  void CountDeadlineMissed(Stage /*stage*/) override {}
  void CountImage(absl::StatusCode /*outcome*/) override {}
  void CountRejected(absl::string_view /*reason*/) override {}
  void SetQueue(std::size_t /*depth*/, std::size_t /*limit*/) override {}
};

}  // namespace

std::unique_ptr<Telemetry> Telemetry::Create() { return Create(nullptr); }

std::unique_ptr<Telemetry> Telemetry::Create(std::unique_ptr<GpuSource> gpus) {
  return std::make_unique<PrometheusTelemetry>(std::move(gpus));
}

ModelMetrics& NullModelMetrics() {
  static ForgetfulModelMetrics metrics;
  return metrics;
}

}  // namespace resnetd
