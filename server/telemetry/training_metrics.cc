#include "server/telemetry/training_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>
#include <chrono>
#include <set>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/base/mutex.h"
#include "server/telemetry/gradient_metrics.h"
#include "server/telemetry/metric_family.h"
#include "server/telemetry/metric_names.h"

namespace resnetd {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;
using prometheus::Labels;

constexpr char kSlot[] = "0";
constexpr int kSlotNumber = 0;

// Made at once, as a rate over a series that has yet to appear misses its first
// event.
constexpr std::array<absl::string_view, 3> kEnds = {"SUCCEEDED", "FAILED",
                                                    "CANCELLED"};
constexpr std::array<absl::string_view, 4> kResults = {
    "promoted", "gate_not_passed", "failed", "rolled_back"};

constexpr std::array<absl::string_view, 10> kRejections = {
    "EMPTY",
    "UNSUPPORTED_FORMAT",
    "UNSUPPORTED_FEATURE",
    "TRUNCATED",
    "DECODE_FAILED",
    "ANIMATED",
    "TOO_LARGE",
    "LABEL_UNKNOWN",
    "DUPLICATE_CONFLICTING_LABEL",
    "LEAKED_ACROSS_SPLITS"};

constexpr std::array<absl::string_view, 6> kPhases = {
    "data", "compute", "forward", "backward", "optimizer", "probe"};

// From a network of 8x8 pixels to a large one on a few cores.
const Histogram::BucketBoundaries& StepBuckets() {
  static const Histogram::BucketBoundaries buckets = {
      0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
      0.1,    0.25,    0.5,    1,     2.5,    5,     10,   25,    60};
  return buckets;
}

double SecondsOf(WallTime time) {
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}

// Gauges of what is in the slot; they end together.
class SlotGauges {
 public:
  explicit SlotGauges(prometheus::Registry& registry) : registry_(registry) {}

  // The family is made on first use and stays, without series.
  void Set(const MetricSpec& spec, Labels labels, double value) {
    labels.emplace("slot", kSlot);
    Family<Gauge>& family = FamilyOf(spec);
    Gauge& gauge = family.Add(labels);
    gauge.Set(value);
    gauges_[&family].insert(&gauge);
  }

  void Clear(const MetricSpec& spec) {
    Family<Gauge>& family = FamilyOf(spec);
    for (Gauge* gauge : gauges_[&family]) {
      family.Remove(gauge);
    }
    gauges_.erase(&family);
  }

  void ClearAll() {
    for (const auto& [family, gauges] : gauges_) {
      for (Gauge* gauge : gauges) {
        family->Remove(gauge);
      }
    }
    gauges_.clear();
  }

 private:
  Family<Gauge>& FamilyOf(const MetricSpec& spec) {
    return RegisterFamily(prometheus::BuildGauge(), spec, registry_);
  }

  prometheus::Registry& registry_;
  std::map<Family<Gauge>*, std::set<Gauge*>> gauges_;
};

class PrometheusTrainingMetrics final : public TrainingMetrics {
 public:
  PrometheusTrainingMetrics(prometheus::Registry& registry,
                            GradientMetrics& gradients)
      : gradients_(gradients),
        gauges_(registry),
        jobs_(
            RegisterFamily(prometheus::BuildGauge(), kFinetuneJobs, registry)),
        slowdown_(RegisterFamily(prometheus::BuildGauge(),
                                 kServingSlowdownRatio, registry)),
        steps_(SlotCounter(kFinetuneStepsTotal, registry)),
        examples_(SlotCounter(kFinetuneExamplesTotal, registry)),
        checkpoints_(SlotCounter(kFinetuneCheckpointsTotal, registry)),
        recoveries_(SlotCounter(kFinetuneRecoveriesTotal, registry)),
        throttled_(SlotCounter(kFinetuneThrottledSecondsTotal, registry)),
        nonfinite_(SlotCounter(kFinetuneNonfiniteStepsTotal, registry)),
        clipped_(SlotCounter(kFinetuneClippedStepsTotal, registry)),
        probe_seconds_(SlotCounter(kFinetuneProbeSecondsTotal, registry)),
        step_seconds_(RegisterFamily(prometheus::BuildHistogram(),
                                     kFinetuneStepSeconds, registry)),
        rejected_(RegisterFamily(prometheus::BuildCounter(),
                                 kFinetuneExamplesRejectedTotal, registry)) {
    for (const absl::string_view code : kRejections) {
      rejected_.Add({{"code", std::string(code)}});
    }
    Family<Counter>& ends = RegisterFamily(prometheus::BuildCounter(),
                                           kFinetuneJobsTotal, registry);
    for (std::size_t i = 0; i < kEnds.size(); ++i) {
      ends_.at(i) = &ends.Add({{"state", std::string(kEnds.at(i))}});
    }
    Family<Counter>& results = RegisterFamily(
        prometheus::BuildCounter(), kFinetunePromotionsTotal, registry);
    for (std::size_t i = 0; i < kResults.size(); ++i) {
      results_.at(i) = &results.Add({{"result", std::string(kResults.at(i))}});
    }
  }

  void JobEntered(const TrainingJobLabels& labels) override
      ABSL_LOCKS_EXCLUDED(mutex_) {
    const MutexLock lock(mutex_);
    Empty();
    is_taken_ = true;
    gradients_.Enter(kSlotNumber);
    gauges_.Set(kFinetuneJobInfo,
                {{"train_job", labels.train_job},
                 {"model", labels.model},
                 {"base", labels.base},
                 {"config_hash", labels.config_hash}},
                1);
  }

  void SetState(absl::string_view state) override ABSL_LOCKS_EXCLUDED(mutex_) {
    const MutexLock lock(mutex_);
    if (is_taken_) {
      gauges_.Clear(kFinetuneJobState);
      gauges_.Set(kFinetuneJobState, {{"state", std::string(state)}}, 1);
    }
  }

  void SetSteps(std::int64_t step, std::int64_t total_steps) override
      ABSL_LOCKS_EXCLUDED(mutex_) {
    const MutexLock lock(mutex_);
    SetIfTaken(kFinetuneStep, {}, static_cast<double>(step));
    SetIfTaken(kFinetuneStepLimit, {}, static_cast<double>(total_steps));
  }

  void JobLeft() override ABSL_LOCKS_EXCLUDED(mutex_) {
    const MutexLock lock(mutex_);
    Empty();
  }

  void Stepped(const TrainingSteps& steps, WallTime when) override
      ABSL_LOCKS_EXCLUDED(mutex_) {
    steps_.Increment(static_cast<double>(steps.steps));
    examples_.Increment(static_cast<double>(steps.examples));
    const MutexLock lock(mutex_);
    SetIfTaken(kFinetuneLoss, {{"split", "train"}}, steps.loss);
    SetIfTaken(kFinetuneAccuracyRatio, {{"split", "train"}}, steps.accuracy);
    SetIfTaken(kFinetuneGradGlobalL2, {}, steps.gradient_norm);
    SetIfTaken(kFinetuneLearningRate, {{"group", "head"}}, steps.learning_rate);
    SetIfTaken(kFinetuneLastStepTimestampSeconds, {}, SecondsOf(when));
  }

  void Evaluated(const TrainingEvaluation& evaluation) override
      ABSL_LOCKS_EXCLUDED(mutex_) {
    const MutexLock lock(mutex_);
    SetIfTaken(kFinetuneLoss, {{"split", "validation"}}, evaluation.loss);
    SetIfTaken(kFinetuneAccuracyRatio, {{"split", "validation"}},
               evaluation.accuracy);
    SetIfTaken(kFinetuneCalibrationErrorRatio, {},
               evaluation.calibration_error);
    if (evaluation.old_class_accuracy) {
      SetIfTaken(kFinetuneOldClassAccuracyRatio, {},
                 *evaluation.old_class_accuracy);
    }
  }

  void CheckpointSaved(WallTime when) override ABSL_LOCKS_EXCLUDED(mutex_) {
    checkpoints_.Increment();
    const MutexLock lock(mutex_);
    SetIfTaken(kFinetuneCheckpointTimestampSeconds, {}, SecondsOf(when));
  }

  void Recovered() override { recoveries_.Increment(); }

  void GradientSampled(GradientFigures figures) override {
    gradients_.Set(kSlotNumber, std::move(figures));
  }

  void SetAlarms(std::set<std::string> raised) override {
    gradients_.SetAlarms(kSlotNumber, std::move(raised));
  }

  void StepTimed(StepPhase phase, Duration took) override {
    // Not made at once: not every trainer tells all of them.
    const auto name = kPhases.at(static_cast<std::size_t>(phase));
    step_seconds_
        .Add({{"phase", std::string(name)}, {"slot", kSlot}}, StepBuckets())
        .Observe(ToSeconds(took));
    if (phase == StepPhase::kProbe) {
      probe_seconds_.Increment(ToSeconds(took));
    }
  }

  void StepNotFinite() override { nonfinite_.Increment(); }

  void StepClipped() override { clipped_.Increment(); }

  void Paced(double duty, Duration rested,
             std::optional<double> slowdown) override
      ABSL_LOCKS_EXCLUDED(mutex_) {
    throttled_.Increment(ToSeconds(rested));
    const MutexLock lock(mutex_);
    SetIfTaken(kFinetuneDutyRatio, {}, duty);
    if (is_taken_ && slowdown) {
      // The same one as before: a scrape never finds it missing in between.
      slowdown_now_ = &slowdown_.Add({});
      slowdown_now_->Set(*slowdown);
    } else {
      ForgetSlowdown();
    }
  }

  void ExampleRejected(absl::string_view code) override {
    rejected_.Add({{"code", std::string(code)}}).Increment();
  }

  void JobEnded(absl::string_view state) override {
    for (std::size_t i = 0; i < kEnds.size(); ++i) {
      if (kEnds.at(i) == state) {
        ends_.at(i)->Increment();
      }
    }
  }

  void PromotionEnded(PromotionResult result) override {
    results_.at(static_cast<std::size_t>(result))->Increment();
  }

  void SetJobs(const std::map<std::string, std::size_t>& by_state) override
      ABSL_LOCKS_EXCLUDED(mutex_) {
    const MutexLock lock(mutex_);
    for (const auto& [state, gauge] : by_state_) {
      gauge->Set(0);
    }
    for (const auto& [state, count] : by_state) {
      Gauge*& gauge = by_state_[state];
      if (gauge == nullptr) {
        gauge = &jobs_.Add({{"state", state}});
      }
      gauge->Set(static_cast<double>(count));
    }
  }

 private:
  static Counter& SlotCounter(const MetricSpec& spec,
                              prometheus::Registry& registry) {
    return RegisterFamily(prometheus::BuildCounter(), spec, registry)
        .Add({{"slot", kSlot}});
  }

  void SetIfTaken(const MetricSpec& spec, const Labels& labels, double value)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (is_taken_) {
      gauges_.Set(spec, labels, value);
    }
  }
  void ForgetSlowdown() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (slowdown_now_ != nullptr) {
      slowdown_.Remove(std::exchange(slowdown_now_, nullptr));
    }
  }
  void Empty() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    is_taken_ = false;
    gauges_.ClearAll();
    gradients_.Leave(kSlotNumber);
    ForgetSlowdown();
  }

  GradientMetrics& gradients_;
  Mutex mutex_;
  bool is_taken_ ABSL_GUARDED_BY(mutex_) = false;
  SlotGauges gauges_ ABSL_GUARDED_BY(mutex_);
  Family<Gauge>& jobs_;
  Family<Gauge>& slowdown_;
  Gauge* slowdown_now_ ABSL_GUARDED_BY(mutex_) = nullptr;
  // Every state that was ever told: there are a dozen.
  std::map<std::string, Gauge*> by_state_ ABSL_GUARDED_BY(mutex_);
  Counter& steps_;
  Counter& examples_;
  Counter& checkpoints_;
  Counter& recoveries_;
  Counter& throttled_;
  Counter& nonfinite_;
  Counter& clipped_;
  Counter& probe_seconds_;
  Family<Histogram>& step_seconds_;
  Family<Counter>& rejected_;
  std::array<Counter*, kEnds.size()> ends_{};
  std::array<Counter*, kResults.size()> results_{};
};

class ForgetfulTrainingMetrics final : public TrainingMetrics {
 public:
  void JobEntered(const TrainingJobLabels& /*labels*/) override {}
  void SetState(absl::string_view /*state*/) override {}
  void SetSteps(std::int64_t /*step*/, std::int64_t /*total_steps*/) override {}
  void JobLeft() override {}
  void Stepped(const TrainingSteps& /*steps*/, WallTime /*when*/) override {}
  void Evaluated(const TrainingEvaluation& /*evaluation*/) override {}
  void CheckpointSaved(WallTime /*when*/) override {}
  void Recovered() override {}
  void GradientSampled(GradientFigures /*figures*/) override {}
  void SetAlarms(std::set<std::string> /*raised*/) override {}
  void StepTimed(StepPhase /*phase*/, Duration /*took*/) override {}
  void StepNotFinite() override {}
  void StepClipped() override {}
  void Paced(double /*duty*/, Duration /*rested*/,
             std::optional<double> /*slowdown*/) override {}
  void ExampleRejected(absl::string_view /*code*/) override {}
  void JobEnded(absl::string_view /*state*/) override {}
  void PromotionEnded(PromotionResult /*result*/) override {}
  void SetJobs(
      const std::map<std::string, std::size_t>& /*by_state*/) override {}
};

}  // namespace

std::unique_ptr<TrainingMetrics> TrainingMetrics::Create(
    prometheus::Registry& registry, GradientMetrics& gradients) {
  return std::make_unique<PrometheusTrainingMetrics>(registry, gradients);
}

TrainingMetrics& NullTrainingMetrics() {
  static ForgetfulTrainingMetrics metrics;
  return metrics;
}

}  // namespace resnetd
