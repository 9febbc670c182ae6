#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace resnetd {

// Bins of confidence, equally wide, for the calibration error.
inline constexpr int kCalibrationBins = 15;

// What a model said about a set of examples: logits of example i at
// [i * classes, (i + 1) * classes). A view.
struct LogitsView {
  absl::Span<const float> values;
  int classes = 0;
  // Logits are divided by it before the softmax; > 0.
  double temperature = 1;
};

struct ClassResult {
  std::int64_t examples = 0;
  std::int64_t correct = 0;
  // correct / examples; 0 without examples.
  double recall = 0;
  // Examples that were taken for this class, `correct` of them rightly.
  std::int64_t predicted = 0;
  // correct / predicted; 0 when nothing was taken for it.
  double precision = 0;
};

// Examples of one class that were taken for another, or for itself.
struct ConfusionCell {
  int label = 0;
  int predicted = 0;
  std::int64_t examples = 0;
};

// How good a model is on labelled examples. The best class is the one with the
// largest logit, the first of equals. An example with a logit that is not
// finite counts as wrong, has no place in the confusion, and is left out of
// loss, confidence and calibration error.
struct EvaluationReport {
  std::int64_t examples = 0;
  std::int64_t correct = 0;
  double accuracy = 0;
  // The label is among the five best classes.
  double top5_accuracy = 0;
  // Mean cross entropy, at the temperature.
  double loss = 0;
  double temperature = 1;
  // Mean probability of the best class, at the temperature.
  double mean_confidence = 0;
  // Expected calibration error, at the temperature.
  double calibration_error = 0;
  std::int64_t nonfinite_examples = 0;
  // One per class.
  std::vector<ClassResult> per_class;
  // Those that are not 0, by label, then by predicted class.
  std::vector<ConfusionCell> confusion;
};

// The best class of every example, or -1 where a logit is not finite.
std::vector<int> BestClasses(const LogitsView& logits);

// At most `limit` cells of `confusion` whose classes differ, the largest first,
// equal ones in its order.
std::vector<ConfusionCell> MostConfused(
    absl::Span<const ConfusionCell> confusion, std::size_t limit);

// A label that leaves its example out of what is measured.
inline constexpr int kNoLabel = -1;

// Preconditions: a label per example, each in 0 to classes - 1 or kNoLabel.
EvaluationReport Evaluate(const LogitsView& logits,
                          absl::Span<const int> labels);

// The temperature in [kLeastTemperature, kMostTemperature] with the smallest
// mean cross entropy; 1 without a finite example. The best classes stay the
// same at any temperature. Preconditions: as Evaluate(); logits.temperature is
// not looked at.
inline constexpr double kLeastTemperature = 0.1;
inline constexpr double kMostTemperature = 10;
double FitTemperature(const LogitsView& logits, absl::Span<const int> labels);

}  // namespace resnetd
