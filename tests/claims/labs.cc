#include "tests/claims/labs.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numbers>

#include "server/finetune/gradient_sample.h"

namespace resnetd {
namespace {

constexpr double kWeightDecay = 1e-4;
constexpr int kNoiseParts = 8;

}  // namespace

OptimizerSettings LabOptimizer() { return {.weight_decay = kWeightDecay}; }

GradientLab NewLab(const LabSpec& spec, at::ScalarType type,
                   const OptimizerSettings& optimizer) {
  const Network network = LabNetwork(spec, kDigitClasses);
  return GradientLab(spec, network, LabWeights(spec, network),
                     DigitPreprocess(), optimizer, type);
}

double FirstDepthRatio(const LabSpec& spec, const Digits& digits) {
  DigitBatches batches(digits, kLabBatch,
                       static_cast<std::uint64_t>(spec.seed) + 1);
  GradientLab lab = NewLab(spec, at::kDouble);
  return DepthRatio(lab.Look(batches.Next()).sample)
      .value_or(std::numeric_limits<double>::infinity());
}

std::vector<double> FirstSnr(const LabSpec& spec, const Digits& digits,
                             int rounds) {
  DigitBatches batches(digits, kLabBatch,
                       static_cast<std::uint64_t>(spec.seed) + 1);
  GradientLab lab = NewLab(spec);
  std::vector<GradientNoise> sums;
  for (int round = 0; round < rounds; ++round) {
    std::vector<TrainingBatch> parts;
    for (int part = 0; part < kNoiseParts; ++part) {
      parts.push_back(batches.Next());
    }
    const std::vector<GradientNoise> noise = lab.NoiseByDepth(parts);
    sums.resize(noise.size());
    for (std::size_t place = 0; place < noise.size(); ++place) {
      sums[place].signal += noise[place].signal;
      sums[place].noise += noise[place].noise;
    }
  }
  std::vector<double> ratios;
  for (const GradientNoise& sum : sums) {
    ratios.push_back(sum.signal * kLabBatch / sum.noise);
  }
  return ratios;
}

TrainingCurve TrainDigits(GradientLab& lab, const Digits& digits, int epochs,
                          double rate, std::uint64_t seed) {
  DigitBatches batches(digits, kLabBatch, seed);
  const int per_epoch = batches.per_epoch();
  const int steps = epochs * per_epoch;
  TrainingCurve curve;
  for (int step = 0; step < steps; ++step) {
    const double done = static_cast<double>(step) / steps;
    const double now = rate * (1 + std::cos(std::numbers::pi * done)) / 2;
    const LabStep report = lab.Train(batches.Next(), now);
    curve.losses.push_back(report.loss);
    if (!report.is_finite) {
      curve.is_finite = false;
      return curve;
    }
    if (step >= steps - per_epoch) {
      curve.last_loss += report.loss / per_epoch;
    }
  }
  curve.accuracy = HeldOutAccuracy(lab, digits);
  return curve;
}

double HeldOutAccuracy(GradientLab& lab, const Digits& digits) {
  const TrainingBatch batch = BatchOf(digits, digits.held_out);
  const at::Tensor best = lab.Logits(batch.pictures).argmax(1).contiguous();
  const auto* classes = best.const_data_ptr<std::int64_t>();
  int correct = 0;
  for (std::size_t i = 0; i < batch.labels.size(); ++i) {
    correct += classes[i] == batch.labels[i] ? 1 : 0;
  }
  return correct / static_cast<double>(batch.labels.size());
}

}  // namespace resnetd
