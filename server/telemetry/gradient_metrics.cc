#include "server/telemetry/gradient_metrics.h"

#include <prometheus/client_metric.h>

#include <array>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/telemetry/metric_family.h"
#include "server/telemetry/metric_names.h"

namespace resnetd {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;

// There from the beginning of a job, quiet: an alert on a series that has yet
// to appear could not tell quiet from unknown.
constexpr std::array<absl::string_view, 11> kAlarmKinds = {
    "NONFINITE",    "FROZEN_UPDATES", "VANISHING",    "EXPLODING",
    "LR_SUSPECT",   "DEAD_BLOCK",     "SNR_COLLAPSE", "LOSS_DIVERGED",
    "NOT_LEARNING", "FORGETTING",     "OVERFIT"};

struct BlockGauge {
  MetricSpec spec;
  std::optional<double> BlockGradientFigures::*figure;
};

constexpr std::array<BlockGauge, 9> kBlockGauges = {{
    {kFinetuneBlockGradShortcutL2, &BlockGradientFigures::shortcut_norm},
    {kFinetuneBlockGradMainL2, &BlockGradientFigures::main_norm},
    {kFinetuneBlockGradInputL2, &BlockGradientFigures::input_norm},
    {kFinetuneBlockGradMainShareRatio, &BlockGradientFigures::main_share},
    {kFinetuneBlockGradPathCosine, &BlockGradientFigures::path_cosine},
    {kFinetuneBlockWeightGradL2, &BlockGradientFigures::weight_gradient_norm},
    {kFinetuneBlockUpdateRatio, &BlockGradientFigures::update_ratio},
    {kFinetuneBlockSnrRatio, &BlockGradientFigures::snr},
    {kFinetuneBlockResidualRatio, &BlockGradientFigures::residual_ratio},
}};

void AddGauge(std::vector<ClientMetric::Label> labels, double value,
              MetricFamily& family) {
  ClientMetric metric;
  metric.label = std::move(labels);
  metric.gauge.value = value;
  family.metric.push_back(std::move(metric));
}

// Fills the families of one scrape.
class Families {
 public:
  Families() {
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      blocks_.at(i) = GaugeFamily(kBlockGauges.at(i).spec);
    }
  }

  void AddAlarms(const std::string& slot, const std::set<std::string>& raised) {
    std::set<std::string> kinds(kAlarmKinds.begin(), kAlarmKinds.end());
    kinds.insert(raised.begin(), raised.end());
    for (const std::string& kind : kinds) {
      AddGauge({{"kind", kind}, {"slot", slot}},
               static_cast<double>(raised.count(kind)), alarms_);
    }
  }

  void AddFigures(const std::string& slot, const GradientFigures& figures) {
    const std::vector<std::size_t> shown = ShownBlocks(figures.blocks.size());
    AddOfSlot(slot, static_cast<double>(figures.blocks.size() - shown.size()),
              omitted_);
    AddOfSlot(slot, figures.depth_ratio, depth_ratio_);
    AddOfSlot(slot, figures.noise_scale, noise_scale_);
    for (const std::size_t index : shown) {
      AddBlock(slot, figures.blocks.at(index));
    }
  }

  std::vector<MetricFamily> Take() && {
    std::vector<MetricFamily> families(std::make_move_iterator(blocks_.begin()),
                                       std::make_move_iterator(blocks_.end()));
    for (MetricFamily* family :
         {&omitted_, &depth_ratio_, &noise_scale_, &alarms_}) {
      families.push_back(std::move(*family));
    }
    return families;
  }

 private:
  static void AddOfSlot(const std::string& slot, std::optional<double> value,
                        MetricFamily& family) {
    if (value) {
      AddGauge({{"slot", slot}}, *value, family);
    }
  }
  void AddBlock(const std::string& slot, const BlockGradientFigures& block) {
    for (std::size_t i = 0; i < kBlockGauges.size(); ++i) {
      if (const std::optional<double> value =
              block.*kBlockGauges.at(i).figure) {
        AddGauge({{"block", block.block}, {"slot", slot}}, *value,
                 blocks_.at(i));
      }
    }
  }

  std::array<MetricFamily, kBlockGauges.size()> blocks_;
  MetricFamily omitted_ = GaugeFamily(kFinetuneBlocksOmitted);
  MetricFamily depth_ratio_ = GaugeFamily(kFinetuneGradDepthRatio);
  MetricFamily noise_scale_ = GaugeFamily(kFinetuneGradNoiseScaleExamples);
  MetricFamily alarms_ = GaugeFamily(kFinetuneAlarm);
};

}  // namespace

std::vector<std::size_t> ShownBlocks(std::size_t blocks) {
  std::vector<std::size_t> shown;
  if (blocks <= kMostShownBlocks) {
    for (std::size_t i = 0; i < blocks; ++i) {
      shown.push_back(i);
    }
    return shown;
  }
  constexpr std::size_t kSteps = kMostShownBlocks - 1;
  for (std::size_t i = 0; i <= kSteps; ++i) {
    // Rounded; strictly increasing, as there are more blocks than steps.
    shown.push_back((i * (blocks - 1) + kSteps / 2) / kSteps);
  }
  return shown;
}

void GradientMetrics::Set(int slot, GradientFigures figures) {
  auto snapshot = std::make_shared<const GradientFigures>(std::move(figures));
  const MutexLock lock(mutex_);
  const auto found = slots_.find(slot);
  if (found != slots_.end()) {
    // What was there is destroyed with `snapshot`, after the lock.
    found->second.figures.swap(snapshot);
  }
}

void GradientMetrics::Enter(int slot) {
  const MutexLock lock(mutex_);
  slots_[slot] = {};
}

void GradientMetrics::SetAlarms(int slot, std::set<std::string> raised) {
  const MutexLock lock(mutex_);
  const auto found = slots_.find(slot);
  if (found != slots_.end()) {
    found->second.raised = std::move(raised);
  }
}

void GradientMetrics::Leave(int slot) {
  const MutexLock lock(mutex_);
  slots_.erase(slot);
}

std::vector<MetricFamily> GradientMetrics::Collect() const {
  std::map<int, Slot> slots;
  {
    const MutexLock lock(mutex_);
    slots = slots_;
  }
  Families families;
  for (const auto& [number, slot] : slots) {
    const std::string name = absl::StrCat(number);
    families.AddAlarms(name, slot.raised);
    if (slot.figures != nullptr) {
      families.AddFigures(name, *slot.figures);
    }
  }
  return std::move(families).Take();
}

}  // namespace resnetd
