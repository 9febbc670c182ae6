#include "server/nn/torch_trainer.h"

#include <ATen/core/Tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "server/base/error.h"
#include "server/nn/torch_model.h"
#include "tests/support/filled_package.h"
#include "tests/unit/nn/training_fixture.h"

namespace resnetd {
namespace {

TEST(TorchTrainerTest, LowersTheLossOfABatchThatItSeesAgainAndAgain) {
  const auto trainer = MakeTrainer(PlainOptions());
  FilledBatch batch(0, 8);
  StepReport first;
  StepReport last;
  for (int step = 0; step < 30; ++step) {
    const auto report = trainer->Step({&batch.batch(), 1}, Rate(0.1));
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_TRUE(report->is_finite);
    EXPECT_EQ(report->examples, 8);
    EXPECT_GT(report->gradient_norm, 0);
    (step == 0 ? first : last) = *report;
  }
  EXPECT_LT(last.loss, first.loss / 4);
  EXPECT_EQ(last.correct, 8);
}

TEST(TorchTrainerTest, BeginsAsTheServedModel) {
  const ModelPackage package = FilledPackage("cifar_resnet8", kClasses, kSide);
  TrainerOptions options = PlainOptions();
  options.trained_parts.assign(PartNames(package.network).size(), true);
  const auto model = TorchModel::Create(package, at::kCPU, 1);
  const auto trainer =
      TorchTrainer::Create(options, package.network, package.weights,
                           package.facts.preprocess, at::kCPU);
  ASSERT_TRUE(model.ok() && trainer.ok());
  FilledBatch batch(0, 5);
  const auto expected = (*model)->Logits(batch.batch().pictures);
  const auto actual = (*trainer)->Logits(batch.batch().pictures);
  ASSERT_TRUE(expected.ok() && actual.ok());
  EXPECT_EQ(*actual, *expected);
}

TEST(TorchTrainerTest, ExportsTheStateDictInItsOrder) {
  const auto trainer = MakeTrainer(PlainOptions());
  const Network network = SmallNetwork();
  const Weights weights = FillWeights(network);
  const TensorList exported = Exported(*trainer);
  std::vector<TensorSpec> specs = TensorSpecs(network);
  std::erase_if(specs, [](const TensorSpec& s) { return s.optional_counter; });
  ASSERT_EQ(exported.size(), specs.size());
  for (std::size_t i = 0; i < specs.size(); ++i) {
    EXPECT_EQ(exported[i].first, specs[i].name);
    EXPECT_EQ(exported[i].second.shape, specs[i].shape);
    EXPECT_EQ(exported[i].second.values, weights.at(specs[i].name).values);
  }
}

TEST(TorchTrainerTest, RefusesABatchOfOneWithStatisticsOfTheBatch) {
  FilledBatch one(0, 1);
  const auto trainer = MakeTrainer(PlainOptions());
  const absl::Status refused =
      trainer->Step({&one.batch(), 1}, Rate(0.1)).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DetailsOf(refused).reason, "RECIPE_INVALID");
  const std::vector<const Pixels*> pictures = one.batch().pictures;
  EXPECT_EQ(trainer->EstimateNorms({&pictures, 1}).code(),
            absl::StatusCode::kInvalidArgument);
  FilledBatch two(0, 2);
  EXPECT_TRUE(trainer->Step({&two.batch(), 1}, Rate(0.1)).ok());
}

TEST(TorchTrainerTest, TakesABatchOfOneWithoutStatisticsOfTheBatch) {
  FilledBatch one(0, 1);
  TrainerOptions frozen = PlainOptions();
  frozen.norms = NormStatistics::kFreeze;
  TrainerOptions head_only = PlainOptions();
  head_only.trained_parts = {false, false, false, true};
  for (const TrainerOptions& options : {frozen, head_only}) {
    const auto report =
        MakeTrainer(options)->Step({&one.batch(), 1}, Rate(0.1));
    EXPECT_TRUE(report.ok()) << report.status();
  }
}

TEST(TorchTrainerTest, RefusesStepsThatAreNone) {
  const auto trainer = MakeTrainer(PlainOptions());
  FilledBatch batch(0, 4);
  EXPECT_FALSE(trainer->Step({}, Rate(0.1)).ok());
  EXPECT_FALSE(trainer->Step({&batch.batch(), 1}, {.rates = {0.1}}).ok());
  batch.batch().labels[2] = kClasses;
  EXPECT_FALSE(trainer->Step({&batch.batch(), 1}, Rate(0.1)).ok());
  batch.batch().labels[2] = 0;
  const Pixels large = FillPicture(kSide + 1, kSide, 0);
  batch.batch().pictures[1] = &large;
  EXPECT_EQ(
      DetailsOf(trainer->Step({&batch.batch(), 1}, Rate(0.1)).status()).reason,
      "REQUEST_INVALID");
  EXPECT_EQ(SavedState(*trainer).steps, 0);
}

TEST(TorchTrainerTest, AccumulatesBatchesAsOneBatchOfAllExamples) {
  TrainerOptions options = PlainOptions();
  options.norms = NormStatistics::kFreeze;
  options.class_weights = {1, 2, 0.5, 3};
  options.label_smoothing = 0.1;
  FilledBatch whole(0, 9);
  FilledBatch first(0, 2);
  FilledBatch second(2, 4);
  FilledBatch third(6, 3);
  const auto together = MakeTrainer(options, at::kDouble);
  const auto apart = MakeTrainer(options, at::kDouble);
  const auto expected = together->Step({&whole.batch(), 1}, Rate(0.1));
  const auto actual =
      apart->Step({first.batch(), second.batch(), third.batch()}, Rate(0.1));
  ASSERT_TRUE(expected.ok() && actual.ok());
  EXPECT_NEAR(actual->loss, expected->loss, 1e-12);
  EXPECT_NEAR(actual->gradient_norm, expected->gradient_norm, 1e-12);
  EXPECT_EQ(actual->examples, 9);
  EXPECT_EQ(actual->correct, expected->correct);
  const auto left = together->NetworkState();
  const auto right = apart->NetworkState();
  for (std::size_t i = 0; i < left.size(); ++i) {
    EXPECT_LT(left[i].tensor.sub(right[i].tensor).abs().max().item<double>(),
              1e-12)
        << left[i].name;
  }
}

TEST(TorchTrainerTest, ScalesTheGradientDownToTheLimit) {
  // Without momentum, decay and look-ahead, at a rate of 1, a step is the
  // clipped gradient.
  TrainerOptions options = PlainOptions();
  options.optimizer.momentum = 0;
  options.clip_norm = 0.01;
  const auto trainer = MakeTrainer(options);
  const TensorList before = ParametersOf(SavedState(*trainer).weights);
  const StepReport report = TrainStep(*trainer, 0, 1);
  EXPECT_GT(report.gradient_norm, 0.02);  // before clipping
  const TensorList after = ParametersOf(SavedState(*trainer).weights);
  double squares = 0;
  for (std::size_t t = 0; t < before.size(); ++t) {
    for (std::size_t i = 0; i < before[t].second.values.size(); ++i) {
      squares +=
          std::pow(before[t].second.values[i] - after[t].second.values[i], 2);
    }
  }
  EXPECT_NEAR(std::sqrt(squares), 0.01, 1e-6);
}

TEST(TorchTrainerTest, LeavesASmallGradientAsItIs) {
  TrainerOptions options = PlainOptions();
  options.clip_norm = 1e6;
  const auto clipping = MakeTrainer(options);
  const auto plain = MakeTrainer(PlainOptions());
  TrainStep(*clipping, 0);
  TrainStep(*plain, 0);
  EXPECT_TRUE(
      SameValues(SavedState(*clipping).weights, SavedState(*plain).weights));
}

TEST(TorchTrainerTest, PullsParametersButTheHeadToTheirFirstValues) {
  TrainerOptions options = PlainOptions();
  options.l2_sp = 0.5;
  const auto pulled = MakeTrainer(options, at::kDouble);
  const auto free = MakeTrainer(PlainOptions(), at::kDouble);
  FilledBatch batch(0, 6);
  // At the first values there is no pull.
  TrainStep(*pulled, 1);
  TrainStep(*free, 1);
  const Network network = SmallNetwork();
  const Weights first = FillWeights(network);
  const std::vector<NamedTensor> now = pulled->NetworkState();
  const auto with = pulled->Gradients({&batch.batch(), 1});
  const auto without = free->Gradients({&batch.batch(), 1});
  ASSERT_TRUE(with.ok() && without.ok());
  for (std::size_t t = 0; t < with->size(); ++t) {
    const std::string& name = (*with)[t].name;
    const bool head = absl::StartsWith(name, "fc.");
    const auto entry = std::find_if(
        now.begin(), now.end(),
        [&](const NamedTensor& state) { return state.name == name; });
    const at::Tensor value =
        entry->tensor.variable_data().contiguous().view({-1});
    const at::Tensor pull =
        (*with)[t].tensor.sub((*without)[t].tensor).contiguous().view({-1});
    for (std::int64_t i = 0; i < value.numel(); ++i) {
      const double away = value[i].item<double>() -
                          first.at(name).values[static_cast<std::size_t>(i)];
      EXPECT_NEAR(pull[i].item<double>(), head ? 0 : 0.5 * away, 1e-10) << name;
    }
  }
}

TEST(TorchTrainerTest, MixesPicturesAndLabels) {
  FilledBatch mixed(0, 4);
  mixed.batch().partners = {1, 2, 3, 0};
  FilledBatch plain(0, 4);
  const auto loss_of = [](const TrainingBatch& batch) {
    const auto report =
        MakeTrainer(PlainOptions())->Step({&batch, 1}, Rate(0.1));
    EXPECT_TRUE(report.ok()) << report.status();
    return report->loss;
  };
  // All of the own picture, all of the partner's, and something else.
  mixed.batch().mix = 1;
  const double own = loss_of(plain.batch());
  EXPECT_DOUBLE_EQ(loss_of(mixed.batch()), own);
  mixed.batch().mix = 0;
  EXPECT_NEAR(loss_of(mixed.batch()), own, 1e-6);
  mixed.batch().mix = 0.5;
  EXPECT_GT(std::abs(loss_of(mixed.batch()) - own), 1e-4);
}

TEST(TorchTrainerTest, KnowsWhatItHolds) {
  const std::int64_t plain = MakeTrainer(PlainOptions())->resident_bytes();
  const Network network = SmallNetwork();
  const std::int64_t parameters = 4 * ParameterCount(network);
  // Parameters, gradients, momentum; and the statistics.
  EXPECT_GT(plain, 3 * parameters);
  EXPECT_LT(plain, 3 * parameters + 1000);
  TrainerOptions options = PlainOptions();
  options.optimizer.kind = OptimizerKind::kAdamW;
  options.ema = 0.9;
  EXPECT_EQ(MakeTrainer(options)->resident_bytes(), plain + 2 * parameters);
}

}  // namespace
}  // namespace resnetd
