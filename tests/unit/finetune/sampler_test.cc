#include "server/finetune/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

namespace resnetd {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::FloatEq;

using Batches = std::vector<std::vector<std::int64_t>>;

Recipe RecipeOf(int batch_size, int accumulation = 1) {
  Recipe recipe;
  recipe.batch_size = batch_size;
  recipe.accumulation = accumulation;
  recipe.seed = 11;
  return recipe;
}

// Labels of `counts[i]` examples of class i, mixed.
std::vector<int> LabelsOf(const std::vector<int>& counts) {
  std::vector<int> labels;
  for (int i = 0; i < *std::max_element(counts.begin(), counts.end()); ++i) {
    for (std::size_t label = 0; label < counts.size(); ++label) {
      if (i < counts[label]) {
        labels.push_back(static_cast<int>(label));
      }
    }
  }
  return labels;
}

std::vector<std::int64_t> Flat(const Batches& batches) {
  std::vector<std::int64_t> all;
  for (const auto& batch : batches) {
    all.insert(all.end(), batch.begin(), batch.end());
  }
  return all;
}

TEST(SamplerTest, TakesEveryExampleOnceAnEpochWhateverTheBatch) {
  for (const int examples : {1, 2, 5, 37, 64}) {
    for (const int batch : {1, 2, 3, 8, 50}) {
      const Sampler sampler(RecipeOf(batch), LabelsOf({examples}), {});
      // Enough steps for a whole number of epochs.
      std::map<std::int64_t, int> seen;
      for (int step = 0; step < examples; ++step) {
        const Batches batches = sampler.BatchesOf(step);
        ASSERT_EQ(batches.size(), 1U);
        ASSERT_EQ(batches[0].size(), static_cast<std::size_t>(batch));
        for (const std::int64_t example : batches[0]) {
          ++seen[example];
        }
      }
      ASSERT_EQ(seen.size(), static_cast<std::size_t>(examples));
      for (const auto& [example, count] : seen) {
        EXPECT_EQ(count, batch) << examples << ' ' << batch;
      }
    }
  }
}

TEST(SamplerTest, IsAnotherOrderEveryEpochAndEverySeed) {
  Recipe recipe = RecipeOf(20);
  const std::vector<int> labels = LabelsOf({20});
  const Sampler sampler(recipe, labels, {});
  std::set<std::vector<std::int64_t>> orders;
  for (int step = 0; step < 50; ++step) {
    orders.insert(sampler.BatchesOf(step)[0]);
  }
  EXPECT_EQ(orders.size(), 50U);
  recipe.seed = 12;
  EXPECT_NE(Sampler(recipe, labels, {}).BatchesOf(0), sampler.BatchesOf(0));
}

TEST(SamplerTest, GoesOnAnywhereWithoutAState) {
  const Recipe recipe = RecipeOf(7, 2);
  const std::vector<int> labels = LabelsOf({9, 4, 20});
  std::vector<Batches> straight;
  const Sampler one(recipe, labels, {});
  for (int step = 0; step < 40; ++step) {
    straight.push_back(one.BatchesOf(step));
  }
  for (int step = 39; step >= 0; --step) {
    EXPECT_EQ(Sampler(recipe, labels, {}).BatchesOf(step),
              straight[static_cast<std::size_t>(step)]);
  }
}

TEST(SamplerTest, SplitsABatchIntoEvenPartsAndLeavesNoneEmpty) {
  const std::vector<int> labels = LabelsOf({100});
  for (const int parts : {1, 2, 3, 7, 10}) {
    const Batches batches =
        Sampler(RecipeOf(10, parts), labels, {}).BatchesOf(3);
    ASSERT_EQ(batches.size(), static_cast<std::size_t>(parts));
    std::size_t least = 10;
    std::size_t most = 0;
    for (const auto& batch : batches) {
      least = std::min(least, batch.size());
      most = std::max(most, batch.size());
    }
    EXPECT_GE(least, 1U);
    EXPECT_LE(most - least, 1U);
    EXPECT_EQ(Flat(batches).size(), 10U);
  }
}

TEST(SamplerTest, DrawsTheSameExamplesHoweverTheyAreSplit) {
  const std::vector<int> labels = LabelsOf({100});
  for (int step = 0; step < 20; ++step) {
    auto whole = Flat(Sampler(RecipeOf(12), labels, {}).BatchesOf(step));
    auto parts = Flat(Sampler(RecipeOf(12, 5), labels, {}).BatchesOf(step));
    std::sort(whole.begin(), whole.end());
    std::sort(parts.begin(), parts.end());
    EXPECT_EQ(whole, parts);
  }
}

TEST(SamplerTest, BalancesClassesToTheExample) {
  Recipe recipe = RecipeOf(8);
  recipe.balance = ClassBalance::kSampler;
  const std::vector<int> labels = LabelsOf({50, 3, 11, 1});
  const Sampler sampler(recipe, labels, {});
  std::map<int, int> by_class;
  std::map<std::int64_t, int> by_example;
  for (int step = 0; step < 150; ++step) {
    for (const std::int64_t example : Flat(sampler.BatchesOf(step))) {
      ++by_class[labels[static_cast<std::size_t>(example)]];
      ++by_example[example];
    }
  }
  for (const auto& [label, count] : by_class) {
    EXPECT_EQ(count, 300) << label;
  }
  // Within a class each comes equally often, or once more.
  for (const auto& [example, count] : by_example) {
    const int label = labels[static_cast<std::size_t>(example)];
    const int of_class =
        static_cast<int>(std::count(labels.begin(), labels.end(), label));
    EXPECT_GE(count, 300 / of_class) << label;
    EXPECT_LE(count, 300 / of_class + 1) << label;
  }
  EXPECT_EQ(by_example.size(), labels.size());
}

TEST(SamplerTest, FillsHalfOfEachBatchWithReplayedExamples) {
  Recipe recipe = RecipeOf(16, 4);
  recipe.replay_share = 0.5;
  const std::vector<int> fresh = LabelsOf({30, 30});
  const std::vector<int> kept = LabelsOf({5, 5, 5, 5});
  const Sampler sampler(recipe, fresh, kept);
  EXPECT_EQ(sampler.new_per_step(), 8);
  EXPECT_EQ(sampler.replayed_per_step(), 8);
  std::map<std::int64_t, int> replayed;
  for (int step = 0; step < 50; ++step) {
    for (const auto& batch : sampler.BatchesOf(step)) {
      int old = 0;
      for (const std::int64_t example : batch) {
        ASSERT_LT(example, 80);
        if (example >= 60) {
          ++old;
          ++replayed[example];
        }
      }
      // Of each of the four batches of a step, too.
      EXPECT_EQ(old, 2);
    }
  }
  // 400 draws of 20 exemplars.
  ASSERT_EQ(replayed.size(), 20U);
  for (const auto& [example, count] : replayed) {
    EXPECT_EQ(count, 20);
  }
}

TEST(SamplerTest, BalancesReplayedClassesEvenWhenTheyAreNotKeptEqually) {
  Recipe recipe = RecipeOf(8);
  recipe.replay_share = 0.5;
  const std::vector<int> kept = LabelsOf({20, 2});
  const Sampler sampler(recipe, LabelsOf({10}), kept);
  std::map<int, int> by_class;
  for (int step = 0; step < 50; ++step) {
    for (const std::int64_t example : Flat(sampler.BatchesOf(step))) {
      if (example >= 10) {
        ++by_class[kept[static_cast<std::size_t>(example - 10)]];
      }
    }
  }
  EXPECT_EQ(by_class[0], 100);
  EXPECT_EQ(by_class[1], 100);
}

TEST(SamplerTest, ReplaysAtLeastOneAndLeavesRoomForOneNew) {
  for (const double share : {0.01, 0.5, 0.99}) {
    for (const int batch : {2, 3, 8}) {
      Recipe recipe = RecipeOf(batch);
      recipe.replay_share = share;
      const Sampler sampler(recipe, LabelsOf({9}), LabelsOf({9}));
      EXPECT_GE(sampler.replayed_per_step(), 1);
      EXPECT_GE(sampler.new_per_step(), 1);
      EXPECT_EQ(sampler.replayed_per_step() + sampler.new_per_step(), batch);
    }
  }
}

TEST(SamplerTest, HasOnlyNewExamplesWhenNothingIsKept) {
  Recipe recipe = RecipeOf(8);
  recipe.replay_share = 0.5;
  const Sampler sampler(recipe, LabelsOf({9}), {});
  EXPECT_EQ(sampler.new_per_step(), 8);
  EXPECT_EQ(sampler.BatchesOf(0)[0].size(), 8U);
}

TEST(SamplerTest, CountsEpochsOfNewExamples) {
  Recipe recipe = RecipeOf(8);
  EXPECT_DOUBLE_EQ(Sampler(recipe, LabelsOf({16}), {}).EpochsAfter(3), 1.5);
  recipe.replay_share = 0.5;
  EXPECT_DOUBLE_EQ(
      Sampler(recipe, LabelsOf({16}), LabelsOf({4})).EpochsAfter(3), 0.75);
}

TEST(BalancedClassWeightsTest, AreInverseToTheNumbersWithAMeanOfOne) {
  const std::vector<int> labels = LabelsOf({6, 3, 0, 1});
  const std::vector<float> weights = BalancedClassWeights(labels, 4);
  EXPECT_THAT(weights, ElementsAre(FloatEq(10.0F / 18), FloatEq(10.0F / 9), 0,
                                   FloatEq(10.0F / 3)));
  double sum = 0;
  for (const int label : labels) {
    sum += weights[static_cast<std::size_t>(label)];
  }
  EXPECT_NEAR(sum / 10, 1, 1e-6);
  EXPECT_THAT(BalancedClassWeights(LabelsOf({4, 4}), 2), Each(FloatEq(1)));
}

}  // namespace
}  // namespace resnetd
