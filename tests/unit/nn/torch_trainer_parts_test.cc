#include <ATen/core/Tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "server/nn/torch_trainer.h"
#include "tests/unit/nn/training_fixture.h"

namespace resnetd {
namespace {

TEST(TorchTrainerPartsTest, LeavesFrozenPartsAsTheyAre) {
  TrainerOptions options = PlainOptions();
  options.trained_parts = {false, false, true, true};
  options.ema = 0.5;
  const Network network = SmallNetwork();
  const Weights weights = FillWeights(network);
  const auto trainer = MakeTrainer(options);
  for (int step = 0; step < 3; ++step) {
    TrainStep(*trainer, step);
  }
  FilledBatch batch(0, 6);
  const std::vector<const Pixels*> pictures = batch.batch().pictures;
  ASSERT_TRUE(trainer->EstimateNorms({&pictures, 1}).ok());
  for (const TensorList& state :
       {SavedState(*trainer).weights, Exported(*trainer)}) {
    for (const auto& [name, tensor] : state) {
      const bool frozen = PartOf(network, name) < 2;
      EXPECT_EQ(tensor.values == weights.at(name).values, frozen) << name;
    }
  }
}

// A part in the middle passes gradients on and stays.
TEST(TorchTrainerPartsTest, TrainsWhatLiesBeforeAFrozenPart) {
  TrainerOptions options = PlainOptions();
  options.trained_parts = {true, true, false, false};
  const Network network = SmallNetwork();
  const Weights weights = FillWeights(network);
  const auto trainer = MakeTrainer(options);
  TrainStep(*trainer, 0);
  for (const auto& [name, tensor] : Exported(*trainer)) {
    EXPECT_EQ(tensor.values == weights.at(name).values,
              PartOf(network, name) >= 2)
        << name;
  }
}

TEST(TorchTrainerPartsTest, KeepsTheStatisticsWhenNormsAreFrozen) {
  TrainerOptions options = PlainOptions();
  options.norms = NormStatistics::kFreeze;
  const Weights weights = FillWeights(SmallNetwork());
  const auto trainer = MakeTrainer(options);
  TrainStep(*trainer, 0);
  FilledBatch batch(0, 6);
  const std::vector<const Pixels*> pictures = batch.batch().pictures;
  ASSERT_TRUE(trainer->EstimateNorms({&pictures, 1}).ok());
  for (const auto& [name, tensor] : Exported(*trainer)) {
    EXPECT_EQ(tensor.values == weights.at(name).values, IsStatistic(name))
        << name;
  }
}

TEST(TorchTrainerPartsTest, DepthOfZeroIsNoStochasticDepth) {
  TrainerOptions options = PlainOptions();
  options.stochastic_depth = 0;
  const auto off = MakeTrainer(options);
  const auto plain = MakeTrainer(PlainOptions());
  options.stochastic_depth = 0.5;
  const auto deep = MakeTrainer(options);
  for (int step = 0; step < 3; ++step) {
    TrainStep(*off, step);
    TrainStep(*plain, step);
    TrainStep(*deep, step);
  }
  EXPECT_TRUE(SameValues(SavedState(*off).weights, SavedState(*plain).weights));
  EXPECT_FALSE(
      SameValues(SavedState(*deep).weights, SavedState(*plain).weights));
  // Evaluation keeps every path.
  ASSERT_TRUE(deep->Restore(SavedState(*plain)).ok());
  FilledBatch batch(0, 4);
  EXPECT_EQ(*deep->Logits(batch.batch().pictures),
            *plain->Logits(batch.batch().pictures));
}

TEST(TorchTrainerPartsTest, TakesWhatIsRandomFromTheSeedAlone) {
  TrainerOptions options = PlainOptions();
  options.stochastic_depth = 0.5;
  std::vector<TensorList> ends;
  for (const std::uint64_t seed : {1U, 1U, 2U}) {
    const auto trainer = MakeTrainer(options);
    FilledBatch batch(0, 16);
    batch.batch().seed = seed;
    ASSERT_TRUE(trainer->Step({&batch.batch(), 1}, Rate(0.1)).ok());
    ends.push_back(Exported(*trainer));
  }
  EXPECT_TRUE(SameValues(ends[0], ends[1]));
  EXPECT_FALSE(SameValues(ends[0], ends[2]));
}

TEST(TorchTrainerPartsTest, EstimatesTheStatisticsAsTheMeanOverBatches) {
  const auto trainer = MakeTrainer(PlainOptions(), at::kDouble);
  TrainStep(*trainer, 0);
  // One batch at a time, each from a fresh start, is the oracle of all.
  std::vector<FilledBatch*> batches;
  FilledBatch first(0, 5);
  FilledBatch second(50, 5);
  FilledBatch third(90, 3);
  std::vector<std::vector<const Pixels*>> pictures = {
      first.batch().pictures, second.batch().pictures, third.batch().pictures};
  TensorList sums;
  for (const auto& batch : pictures) {
    ASSERT_TRUE(trainer->EstimateNorms({&batch, 1}).ok());
    const TensorList state = Exported(*trainer);
    if (sums.empty()) {
      sums = state;
      continue;
    }
    for (std::size_t t = 0; t < state.size(); ++t) {
      for (std::size_t i = 0; i < state[t].second.values.size(); ++i) {
        sums[t].second.values[i] += state[t].second.values[i];
      }
    }
  }
  ASSERT_TRUE(trainer->EstimateNorms(pictures).ok());
  for (const auto& [name, tensor] : Exported(*trainer)) {
    for (std::size_t i = 0; IsStatistic(name) && i < tensor.values.size();
         ++i) {
      EXPECT_NEAR(tensor.values[i], Find(sums, name)->values[i] / 3, 1e-5)
          << name;
    }
  }
}

TEST(TorchTrainerPartsTest, EstimatesAnewWhatIsNotFinite) {
  const auto trainer = MakeTrainer(PlainOptions());
  FilledBatch batch(0, 6);
  const std::vector<const Pixels*> pictures = batch.batch().pictures;
  ASSERT_TRUE(trainer->EstimateNorms({&pictures, 1}).ok());
  const TrainerState good = SavedState(*trainer);
  TrainerState broken = good;
  for (auto& [name, tensor] : broken.weights) {
    if (IsStatistic(name)) {
      tensor.values[0] = std::numeric_limits<float>::quiet_NaN();
    }
  }
  ASSERT_TRUE(trainer->Restore(broken).ok());
  ASSERT_TRUE(trainer->EstimateNorms({&pictures, 1}).ok());
  EXPECT_TRUE(SameValues(SavedState(*trainer).weights, good.weights));
}

}  // namespace
}  // namespace resnetd
