#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "server/finetune/network_parts.h"
#include "server/finetune/trainer.h"
#include "server/models/architecture.h"
#include "server/models/weight_fill.h"
#include "server/nn/torch_trainer.h"

namespace resnetd {

inline constexpr int kSide = 8;
inline constexpr int kClasses = 4;

// Two stages of one block each, the second with a projection; trained in
// milliseconds. Parts: stem, layer1, layer2, head.
inline Network SmallNetwork(BlockVersion version = BlockVersion::kV1) {
  return BuildNetwork({.name = "small",
                       .block = BlockKind::kBasic,
                       .version = version,
                       .stem = StemKind::kCifar,
                       .stage_blocks = {1, 1},
                       .base_planes = 4,
                       .num_classes = kClasses});
}

inline PreprocessSpec SmallPictures() {
  return {.resize = kSide,
          .crop = kSide,
          .mean = {0.5, 0.5, 0.5},
          .std = {0.25, 0.25, 0.25}};
}

// Everything is trained, plainly.
inline TrainerOptions PlainOptions() {
  return {.trained_parts = {true, true, true, true}};
}

// FillPicture(first), FillPicture(first + 1), ... and their labels, which are
// their numbers modulo the classes. Owns the pictures that batch() points to.
class FilledBatch {
 public:
  FilledBatch(int first, int examples) {
    for (int number = first; number < first + examples; ++number) {
      pictures_.push_back(FillPicture(kSide, kSide, number));
      batch_.labels.push_back(number % kClasses);
    }
    for (const Pixels& picture : pictures_) {
      batch_.pictures.push_back(&picture);
    }
    batch_.seed = static_cast<std::uint64_t>(first);
  }
  FilledBatch(const FilledBatch&) = delete;
  FilledBatch& operator=(const FilledBatch&) = delete;

  TrainingBatch& batch() { return batch_; }

 private:
  std::vector<Pixels> pictures_;
  TrainingBatch batch_;
};

inline std::unique_ptr<TorchTrainer> MakeTrainer(
    const TrainerOptions& options, at::ScalarType dtype = at::kFloat,
    const Network& network = SmallNetwork()) {
  auto trainer = TorchTrainer::Create(options, network, FillWeights(network),
                                      SmallPictures(), at::kCPU, dtype);
  EXPECT_TRUE(trainer.ok()) << trainer.status();
  return trainer.ok() ? *std::move(trainer) : nullptr;
}

inline StepSettings Rate(double rate) {
  return {.rates = {rate, rate, rate, rate}};
}

// Step number `step` of a small training: 6 examples that no other step has.
inline StepReport TrainStep(Trainer& trainer, int step, double rate = 0.1) {
  FilledBatch batch(100 * step, 6);
  const auto report = trainer.Step({&batch.batch(), 1}, Rate(rate));
  EXPECT_TRUE(report.ok()) << report.status();
  return report.ok() ? *report : StepReport();
}

inline bool IsStatistic(absl::string_view name) {
  return absl::StrContains(name, ".running_");
}

// `state` without the statistics.
inline TensorList ParametersOf(TensorList state) {
  std::erase_if(state,
                [](const auto& entry) { return IsStatistic(entry.first); });
  return state;
}

// Null when there is none.
inline const Tensor* Find(const TensorList& list, const std::string& name) {
  for (const auto& [key, value] : list) {
    if (key == name) {
      return &value;
    }
  }
  return nullptr;
}

// Bit for bit; a NaN equals nothing.
inline bool SameValues(const TensorList& left, const TensorList& right) {
  if (left.size() != right.size()) {
    return false;
  }
  for (std::size_t i = 0; i < left.size(); ++i) {
    if (left[i].first != right[i].first ||
        left[i].second.shape != right[i].second.shape ||
        left[i].second.values != right[i].second.values) {
      return false;
    }
  }
  return true;
}

inline TrainerState SavedState(Trainer& trainer) {
  auto state = trainer.Save();
  EXPECT_TRUE(state.ok()) << state.status();
  return state.ok() ? *std::move(state) : TrainerState();
}

inline TensorList Exported(Trainer& trainer) {
  auto weights = trainer.ExportWeights();
  EXPECT_TRUE(weights.ok()) << weights.status();
  return weights.ok() ? *std::move(weights) : TensorList();
}

}  // namespace resnetd
