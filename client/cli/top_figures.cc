#include "client/cli/top_figures.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace resnetd::cli {
namespace {

using Labels = std::map<std::string, std::string>;
using Wanted = std::function<bool(const MetricSample& sample)>;

bool Any(const MetricSample& /*sample*/) { return true; }

// Only those with these labels among theirs.
Wanted With(Labels labels) {
  return [labels = std::move(labels)](const MetricSample& sample) {
    return std::all_of(labels.begin(), labels.end(), [&](const auto& label) {
      return sample.Label(label.first) == label.second;
    });
  };
}

// Two readings as what is there now, and what came in between.
class Course {
 public:
  Course(const TopReading& before, const TopReading& now)
      : now_(now.samples),
        seconds_(std::max(ToSeconds(now.at - before.at), 1e-9)) {
    for (const MetricSample& sample : before.samples) {
      before_[{sample.name, sample.labels}] = sample.value;
    }
  }

  double seconds() const { return seconds_; }

  // Of the gauges of this name; absent: there is none.
  std::optional<double> Gauge(const std::string& name,
                              const Wanted& wanted = Any) const {
    std::optional<double> sum;
    for (const MetricSample& sample : now_) {
      if (sample.name == name && wanted(sample)) {
        sum = sum.value_or(0) + sample.value;
      }
    }
    return sum;
  }

  double Increase(const std::string& name, const Wanted& wanted = Any) const {
    double sum = 0;
    for (const MetricSample& sample : now_) {
      if (sample.name == name && wanted(sample)) {
        sum += Increase(sample);
      }
    }
    return sum;
  }

  double Rate(const std::string& name, const Wanted& wanted = Any) const {
    return Increase(name, wanted) / seconds_;
  }

  // Of a histogram; absent: nothing was observed.
  std::optional<double> Mean(const std::string& name,
                             const Wanted& wanted = Any) const {
    const double count = Increase(name + "_count", wanted);
    return count > 0 ? std::optional(Increase(name + "_sum", wanted) / count)
                     : std::nullopt;
  }

  // Within its bucket as if values were spread evenly, as Prometheus does it.
  std::optional<double> Quantile(const std::string& name, double share,
                                 const Wanted& wanted) const;

  // The values of a label of the metric.
  std::set<std::string> Values(const std::string& name,
                               const std::string& label) const {
    std::set<std::string> values;
    for (const MetricSample& sample : now_) {
      if (sample.name == name) {
        values.insert(sample.Label(label));
      }
    }
    return values;
  }

  // The first one; null: there is none.
  const MetricSample* Find(const std::string& name,
                           const Wanted& wanted = Any) const {
    const auto found =
        std::find_if(now_.begin(), now_.end(), [&](const MetricSample& sample) {
          return sample.name == name && wanted(sample);
        });
    return found == now_.end() ? nullptr : &*found;
  }

 private:
  double Increase(const MetricSample& sample) const {
    const auto found = before_.find({sample.name, sample.labels});
    return found == before_.end() || sample.value < found->second
               ? sample.value
               : sample.value - found->second;
  }

  const MetricSamples& now_;
  const double seconds_;
  std::map<std::pair<std::string, Labels>, double> before_;
};

std::optional<double> Course::Quantile(const std::string& name, double share,
                                       const Wanted& wanted) const {
  // Upper bound to the count of all values up to it.
  std::map<double, double> buckets;
  for (const MetricSample& sample : now_) {
    double bound = 0;
    if (sample.name == name + "_bucket" && wanted(sample) &&
        absl::SimpleAtod(sample.Label("le"), &bound)) {
      buckets[bound] += Increase(sample);
    }
  }
  if (buckets.empty() || buckets.rbegin()->second <= 0) {
    return std::nullopt;
  }
  const double rank = share * buckets.rbegin()->second;
  double lower = 0;
  double below = 0;
  for (const auto& [bound, count] : buckets) {
    if (count >= rank) {
      return std::isinf(bound) || count <= below
                 ? lower
                 : lower + (bound - lower) * (rank - below) / (count - below);
    }
    lower = bound;
    below = count;
  }
  return lower;
}

TopModel ModelOf(const Course& course, const std::string& name) {
  const auto in_stage = [&](const char* stage) {
    return course.Mean("resnetd_stage_duration_seconds",
                       With({{"model", name}, {"stage", stage}}));
  };
  const Wanted of_model = With({{"model", name}});
  const double answered =
      course.Rate("resnetd_images_total", With({{"model", name}}));
  const double good = course.Rate("resnetd_images_total",
                                  With({{"model", name}, {"outcome", "OK"}}));
  return {
      .name = name,
      .images_per_second = good,
      .failed_per_second = answered - good,
      .refused_per_second = course.Rate("resnetd_rejected_total", of_model),
      .batch_images = course.Mean("resnetd_batch_size_images", of_model),
      .queue_seconds = in_stage("queue"),
      .forward_seconds = in_stage("forward"),
      .queue = course.Gauge("resnetd_queue_depth_images", of_model).value_or(0),
      .queue_limit =
          course.Gauge("resnetd_queue_limit_images", of_model).value_or(0)};
}

TopJob JobOf(const Course& course, const std::string& slot) {
  const Wanted in_slot = With({{"slot", slot}});
  const MetricSample* info = course.Find("resnetd_finetune_job_info", in_slot);
  const MetricSample* state =
      course.Find("resnetd_finetune_job_state", in_slot);
  return {
      .job = info == nullptr ? "" : info->Label("train_job"),
      .model = info == nullptr ? "" : info->Label("model"),
      .state = state == nullptr ? "" : state->Label("state"),
      .step = course.Gauge("resnetd_finetune_step", in_slot).value_or(0),
      .step_limit =
          course.Gauge("resnetd_finetune_step_limit", in_slot).value_or(0),
      .steps_per_second = course.Rate("resnetd_finetune_steps_total", in_slot),
      .pictures_per_second =
          course.Rate("resnetd_finetune_examples_total", in_slot),
      .loss = course.Gauge("resnetd_finetune_loss",
                           With({{"slot", slot}, {"split", "train"}}))};
}

// A call whose time says how fast the server answers. Streams last as long as
// their client wants.
bool IsAnswer(const MetricSample& sample) {
  const std::string method = sample.Label("method");
  return sample.Label("code") == "OK" &&
         (method == "Classify" || method == "Embed");
}

}  // namespace

TopFigures FiguresBetween(const TopReading& before, const TopReading& now) {
  const Course course(before, now);
  const MetricSample* build = course.Find("resnetd_build_info");
  const std::string duration = "resnetd_rpc_duration_seconds";
  TopFigures figures{
      .version = build == nullptr ? "" : build->Label("version"),
      .is_ready = course.Gauge("resnetd_ready").value_or(0) > 0,
      .seconds = course.seconds(),
      .calls_per_second = course.Rate("resnetd_rpc_requests_total"),
      .images_per_second =
          course.Rate("resnetd_images_total", With({{"outcome", "OK"}})),
      .refused_per_second = course.Rate("resnetd_rejected_total"),
      .p50_seconds = course.Quantile(duration, 0.5, IsAnswer),
      .p99_seconds = course.Quantile(duration, 0.99, IsAnswer),
      .batch_images = course.Mean("resnetd_batch_size_images"),
      .in_flight = course.Gauge("resnetd_rpc_in_flight").value_or(0),
      .queue = course.Gauge("resnetd_queue_depth_images").value_or(0),
      .cpu_cores = course.Rate("process_cpu_seconds_total"),
      .memory_bytes =
          course.Gauge("process_resident_memory_bytes").value_or(0)};
  for (const std::string& model :
       course.Values("resnetd_queue_limit_images", "model")) {
    figures.models.push_back(ModelOf(course, model));
  }
  for (const std::string& slot :
       course.Values("resnetd_finetune_job_info", "slot")) {
    figures.jobs.push_back(JobOf(course, slot));
  }
  return figures;
}

}  // namespace resnetd::cli
