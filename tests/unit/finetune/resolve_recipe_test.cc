#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "server/base/error.h"
#include "server/finetune/random.h"
#include "server/finetune/rate_schedule.h"
#include "server/finetune/recipe.h"
#include "server/finetune/recipe_rules.h"

namespace resnetd {
namespace {

using ::testing::DoubleEq;
using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// resnet18 at 224 x 224: stem, layer1 to layer4, head.
RecipeFacts Facts(std::int64_t images, int classes = 10) {
  return {.training_images = images,
          .smallest_class = images / classes,
          .classes = classes,
          .parts = 6,
          .input_side = 224,
          .is_incremental = false,
          .from_scratch = false};
}

Recipe Resolve(const RecipeRequest& request, const RecipeFacts& facts) {
  auto recipe = ResolveRecipe(request, facts);
  EXPECT_TRUE(recipe.ok()) << recipe.status();
  return recipe.ok() ? *recipe : Recipe();
}

TEST(PresetOfTest, GoesByImagesAndImagesPerClass) {
  EXPECT_EQ(PresetOf(Facts(499)), RecipePreset::kFewShot);
  EXPECT_EQ(PresetOf(Facts(500)), RecipePreset::kMedium);
  EXPECT_EQ(PresetOf(Facts(1999, 100)), RecipePreset::kFewShot);
  EXPECT_EQ(PresetOf(Facts(2000, 100)), RecipePreset::kMedium);
  EXPECT_EQ(PresetOf(Facts(19'999)), RecipePreset::kMedium);
  EXPECT_EQ(PresetOf(Facts(20'000)), RecipePreset::kLarge);
  EXPECT_EQ(PresetOf(Facts(19'999, 1000)), RecipePreset::kFewShot);
  RecipeFacts random = Facts(100);
  random.from_scratch = true;
  EXPECT_EQ(PresetOf(random), RecipePreset::kFromScratch);
}

TEST(ResolveRecipeTest, TrainsTheLastStagesOfAFewPictures) {
  const Recipe recipe = Resolve({}, Facts(300));
  ASSERT_EQ(recipe.phases.size(), 2U);
  EXPECT_EQ(recipe.phases[0].steps, 100);
  EXPECT_THAT(recipe.phases[0].trained_parts,
              ElementsAre(false, false, false, false, false, true));
  EXPECT_EQ(recipe.phases[1].steps, 400);
  EXPECT_THAT(recipe.phases[1].trained_parts,
              ElementsAre(false, false, false, true, true, true));
  EXPECT_EQ(recipe.batch_size, 32);
  EXPECT_EQ(recipe.accumulation, 1);
  // A quarter of the rates at 128.
  EXPECT_THAT(recipe.phases[0].rates,
              ElementsAre(0, 0, 0, 0, 0, DoubleEq(2.5e-2)));
  EXPECT_THAT(recipe.phases[1].rates,
              ElementsAre(0, 0, 0, DoubleEq(2.5e-3), DoubleEq(2.5e-3),
                          DoubleEq(2.5e-2)));
  EXPECT_EQ(recipe.norms, NormPolicy::kFreeze);
  EXPECT_EQ(recipe.optimizer.kind, OptimizerKind::kSgd);
  EXPECT_EQ(recipe.optimizer.momentum, 0.9);
  EXPECT_TRUE(recipe.optimizer.nesterov);
  EXPECT_EQ(recipe.optimizer.weight_decay, 0);
  EXPECT_EQ(recipe.mixup, 0);
  EXPECT_DOUBLE_EQ(recipe.ema, 0.98);
  EXPECT_EQ(recipe.augmentation.least_scale, 0.8);
  EXPECT_EQ(recipe.augmentation.flip, 0);
  EXPECT_EQ(recipe.augmentation.brightness, 0);
  EXPECT_EQ(recipe.early_stopping.patience, 5);
  EXPECT_EQ(recipe.early_stopping.min_steps, 100);
  EXPECT_EQ(recipe.evaluate_every, 25);
  EXPECT_EQ(recipe.replay_share, 0);
}

TEST(ResolveRecipeTest, TrainsAllStagesAtRatesThatGrowWithDepth) {
  const Recipe recipe = Resolve({}, Facts(12'800));
  ASSERT_EQ(recipe.phases.size(), 2U);
  // One epoch of 128 for the head; ten in all are 1000.
  EXPECT_EQ(recipe.batch_size, 128);
  EXPECT_EQ(recipe.phases[0].steps, 100);
  EXPECT_EQ(TotalSteps(recipe), 1000);
  EXPECT_THAT(recipe.phases[1].trained_parts, ::testing::Each(true));
  const double ratio = std::pow(100, 0.25);
  EXPECT_THAT(
      recipe.phases[1].rates,
      ElementsAre(DoubleEq(1e-4), DoubleNear(1e-4 * ratio, 1e-12),
                  DoubleNear(1e-3, 1e-12), DoubleNear(1e-2 / ratio, 1e-12),
                  DoubleNear(1e-2, 1e-12), DoubleEq(1e-2)));
  EXPECT_EQ(recipe.optimizer.weight_decay, 1e-4);
  EXPECT_EQ(recipe.norms, NormPolicy::kReestimate);
  EXPECT_EQ(recipe.accumulation, 4) << "32 pictures of 224 x 224 at a time";
  EXPECT_EQ(recipe.augmentation.contrast, 0.2);
  EXPECT_EQ(TotalSteps(Resolve({}, Facts(19'200))), 1500);
}

TEST(ResolveRecipeTest, TrainsLongOnManyPictures) {
  const Recipe recipe = Resolve({}, Facts(50'000));
  ASSERT_EQ(recipe.phases.size(), 1U);
  EXPECT_EQ(recipe.phases[0].steps, 10'000);
  EXPECT_EQ(recipe.mixup, 0.1);
  EXPECT_DOUBLE_EQ(recipe.ema, 0.999);
  EXPECT_EQ(recipe.norms, NormPolicy::kReestimate);
  EXPECT_DOUBLE_EQ(recipe.phases[0].rates[0], 1e-2);
  EXPECT_DOUBLE_EQ(recipe.phases[0].rates[5], 1e-1);
  EXPECT_EQ(recipe.checkpoint_every, 500);
}

TEST(ResolveRecipeTest, TrainsARandomBaseWholeAndToTheEnd) {
  RecipeFacts facts = Facts(1437);
  facts.from_scratch = true;
  facts.parts = 5;
  facts.input_side = 32;
  const Recipe recipe = Resolve({}, facts);
  ASSERT_EQ(recipe.phases.size(), 1U);
  EXPECT_EQ(recipe.batch_size, 64);
  EXPECT_EQ(recipe.phases[0].steps, 674) << "30 epochs of 1437 / 64";
  EXPECT_THAT(recipe.phases[0].trained_parts, ::testing::Each(true));
  EXPECT_THAT(recipe.phases[0].rates, ::testing::Each(DoubleEq(0.05)));
  EXPECT_TRUE(recipe.zero_init_residual);
  EXPECT_EQ(recipe.norms, NormPolicy::kReestimate);
  EXPECT_EQ(recipe.early_stopping.patience, 0);
  EXPECT_EQ(recipe.augmentation.least_scale, 0.5);
  EXPECT_FALSE(Resolve({}, Facts(1437)).zero_init_residual);
}

TEST(ResolveRecipeTest, ReplaysHalfOfEachBatchOfAnIncrementalJob) {
  RecipeFacts facts = Facts(288, 2);
  facts.is_incremental = true;
  const Recipe recipe = Resolve({}, facts);
  EXPECT_EQ(recipe.replay_share, 0.5);
  // 16 new ones a step: an epoch is 18 steps.
  RecipeRequest request;
  request.epochs = 2;
  EXPECT_EQ(TotalSteps(Resolve(request, facts)), 36);
}

TEST(ResolveRecipeTest, FillsBatchesWithWhatThereIs) {
  EXPECT_EQ(Resolve({}, Facts(10)).batch_size, 10);
  EXPECT_EQ(Resolve({}, Facts(1, 1)).batch_size, 2);
  EXPECT_EQ(Resolve({}, Facts(31)).batch_size, 31);
  EXPECT_EQ(Resolve({}, Facts(500)).batch_size, 64);
  EXPECT_EQ(Resolve({}, Facts(5'000)).batch_size, 128);
  EXPECT_EQ(Resolve({}, Facts(100'000)).batch_size, 256);
  RecipeFacts incremental = Facts(10);
  incremental.is_incremental = true;
  EXPECT_EQ(Resolve({}, incremental).batch_size, 20);
}

TEST(ResolveRecipeTest, FreezesNormsOfBatchesBelowSixteen) {
  RecipeRequest request;
  request.batch_size = 15;
  EXPECT_EQ(Resolve(request, Facts(5'000)).norms, NormPolicy::kFreeze);
  request.batch_size = 16;
  EXPECT_EQ(Resolve(request, Facts(5'000)).norms, NormPolicy::kReestimate);
  request.batch_size = 128;
  request.accumulation = 16;
  EXPECT_EQ(Resolve(request, Facts(5'000)).norms, NormPolicy::kFreeze);
}

TEST(ResolveRecipeTest, SplitsBatchesOfLargePictures) {
  RecipeFacts facts = Facts(5'000);
  facts.input_side = 32;
  EXPECT_EQ(Resolve({}, facts).accumulation, 1);
  facts.input_side = 112;
  EXPECT_EQ(Resolve({}, facts).accumulation, 1);
  facts.input_side = 113;
  EXPECT_EQ(Resolve({}, facts).accumulation, 2);
  facts.input_side = 4096;
  const Recipe huge = Resolve({}, facts);
  EXPECT_EQ(huge.batch_size / huge.accumulation, 2);
}

TEST(ResolveRecipeTest, BalancesClassesWhenOneIsRare) {
  RecipeFacts facts = Facts(3'000);
  facts.smallest_class = 100;
  EXPECT_EQ(Resolve({}, facts).balance, ClassBalance::kNone);
  facts.smallest_class = 99;
  EXPECT_EQ(Resolve({}, facts).balance, ClassBalance::kSampler);
}

TEST(ResolveRecipeTest, FollowsLayerPolicies) {
  RecipeRequest request;
  request.layers = LayerPolicy::kHead;
  const Recipe head = Resolve(request, Facts(5'000));
  ASSERT_EQ(head.phases.size(), 1U);
  EXPECT_THAT(head.phases[0].trained_parts,
              ElementsAre(false, false, false, false, false, true));
  EXPECT_EQ(head.norms, NormPolicy::kFreeze);
  request.layers = LayerPolicy::kStages;
  request.first_stage = 4;
  const Recipe last = Resolve(request, Facts(5'000));
  EXPECT_THAT(last.phases.back().trained_parts,
              ElementsAre(false, false, false, false, true, true));
  request.first_stage = 1;
  EXPECT_THAT(Resolve(request, Facts(300)).phases.back().trained_parts,
              ElementsAre(false, true, true, true, true, true));
  request.first_stage = std::nullopt;
  request.layers = LayerPolicy::kAutoRgn;
  const Recipe measured = Resolve(request, Facts(300));
  EXPECT_THAT(measured.phases.back().trained_parts, ::testing::Each(true));
  EXPECT_TRUE(measured.phases.back().auto_rgn);
  EXPECT_FALSE(measured.phases.front().auto_rgn);
  // The gradients alone tell the parts below the head apart.
  const std::vector<double> rates =
      Resolve(request, Facts(5'000)).phases[1].rates;
  EXPECT_THAT(std::vector<double>(rates.begin(), rates.end() - 1),
              ::testing::Each(DoubleEq(rates[1])));
  EXPECT_GT(rates[0], 0);
}

TEST(ResolveRecipeTest, ShowsAHeadThatIsTrainedAloneThePicturesAsForServing) {
  const Recipe few = Resolve({}, Facts(300));
  EXPECT_TRUE(few.phases[0].plain);
  EXPECT_FALSE(few.phases[1].plain);
  RecipeRequest request;
  request.layers = LayerPolicy::kHead;
  EXPECT_TRUE(Resolve(request, Facts(5'000)).phases[0].plain);
  // Who says how pictures are varied gets it in every phase.
  for (const auto& say : std::vector<std::function<void(RecipeRequest&)>>{
           [](RecipeRequest& r) { r.least_scale = 0.5; },
           [](RecipeRequest& r) { r.most_ratio = 1.2; },
           [](RecipeRequest& r) { r.flip = 0.5; },
           [](RecipeRequest& r) { r.brightness = 0.1; },
           [](RecipeRequest& r) { r.contrast = 0.1; },
           [](RecipeRequest& r) { r.saturation = 0.1; },
           [](RecipeRequest& r) { r.mixup = 0.1; }}) {
    RecipeRequest varied;
    say(varied);
    EXPECT_FALSE(Resolve(varied, Facts(300)).phases[0].plain);
  }
}

TEST(ResolveRecipeTest, TakesRatesAsTheyAreSaid) {
  RecipeRequest request;
  request.rate = 0.02;
  Recipe recipe = Resolve(request, Facts(300));
  EXPECT_THAT(recipe.phases[1].rates,
              ElementsAre(0, 0, 0, 0.02, 0.02, DoubleEq(0.2)));
  EXPECT_THAT(recipe.phases[0].rates.back(), DoubleEq(0.2));
  request.head_rate = 0.03;
  recipe = Resolve(request, Facts(300));
  EXPECT_THAT(recipe.phases[1].rates, ElementsAre(0, 0, 0, 0.02, 0.02, 0.03));
  request.rate = std::nullopt;
  recipe = Resolve(request, Facts(300));
  EXPECT_DOUBLE_EQ(recipe.phases[1].rates[3], 2.5e-3);
  EXPECT_EQ(recipe.phases[1].rates[5], 0.03);
}

TEST(ResolveRecipeTest, KeepsTheHeadsRateWithinItsRange) {
  RecipeRequest request;
  request.rate = 5;
  EXPECT_EQ(Resolve(request, Facts(300)).phases[1].rates.back(), 10);
}

TEST(ResolveRecipeTest, DoesNotStopBeforeTheLastPhase) {
  RecipeRequest request;
  request.max_steps = 5'000;
  EXPECT_EQ(Resolve(request, Facts(300)).early_stopping.min_steps, 1'000);
  request.max_steps = 200;
  EXPECT_EQ(Resolve(request, Facts(300)).early_stopping.min_steps, 100);
  request.min_steps = 7;
  EXPECT_EQ(Resolve(request, Facts(300)).early_stopping.min_steps, 7);
}

TEST(ResolveRecipeTest, LetsRatesGrowWithTheBatchUpToACap) {
  RecipeRequest request;
  const auto head_rate = [&](int batch) {
    request.batch_size = batch;
    return Resolve(request, Facts(5'000)).phases.back().rates.back();
  };
  EXPECT_DOUBLE_EQ(head_rate(64), 5e-3);
  EXPECT_DOUBLE_EQ(head_rate(512), 4e-2);
  EXPECT_DOUBLE_EQ(head_rate(1024), 4e-2);
}

TEST(ResolveRecipeTest, LowersRatesAndRaisesDecayForAdamW) {
  RecipeRequest request;
  request.optimizer = OptimizerKind::kAdamW;
  const Recipe recipe = Resolve(request, Facts(12'800));
  EXPECT_DOUBLE_EQ(recipe.phases.back().rates.back(), 1e-3);
  EXPECT_DOUBLE_EQ(recipe.optimizer.weight_decay, 1e-2);
}

TEST(ResolveRecipeTest, RunsExplicitPhases) {
  RecipeRequest request;
  request.phases = {{.steps = 7,
                     .layers = LayerPolicy::kHead,
                     .first_stage = std::nullopt,
                     .rate = std::nullopt,
                     .head_rate = 0.1},
                    {.steps = 9,
                     .layers = LayerPolicy::kStages,
                     .first_stage = 3,
                     .rate = 0.01,
                     .head_rate = 0.02},
                    {.steps = 1,
                     .layers = std::nullopt,
                     .first_stage = std::nullopt,
                     .rate = 0.001,
                     .head_rate = std::nullopt}};
  const Recipe recipe = Resolve(request, Facts(5'000));
  ASSERT_EQ(recipe.phases.size(), 3U);
  EXPECT_EQ(TotalSteps(recipe), 17);
  EXPECT_THAT(recipe.phases[0].rates, ElementsAre(0, 0, 0, 0, 0, 0.1));
  EXPECT_THAT(recipe.phases[1].rates, ElementsAre(0, 0, 0, 0.01, 0.01, 0.02));
  EXPECT_THAT(recipe.phases[2].rates, ::testing::Each(DoubleEq(0.001)));
}

TEST(ResolveRecipeTest, KeepsShortJobsShort) {
  for (std::int64_t steps = 1; steps < 12; ++steps) {
    RecipeRequest request;
    request.max_steps = steps;
    for (const std::int64_t images : {10, 800, 30'000}) {
      const Recipe recipe = Resolve(request, Facts(images));
      EXPECT_EQ(TotalSteps(recipe), steps);
      EXPECT_GE(recipe.evaluate_every, 1);
      EXPECT_EQ(recipe.ema > 0, steps > 10);
    }
  }
}

TEST(ResolveRecipeTest, RefusesWhatDoesNotFitWithAllOfIt) {
  RecipeRequest request;
  request.layers = LayerPolicy::kStages;
  request.first_stage = 5;
  request.momentum = 2;
  const absl::Status status = ResolveRecipe(request, Facts(5'000)).status();
  EXPECT_EQ(DetailsOf(status).reason, "RECIPE_INVALID");
  EXPECT_EQ(DetailsOf(status).violations.size(), 2U);
}

TEST(ResolveRecipeTest, RefusesStatisticsOfOneExampleThatItsChoicesLeave) {
  RecipeRequest request;
  request.accumulation = 64;
  request.norms = NormPolicy::kTrain;
  const absl::Status status = ResolveRecipe(request, Facts(600)).status();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(DetailsOf(status).violations[0].first, "recipe.norms");
}

// Requests with members drawn at random, most of them allowed.
class RandomRequest {
 public:
  explicit RandomRequest(std::uint32_t number)
      : stream_(1, RandomPurpose::kStep, 0, number) {}

  RecipeRequest Draw() {
    RecipeRequest request;
    Maybe(request.layers, [&] { return Pick(LayerPolicy::kAutoRgn); });
    if (request.layers == LayerPolicy::kStages) {
      request.first_stage = 1 + static_cast<int>(stream_.Below(4));
    }
    Maybe(request.head_rate, [&] { return stream_.Uniform(1e-5, 1); });
    if (request.layers != LayerPolicy::kHead) {
      Maybe(request.rate, [&] { return stream_.Uniform(1e-5, 1); });
    }
    Maybe(request.max_steps,
          [&] { return static_cast<std::int64_t>(1 + stream_.Below(5000)); });
    if (!request.max_steps) {
      Maybe(request.epochs, [&] { return stream_.Uniform(0.01, 50); });
    }
    Maybe(request.optimizer, [&] { return Pick(OptimizerKind::kAdamW); });
    Maybe(request.batch_size,
          [&] { return static_cast<int>(1 + stream_.Below(300)); });
    Maybe(request.accumulation,
          [&] { return static_cast<int>(1 + stream_.Below(8)); });
    Maybe(request.norms, [&] { return Pick(NormPolicy::kReestimate); });
    Maybe(request.balance, [&] { return Pick(ClassBalance::kSampler); });
    Maybe(request.mixup, [&] { return stream_.Uniform(0, 1); });
    Maybe(request.ema, [&] { return stream_.Uniform(0, 0.999); });
    Maybe(request.warmup, [&] { return stream_.Uniform(0, 0.9); });
    Maybe(request.seed,
          [&] { return static_cast<std::int64_t>(stream_.Below(1000)); });
    return request;
  }

  RecipeFacts Facts() {
    const int classes = 1 + static_cast<int>(stream_.Below(50));
    const auto images =
        static_cast<std::int64_t>(std::exp(stream_.Uniform(0, 13)) + classes);
    return {.training_images = images,
            .smallest_class = static_cast<std::int64_t>(stream_.Below(
                                  static_cast<std::uint64_t>(images))) /
                              classes,
            .classes = classes,
            .parts = 3 + static_cast<std::size_t>(stream_.Below(4)),
            .input_side = 8 + static_cast<int>(stream_.Below(300)),
            .is_incremental = stream_.Below(4) == 0,
            .from_scratch = stream_.Below(4) == 0};
  }

 private:
  template <typename T, typename Make>
  void Maybe(std::optional<T>& member, const Make& make) {
    if (stream_.Below(3) == 0) {
      member = make();
    }
  }
  template <typename Enum>
  Enum Pick(Enum last) {
    return static_cast<Enum>(
        stream_.Below(static_cast<std::uint64_t>(last) + 1));
  }

  RandomStream stream_;
};

TEST(ResolveRecipeTest, IsAlwaysCompleteAndAllowed) {
  int resolved = 0;
  for (std::uint32_t i = 0; i < 5000; ++i) {
    RandomRequest random(i);
    const RecipeRequest request = random.Draw();
    const RecipeFacts facts = random.Facts();
    const auto recipe = ResolveRecipe(request, facts);
    if (!recipe.ok()) {
      EXPECT_EQ(DetailsOf(recipe.status()).reason, "RECIPE_INVALID");
      EXPECT_THAT(DetailsOf(recipe.status()).violations,
                  ::testing::Not(IsEmpty()));
      continue;
    }
    ++resolved;
    ASSERT_THAT(FindViolations(*recipe), IsEmpty()) << i;
    for (const TrainingPhase& phase : recipe->phases) {
      ASSERT_EQ(phase.rates.size(), facts.parts);
    }
    ASSERT_GE(recipe->batch_size, recipe->accumulation);
    ASSERT_EQ(ResolveRecipe(request, facts).value(), *recipe);
  }
  EXPECT_GT(resolved, 2000);
}

}  // namespace
}  // namespace resnetd
