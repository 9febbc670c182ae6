#include "server/finetune/evaluation.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <map>
#include <utility>

namespace resnetd {
namespace {

constexpr std::int64_t kTop = 5;

absl::Span<const float> RowOf(const LogitsView& logits, std::size_t example) {
  const auto classes = static_cast<std::size_t>(logits.classes);
  return logits.values.subspan(example * classes, classes);
}

bool IsFinite(absl::Span<const float> row) {
  return std::all_of(row.begin(), row.end(),
                     [](float value) { return std::isfinite(value); });
}

int BestOf(absl::Span<const float> row) {
  return static_cast<int>(std::max_element(row.begin(), row.end()) -
                          row.begin());
}

// Classes that come before `label`: larger ones, and equal ones before it.
std::int64_t RankOf(absl::Span<const float> row, std::size_t label) {
  std::int64_t rank = 0;
  for (std::size_t i = 0; i < row.size(); ++i) {
    rank += row[i] > row[label] || (row[i] == row[label] && i < label) ? 1 : 0;
  }
  return rank;
}

// log of the sum of exp((row - largest) * scale).
double LogSum(absl::Span<const float> row, float largest, double scale) {
  double sum = 0;
  for (const float value : row) {
    sum += std::exp((static_cast<double>(value) - largest) * scale);
  }
  return std::log(sum);
}

double Share(std::int64_t part, std::int64_t all) {
  return all == 0 ? 0 : static_cast<double>(part) / static_cast<double>(all);
}

// Confidence by bins of equal width.
class Calibration {
 public:
  void Add(double confidence, bool is_right) {
    // A bin takes its upper edge, as in Guo et al. 2017.
    const double place = std::ceil(confidence * kCalibrationBins) - 1;
    Bin& bin = bins_[static_cast<std::size_t>(
        std::clamp(place, 0.0, kCalibrationBins - 1.0))];
    bin.confidence += confidence;
    bin.correct += is_right ? 1 : 0;
    ++examples_;
  }

  double Error() const {
    double error = 0;
    for (const Bin& bin : bins_) {
      error += std::abs(bin.confidence - bin.correct);
    }
    return examples_ == 0 ? 0 : error / static_cast<double>(examples_);
  }

 private:
  struct Bin {
    double confidence = 0;
    double correct = 0;
  };
  std::array<Bin, kCalibrationBins> bins_;
  std::int64_t examples_ = 0;
};

// Adds up what Evaluate() reports.
class Tally {
 public:
  explicit Tally(const LogitsView& logits) : temperature_(logits.temperature) {
    report_.temperature = logits.temperature;
    report_.per_class.resize(static_cast<std::size_t>(logits.classes));
  }

  void Add(absl::Span<const float> row, int label) {
    ClassResult& result = report_.per_class[static_cast<std::size_t>(label)];
    ++report_.examples;
    ++result.examples;
    if (!IsFinite(row)) {
      ++report_.nonfinite_examples;
      return;
    }
    const int best = BestOf(row);
    const bool is_right = best == label;
    result.correct += is_right ? 1 : 0;
    report_.correct += is_right ? 1 : 0;
    top5_ += RankOf(row, static_cast<std::size_t>(label)) < kTop ? 1 : 0;
    ++confusion_[{label, best}];
    const float largest = row[static_cast<std::size_t>(best)];
    const double log_sum = LogSum(row, largest, 1 / temperature_);
    const float own = row[static_cast<std::size_t>(label)];
    loss_ += log_sum + (static_cast<double>(largest) - own) / temperature_;
    const double confidence = std::exp(-log_sum);
    confidence_ += confidence;
    calibration_.Add(confidence, is_right);
  }

  EvaluationReport Finish() && {
    const auto all =
        static_cast<double>(std::max<std::int64_t>(1, report_.examples));
    const auto finite = static_cast<double>(std::max<std::int64_t>(
        1, report_.examples - report_.nonfinite_examples));
    report_.accuracy = static_cast<double>(report_.correct) / all;
    report_.top5_accuracy = static_cast<double>(top5_) / all;
    report_.loss = loss_ / finite;
    report_.mean_confidence = confidence_ / finite;
    report_.calibration_error = calibration_.Error();
    for (const auto& [cell, examples] : confusion_) {
      report_.confusion.push_back({.label = cell.first,
                                   .predicted = cell.second,
                                   .examples = examples});
      report_.per_class[static_cast<std::size_t>(cell.second)].predicted +=
          examples;
    }
    for (ClassResult& result : report_.per_class) {
      result.recall = Share(result.correct, result.examples);
      result.precision = Share(result.correct, result.predicted);
    }
    return std::move(report_);
  }

 private:
  double temperature_;
  EvaluationReport report_;
  std::int64_t top5_ = 0;
  double loss_ = 0;
  double confidence_ = 0;
  Calibration calibration_;
  std::map<std::pair<int, int>, std::int64_t> confusion_;
};

// First and second derivative of the summed cross entropy by the inverse
// temperature: the cross entropy is convex in it.
struct Slope {
  double first = 0;
  double second = 0;
};

Slope SlopeAt(const LogitsView& logits, absl::Span<const int> labels,
              double inverse) {
  Slope slope;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const absl::Span<const float> row = RowOf(logits, i);
    if (labels[i] == kNoLabel || !IsFinite(row)) {
      continue;
    }
    const float largest = row[static_cast<std::size_t>(BestOf(row))];
    double sum = 0;
    double mean = 0;
    double square = 0;
    for (const float value : row) {
      const double shifted = static_cast<double>(value) - largest;
      const double weight = std::exp(shifted * inverse);
      sum += weight;
      mean += weight * shifted;
      square += weight * shifted * shifted;
    }
    mean /= sum;
    const double own =
        static_cast<double>(row[static_cast<std::size_t>(labels[i])]) - largest;
    slope.first += mean - own;
    slope.second += square / sum - mean * mean;
  }
  return slope;
}

}  // namespace

std::vector<int> BestClasses(const LogitsView& logits) {
  const std::size_t examples =
      logits.values.size() / static_cast<std::size_t>(logits.classes);
  std::vector<int> best(examples, -1);
  for (std::size_t i = 0; i < examples; ++i) {
    const absl::Span<const float> row = RowOf(logits, i);
    if (IsFinite(row)) {
      best[i] = BestOf(row);
    }
  }
  return best;
}

std::vector<ConfusionCell> MostConfused(
    absl::Span<const ConfusionCell> confusion, std::size_t limit) {
  std::vector<ConfusionCell> mixed;
  for (const ConfusionCell& cell : confusion) {
    if (cell.label != cell.predicted) {
      mixed.push_back(cell);
    }
  }
  std::stable_sort(mixed.begin(), mixed.end(),
                   [](const ConfusionCell& a, const ConfusionCell& b) {
                     return a.examples > b.examples;
                   });
  mixed.resize(std::min(mixed.size(), limit));
  return mixed;
}

EvaluationReport Evaluate(const LogitsView& logits,
                          absl::Span<const int> labels) {
  Tally tally(logits);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] != kNoLabel) {
      tally.Add(RowOf(logits, i), labels[i]);
    }
  }
  return std::move(tally).Finish();
}

double FitTemperature(const LogitsView& logits, absl::Span<const int> labels) {
  double low = 1 / kMostTemperature;
  double high = 1 / kLeastTemperature;
  // Where all is right, or all is noise, the best one is at an end.
  if (SlopeAt(logits, labels, high).first < 0) {
    return kLeastTemperature;
  }
  if (SlopeAt(logits, labels, low).first > 0) {
    return kMostTemperature;
  }
  double inverse = 1;
  // Newton's method, halving where it would leave the bracket: about 8 rounds.
  constexpr int kMostRounds = 100;
  constexpr double kEnough = 1e-12;
  for (int round = 0; round < kMostRounds && high - low > kEnough; ++round) {
    const Slope slope = SlopeAt(logits, labels, inverse);
    if (slope.first == 0) {
      break;
    }
    (slope.first > 0 ? high : low) = inverse;
    double next = slope.second > 0 ? inverse - slope.first / slope.second : low;
    if (!(next > low && next < high)) {
      next = 0.5 * (low + high);
    }
    if (std::abs(next - inverse) < kEnough) {
      break;
    }
    inverse = next;
  }
  return 1 / inverse;
}

}  // namespace resnetd
