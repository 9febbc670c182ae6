#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/types/span.h"
#include "server/nn/torch_trainer.h"
#include "tests/unit/nn/training_fixture.h"

namespace resnetd {

// Two blocks in each of two stages: of each stage the second one passes its
// input by, and so does the very first.
inline Network DeepNetwork(BlockVersion version = BlockVersion::kV1) {
  return BuildNetwork({.name = "deep",
                       .block = BlockKind::kBasic,
                       .version = version,
                       .stem = StemKind::kCifar,
                       .stage_blocks = {2, 2},
                       .base_planes = 4,
                       .num_classes = kClasses});
}

inline StepSettings Observed(std::int64_t step, bool noise = false,
                             double rate = 0.05) {
  StepSettings settings = Rate(rate);
  settings.observe = Observation{.step = step, .noise = noise};
  return settings;
}

inline GradientSample SampleOf(TorchTrainer& trainer,
                               absl::Span<const TrainingBatch> batches,
                               const StepSettings& settings) {
  const auto report = trainer.Step(batches, settings);
  EXPECT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report.ok() && report->sample.has_value());
  return report.ok() && report->sample ? *report->sample : GradientSample();
}

// The batches of one step, and what they are made of.
class StepData {
 public:
  StepData(int step, const std::vector<int>& sizes) {
    int first = 100 * step;
    for (const int size : sizes) {
      filled_.push_back(std::make_unique<FilledBatch>(first, size));
      batches_.push_back(filled_.back()->batch());
      first += size;
    }
  }
  void Mix() {
    for (TrainingBatch& batch : batches_) {
      const int examples = static_cast<int>(batch.labels.size());
      for (int i = 0; i < examples; ++i) {
        batch.partners.push_back((i + 1) % examples);
      }
      batch.mix = 0.7;
    }
  }
  void UseFeatures(std::size_t values) {
    for (TrainingBatch& batch : batches_) {
      for (std::size_t i = 0; i < batch.pictures.size(); ++i) {
        rows_.push_back(std::make_unique<std::vector<float>>());
        for (std::size_t k = 0; k < values; ++k) {
          rows_.back()->push_back(
              std::abs(std::sin(static_cast<float>(k + 7 * i + 1))));
        }
        batch.features.emplace_back(*rows_.back());
      }
      batch.pictures.clear();
    }
  }
  absl::Span<const TrainingBatch> batches() const { return batches_; }

 private:
  std::vector<std::unique_ptr<FilledBatch>> filled_;
  std::vector<std::unique_ptr<std::vector<float>>> rows_;
  std::vector<TrainingBatch> batches_;
};

}  // namespace resnetd
