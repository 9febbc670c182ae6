// The conditions of alarm_rules.h over samples.
#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/finetune/alarm_rules.h"

namespace resnetd {
namespace {

namespace limits = alarm_limits;

constexpr int kMedianMask = (1 << limits::kMedianSamples) - 1;

// Remembers whether a value was beyond a bound.
int Shift(int bits, bool is_beyond) {
  return ((bits << 1) | static_cast<int>(is_beyond)) & kMedianMask;
}

// Whether the median of kMedianSamples values is beyond the bound: more than
// half of them are.
bool IsMedianBeyond(int bits, int known) {
  return known >= limits::kMedianSamples &&
         2 * std::popcount(static_cast<unsigned>(bits)) >
             limits::kMedianSamples;
}

int Count(int known) { return std::min(known + 1, limits::kMedianSamples); }

// nullopt: there are no weights that it could be a share of.
std::optional<double> UpdateRatio(const ParameterNorms& norms) {
  if (norms.weights == 0) {
    return std::nullopt;
  }
  return norms.update / norms.weights;
}

AlarmFinding JudgeVanishing(const std::optional<double>& ratio,
                            SampleHistory& history) {
  const bool is_low = ratio && *ratio < limits::kLeastDepthRatio;
  history.depth_low = is_low ? history.depth_low + 1 : 0;
  AlarmFinding found{.rule = AlarmRule::kVanishing};
  if (history.depth_low >= limits::kVanishingSamples) {
    found.is_bad = true;
    found.value = ratio;
    found.bound = limits::kLeastDepthRatio;
    found.text = absl::StrFormat(
        "the gradient at the first block is %.3g of that at the last one for "
        "%d samples: layers near the input hardly learn",
        *ratio, limits::kVanishingSamples);
  }
  return found;
}

AlarmFinding JudgeDepthHigh(const std::optional<double>& ratio,
                            SampleHistory& history) {
  const bool is_high = ratio && !(*ratio <= limits::kMostDepthRatio);
  history.depth_high = is_high ? history.depth_high + 1 : 0;
  AlarmFinding found{.rule = AlarmRule::kDepthHigh};
  if (history.depth_high >= limits::kDepthHighSamples) {
    found.is_bad = true;
    found.value = ratio;
    found.bound = limits::kMostDepthRatio;
    found.text = absl::StrFormat(
        "the gradient at the first block is %.3g times that at the last one "
        "for %d samples",
        *ratio, limits::kDepthHighSamples);
  }
  return found;
}

AlarmFinding JudgeHugeUpdate(const GradientSample& sample) {
  AlarmFinding found{.rule = AlarmRule::kUpdateHuge};
  const auto look = [&found](const ParameterNorms& norms,
                             std::optional<std::size_t> block) {
    const std::optional<double> ratio = UpdateRatio(norms);
    if (ratio && !(*ratio <= limits::kMostUpdate) &&
        !(found.value && *found.value >= *ratio)) {
      found.is_bad = true;
      found.value = ratio;
      found.bound = limits::kMostUpdate;
      found.block = block;
      found.text = absl::StrFormat(
          "a step changed weights by %.3g times their size", *ratio);
    }
  };
  look(sample.all, std::nullopt);
  for (std::size_t i = 0; i < sample.blocks.size(); ++i) {
    if (sample.blocks[i].parameters) {
      look(*sample.blocks[i].parameters, i);
    }
  }
  return found;
}

void RememberFrozen(const BlockSample& block, bool is_judged,
                    BlockHistory& history) {
  if (!block.parameters) {
    history.frozen_bits = 0;
    history.frozen_known = 0;
    return;
  }
  const std::optional<double> ratio = UpdateRatio(*block.parameters);
  if (ratio && is_judged) {
    history.frozen_bits =
        Shift(history.frozen_bits, *ratio < limits::kFrozenUpdate);
    history.frozen_known = Count(history.frozen_known);
  }
}

AlarmFinding JudgeFrozen(const GradientSample& sample, bool is_judged,
                         SampleHistory& history) {
  AlarmFinding found{.rule = AlarmRule::kFrozenUpdates};
  for (std::size_t i = 0; i < sample.blocks.size(); ++i) {
    BlockHistory& block = history.blocks[i];
    RememberFrozen(sample.blocks[i], is_judged, block);
    if (!found.is_bad &&
        IsMedianBeyond(block.frozen_bits, block.frozen_known)) {
      found.is_bad = true;
      found.value = UpdateRatio(*sample.blocks[i].parameters);
      found.bound = limits::kFrozenUpdate;
      found.block = i;
      found.text = absl::StrFormat(
          "steps change the weights by less than %g of their size, under the "
          "precision of a float: they stay as they are",
          limits::kFrozenUpdate);
    }
  }
  return found;
}

AlarmFinding JudgeRate(const GradientSample& sample, bool is_judged,
                       SampleHistory& history) {
  const std::optional<double> ratio = UpdateRatio(sample.all);
  if (ratio && is_judged) {
    history.rate_low_bits =
        Shift(history.rate_low_bits, *ratio < limits::kLeastUpdate);
    history.rate_high_bits =
        Shift(history.rate_high_bits, *ratio > limits::kSuspectUpdate);
    history.rate_known = Count(history.rate_known);
  }
  const bool is_low = IsMedianBeyond(history.rate_low_bits, history.rate_known);
  const bool is_high =
      IsMedianBeyond(history.rate_high_bits, history.rate_known);
  AlarmFinding found{.rule = AlarmRule::kLearningRate,
                     .is_bad = is_low || is_high};
  if (found.is_bad) {
    found.value = ratio;
    found.bound = is_low ? limits::kLeastUpdate : limits::kSuspectUpdate;
    found.text = absl::StrFormat(
        "steps change the weights by %s than %g of their size: the learning "
        "rate may be too %s",
        is_low ? "less" : "more", *found.bound, is_low ? "low" : "high");
  }
  return found;
}

// A block where all comes back by the shortcut and nothing moves its weights.
bool IsDead(const BlockSample& block) {
  if (!block.paths) {
    return false;
  }
  const std::optional<double> share = MainShare(*block.paths);
  return share && *share < limits::kDeadShare && block.main_weights == 0;
}

AlarmFinding JudgeDead(const GradientSample& sample, SampleHistory& history) {
  AlarmFinding found{.rule = AlarmRule::kDeadBlock};
  for (std::size_t i = 0; i < sample.blocks.size(); ++i) {
    int& dead = history.blocks[i].dead;
    dead = IsDead(sample.blocks[i]) ? dead + 1 : 0;
    if (!found.is_bad && dead >= limits::kDeadSamples) {
      found.is_bad = true;
      found.value = 0;
      found.block = i;
      found.text = absl::StrCat("no gradient reached the main path for ",
                                limits::kDeadSamples,
                                " samples: all of it takes the shortcut");
    }
  }
  return found;
}

}  // namespace

std::vector<AlarmFinding> JudgeSample(const AlarmFacts& facts,
                                      const GradientSample& sample,
                                      double rate_share,
                                      SampleHistory& history) {
  ++history.seen;
  const bool is_warm =
      history.seen > limits::kWarmUpSamples ||
      static_cast<double>(sample.step) >=
          limits::kWarmUpShare * static_cast<double>(facts.total_steps);
  if (!is_warm) {
    return {};
  }
  if (history.blocks.size() != sample.blocks.size()) {
    history.blocks.assign(sample.blocks.size(), BlockHistory());
  }
  const bool is_judged = rate_share >= limits::kJudgedRateShare;
  const std::optional<double> depth = DepthRatio(sample);
  return {
      JudgeDepthHigh(depth, history),          JudgeHugeUpdate(sample),
      JudgeFrozen(sample, is_judged, history), JudgeVanishing(depth, history),
      JudgeRate(sample, is_judged, history),   JudgeDead(sample, history)};
}

std::optional<AlarmFinding> JudgeNoise(const GradientSample& sample,
                                       const LossHistory& loss,
                                       NoiseHistory& history) {
  if (!sample.noise) {
    return std::nullopt;
  }
  // The mean of what there is, until it is a running one.
  const double weight =
      std::max(1.0 / static_cast<double>(++history.seen), limits::kNoiseWeight);
  history.signal += weight * (sample.noise->signal - history.signal);
  history.noise += weight * (sample.noise->noise - history.noise);
  if (history.signal > 0 && history.noise > 0) {
    history.scale = history.noise / history.signal;
  }
  if (history.seen % limits::kNoiseWindow != 0) {
    return std::nullopt;
  }
  history.windows = history.signal <= 0 ? history.windows + 1 : 0;
  AlarmFinding found{.rule = AlarmRule::kNoise};
  const bool is_learning =
      loss.first && !loss.last.empty() &&
      loss.last.back() <= limits::kNoiseLossShare * *loss.first;
  if (history.windows >= limits::kNoiseWindows && !is_learning) {
    found.is_bad = true;
    found.value = history.signal;
    found.bound = 0;
    found.text = absl::StrCat(
        "the gradient cannot be told from noise",
        history.scale
            ? absl::StrFormat(": batches of %.0f examples and more would help",
                              std::ceil(*history.scale))
            : ": larger batches would help");
  }
  return found;
}

}  // namespace resnetd
