#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "server/finetune/alarm.h"
#include "server/finetune/gradient_sample.h"

namespace resnetd {

// When alarms are raised: conditions over plain numbers, each with what it
// remembers. Nothing here knows of actions, of hysteresis, or of tensors.

// One condition. A kind of alarm has one or several.
enum class AlarmRule {
  // Of steps.
  kFinite = 0,
  kLossRunaway,
  kLossOverBest,
  kNormJump,
  // Of samples.
  kDepthHigh,
  kUpdateHuge,
  kFrozenUpdates,
  kVanishing,
  kLearningRate,
  kDeadBlock,
  kNoise,
  // Of evaluations.
  kNotLearning,
  kForgetting,
  kOverfit,
};
inline constexpr std::size_t kAlarmRules = 14;

AlarmKind KindOf(AlarmRule rule);
// Good judgements in a row after which it does not hold the alarm any more.
int GoodNeeded(AlarmRule rule);

namespace alarm_limits {
// Samples before they are judged, unless kWarmUpShare of the steps is over.
inline constexpr int kWarmUpSamples = 20;
inline constexpr double kWarmUpShare = 0.05;

// Half an ulp of a float, 2^-24: the update changes no bit of the weight.
inline constexpr double kFrozenUpdate = 6e-8;
// Samples that a median is taken of.
inline constexpr int kMedianSamples = 10;
// Healthy residual networks of 20 to 110 layers have 0.46 to 146.
inline constexpr double kLeastDepthRatio = 1e-3;
inline constexpr double kMostDepthRatio = 1e3;
inline constexpr int kVanishingSamples = 10;
// One odd batch is none.
inline constexpr int kDepthHighSamples = 3;
// A step as large as the weights.
inline constexpr double kMostUpdate = 1;
inline constexpr double kNormJump = 20;
inline constexpr std::size_t kNormWindow = 200;
// Norms that a median says something of.
inline constexpr std::size_t kLeastNorms = 50;
inline constexpr int kNormSteps = 3;
// 1e-3 and two decades to either side.
inline constexpr double kLeastUpdate = 1e-5;
inline constexpr double kSuspectUpdate = 1e-1;
// Rates below this share of the highest one of their schedule are small by
// design, and say nothing of it.
inline constexpr double kJudgedRateShare = 0.5;
inline constexpr double kDeadShare = 1e-6;
inline constexpr int kDeadSamples = 20;
// Samples with noise after which the mean is looked at.
inline constexpr int kNoiseWindow = 5;
inline constexpr int kNoiseWindows = 3;
// Of the newest in the running means of signal and noise.
inline constexpr double kNoiseWeight = 0.1;
inline constexpr double kNoiseLossShare = 0.5;

// Of the last losses; a bad batch moves no median.
inline constexpr std::size_t kLossWindow = 10;
inline constexpr double kLossGrowth = 4;
inline constexpr double kLossOverGuessing = 2;
inline constexpr double kLossOverBest = 2;
inline constexpr int kOverBestSteps = 50;

inline constexpr double kNotLearningShare = 0.3;
inline constexpr double kForgotten = 0.02;
inline constexpr double kOverfitGap = 0.2;
inline constexpr int kOverfitEvaluations = 3;
}  // namespace alarm_limits

// What a rule says of one step, sample or evaluation.
struct AlarmFinding {
  AlarmRule rule = AlarmRule::kFinite;
  bool is_bad = false;
  std::optional<double> value = std::nullopt;
  std::optional<double> bound = std::nullopt;
  // Of the network; nullopt: it is about no single block.
  std::optional<std::size_t> block = std::nullopt;
  std::string text = {};
};

// What the rules know of the job. Never changes.
struct AlarmFacts {
  // >= 2.
  int classes = 2;
  std::int64_t total_steps = 0;
  // Share of the validation examples of the class that has most: what always
  // guessing it reaches.
  double majority_share = 0;
};

// --- Of steps ---

struct StepFacts {
  // Counted from 1: this step.
  std::int64_t step = 0;
  // Of the recipe, from 0 on: what is trained may change with it.
  int phase = 0;
  double loss = 0;
  double gradient_norm = 0;
  bool is_finite = true;
  int correct = 0;
  int examples = 0;
};

struct LossHistory {
  // The last kLossWindow, oldest first.
  std::vector<double> last;
  // Medians: of the first window, and the least one.
  std::optional<double> first;
  std::optional<double> best;
  // Steps, and those in a row that were over the best one.
  std::int64_t seen = 0;
  int over_best = 0;

  friend bool operator==(const LossHistory&, const LossHistory&) = default;
};
struct NormHistory {
  int phase = 0;
  // The last kNormWindow of the phase, oldest first.
  std::vector<double> last;
  // Median of the first kLeastNorms.
  std::optional<double> first;
  int jumps = 0;

  friend bool operator==(const NormHistory&, const NormHistory&) = default;
};

// Adds a step that is finite.
//
// Runaway: the median of the last kLossWindow losses is over kLossGrowth times
// that of the first ones, and over kLossOverGuessing times the loss of
// guessing. Over best: kOverBestSteps losses in a row are over kLossOverBest
// times the least median, and over the loss of guessing: after 0.001 a loss of
// 0.003 is no disaster.
std::vector<AlarmFinding> JudgeLoss(const AlarmFacts& facts,
                                    const StepFacts& step,
                                    LossHistory& history);
// The norm is over kNormJump times the median of the last ones for kNormSteps
// steps in a row, and over that of the first ones: where training has come to
// its end single pictures make great differences to next to nothing.
AlarmFinding JudgeNorm(const StepFacts& step, NormHistory& history);

// --- Of samples ---

struct BlockHistory {
  // Bit n: the update of the n-th last sample was under kFrozenUpdate; so many
  // are known, kMedianSamples at most.
  int frozen_bits = 0;
  int frozen_known = 0;
  // Samples in a row in which nothing reached its weights.
  int dead = 0;

  friend bool operator==(const BlockHistory&, const BlockHistory&) = default;
};
struct SampleHistory {
  // Samples so far.
  std::int64_t seen = 0;
  int depth_low = 0;
  int depth_high = 0;
  std::vector<BlockHistory> blocks;
  // As frozen_bits: under kLeastUpdate, over kSuspectUpdate.
  int rate_low_bits = 0;
  int rate_high_bits = 0;
  int rate_known = 0;

  friend bool operator==(const SampleHistory&, const SampleHistory&) = default;
};
struct NoiseHistory {
  // Running means, each alone: their quotient is taken of the means.
  double signal = 0;
  double noise = 0;
  std::int64_t seen = 0;
  // Windows in a row whose signal was not above 0.
  int windows = 0;
  // The last noise scale that could be told, examples.
  std::optional<double> scale;

  friend bool operator==(const NoiseHistory&, const NoiseHistory&) = default;
};

// `rate_share`: of the learning rate at that step in the highest one of its
// schedule. Nothing is found before the warm-up is over.
std::vector<AlarmFinding> JudgeSample(const AlarmFacts& facts,
                                      const GradientSample& sample,
                                      double rate_share,
                                      SampleHistory& history);
// nullopt: no window is full. `loss`: of the steps so far.
std::optional<AlarmFinding> JudgeNoise(const GradientSample& sample,
                                       const LossHistory& loss,
                                       NoiseHistory& history);

// --- Of evaluations ---

struct EvaluationHistory {
  // Of the steps since the last evaluation.
  std::int64_t correct = 0;
  std::int64_t examples = 0;
  std::optional<double> loss;
  // Evaluations in a row with a loss that rose.
  int rising = 0;
  std::optional<double> best_old_accuracy;

  friend bool operator==(const EvaluationHistory&,
                         const EvaluationHistory&) = default;
};

struct EvaluationFacts {
  std::int64_t step = 0;
  std::int64_t examples = 0;
  double loss = 0;
  double accuracy = 0;
  std::optional<double> old_class_accuracy;
};

// Forgetting: also more than twice the standard error of so many examples,
// since one picture of 50 is two points already.
std::vector<AlarmFinding> JudgeEvaluation(const AlarmFacts& facts,
                                          const EvaluationFacts& evaluation,
                                          EvaluationHistory& history);

}  // namespace resnetd
