// Steps that are observed: nothing of them changes, and what they tell is so.

#include <ATen/core/Tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/base/clock.h"
#include "server/models/feature_extractor.h"
#include "server/nn/torch_trainer.h"
#include "tests/unit/nn/observed_steps.h"
#include "tests/unit/nn/training_fixture.h"

namespace resnetd {
namespace {

struct Setting {
  std::string name;
  TrainerOptions options = PlainOptions();
  BlockVersion version = BlockVersion::kV1;
  std::vector<int> sizes = {6};
  bool mixes = false;
  bool has_features = false;
  bool by_gradients = false;
};

std::vector<Setting> Settings() {
  std::vector<Setting> all;
  const auto add = [&all](const std::string& name) -> Setting& {
    all.push_back({.name = name});
    return all.back();
  };
  add("v1");
  add("v2").version = BlockVersion::kV2;
  add("accumulation").sizes = {2, 5, 3};
  Setting& deep = add("stochastic_depth");
  deep.options.stochastic_depth = 0.5;
  deep.sizes = {7};
  Setting& deep_v2 = add("stochastic_depth_v2");
  deep_v2.options.stochastic_depth = 0.5;
  deep_v2.version = BlockVersion::kV2;
  deep_v2.sizes = {4, 4};
  add("mixup").mixes = true;
  add("frozen_prefix").options.trained_parts = {false, false, true, true};
  add("head_alone").options.trained_parts = {false, false, false, true};
  add("frozen_middle").options.trained_parts = {true, false, true, false};
  Setting& features = add("features");
  features.options.trained_parts = {false, false, true, true};
  features.has_features = true;
  add("frozen_norms").options.norms = NormStatistics::kFreeze;
  add("bf16").options.precision = TrainingPrecision::kBf16;
  Setting& bf16_v2 = add("bf16_accumulation_v2");
  bf16_v2.options.precision = TrainingPrecision::kBf16;
  bf16_v2.version = BlockVersion::kV2;
  bf16_v2.sizes = {4, 3};
  Setting& adamw = add("adamw_and_everything");
  adamw.options.optimizer.kind = OptimizerKind::kAdamW;
  adamw.options.optimizer.weight_decay = 0.01;
  adamw.options.ema = 0.9;
  adamw.options.l2_sp = 0.1;
  adamw.options.clip_norm = 0.1;
  adamw.options.label_smoothing = 0.1;
  adamw.options.class_weights = {1, 2, 0.5, 3};
  adamw.by_gradients = true;
  return all;
}

class TorchTrainerObservedTest : public testing::TestWithParam<Setting> {
 protected:
  std::unique_ptr<TorchTrainer> Make(at::ScalarType dtype) const {
    return MakeTrainer(GetParam().options, dtype,
                       DeepNetwork(GetParam().version));
  }
  StepData Data(int step) const {
    StepData data(step, GetParam().sizes);
    if (GetParam().mixes) {
      data.Mix();
    }
    if (GetParam().has_features) {
      data.UseFeatures(
          ShapeOfFeatures(DeepNetwork(GetParam().version), kSide, 1).values());
    }
    return data;
  }
};

INSTANTIATE_TEST_SUITE_P(Settings, TorchTrainerObservedTest,
                         testing::ValuesIn(Settings()),
                         [](const auto& test) { return test.param.name; });

TEST_P(TorchTrainerObservedTest, ChangesNoBitOfTheTraining) {
  const auto plain = Make(at::kFloat);
  const auto observed = Make(at::kFloat);
  for (int step = 0; step < 4; ++step) {
    const StepData data = Data(step);
    StepSettings settings = Rate(0.05);
    settings.by_gradients = GetParam().by_gradients;
    const auto expected = plain->Step(data.batches(), settings);
    // The last one without: what was observed leaves nothing behind.
    if (step < 3) {
      settings.observe = Observation{.step = step + 1, .noise = step != 1};
    }
    const auto actual = observed->Step(data.batches(), settings);
    ASSERT_TRUE(expected.ok() && actual.ok()) << actual.status();
    EXPECT_EQ(actual->sample.has_value(), step < 3);
    EXPECT_FALSE(expected->sample.has_value());
    EXPECT_EQ(actual->loss, expected->loss);
    EXPECT_EQ(actual->correct, expected->correct);
    EXPECT_EQ(actual->gradient_norm, expected->gradient_norm);
    EXPECT_EQ(actual->parts, expected->parts);
    const TrainerState left = SavedState(*observed);
    const TrainerState right = SavedState(*plain);
    EXPECT_TRUE(SameValues(left.weights, right.weights)) << step;
    EXPECT_TRUE(SameValues(left.optimizer, right.optimizer)) << step;
    EXPECT_TRUE(SameValues(left.means, right.means)) << step;
  }
}

TEST_P(TorchTrainerObservedTest, TellsWhereTheTimeOfAStepWent) {
  const auto trainer = Make(at::kFloat);
  for (int step = 0; step < 3; ++step) {
    const StepData data = Data(step);
    StepSettings settings = Rate(0.05);
    if (step > 0) {
      settings.observe = Observation{.step = step + 1, .noise = step == 2};
    }
    const SteadyTime begun = RealClock().Now();
    const auto report = trainer->Step(data.batches(), settings);
    const Duration took = RealClock().Now() - begun;
    ASSERT_TRUE(report.ok() && report->phases.has_value());
    const StepPhases& phases = *report->phases;
    EXPECT_GT(phases.forward, Duration::zero());
    EXPECT_GT(phases.backward, Duration::zero());
    EXPECT_GT(phases.optimizer, Duration::zero());
    EXPECT_EQ(phases.probe > Duration::zero(), step > 0);
    EXPECT_LE(
        phases.forward + phases.backward + phases.optimizer + phases.probe,
        took);
  }
}

// Norms of some tensors of a list, by the plainest computation.
struct Norms {
  double square = 0;
  double zeros = 0;
  double values = 0;
  void Add(const at::Tensor& tensor) {
    const at::Tensor plain = tensor.detach().to(at::kDouble).contiguous();
    const auto* numbers = plain.const_data_ptr<double>();
    for (std::int64_t i = 0; i < plain.numel(); ++i) {
      square += numbers[i] * numbers[i];
      zeros += numbers[i] == 0 ? 1 : 0;
      values += 1;
    }
  }
};

std::vector<at::Tensor> Copies(const TorchTrainer& trainer) {
  std::vector<at::Tensor> copies;
  for (const NamedTensor& entry : trainer.NetworkState()) {
    copies.push_back(entry.tensor.detach().clone());
  }
  return copies;
}

bool IsOf(const NamedTensor& entry, const std::string& prefix) {
  return absl::StartsWith(entry.name, prefix) && !IsStatistic(entry.name) &&
         entry.tensor.requires_grad();
}

TEST_P(TorchTrainerObservedTest, TellsTheNormsOfGradientWeightsAndUpdate) {
  // Of bfloat16 there is no double precision beside.
  const bool is_narrow =
      GetParam().options.precision == TrainingPrecision::kBf16;
  const at::ScalarType dtype = is_narrow ? at::kFloat : at::kDouble;
  const double tolerance = is_narrow ? 1e-5 : 1e-12;
  const auto trainer = Make(dtype);
  const auto reference = Make(dtype);
  // The first step: the pull of L2-SP is 0 yet.
  const StepData data = Data(0);
  const std::vector<NamedTensor> gradients =
      reference->Gradients(data.batches()).value();
  const std::vector<at::Tensor> before = Copies(*trainer);
  const GradientSample sample =
      SampleOf(*trainer, data.batches(), Observed(1, /*noise=*/true));
  const std::vector<NamedTensor> state = trainer->NetworkState();
  const Network network = DeepNetwork(GetParam().version);
  ASSERT_EQ(sample.blocks.size(), network.blocks.size());
  for (std::size_t block = 0; block <= network.blocks.size(); ++block) {
    const bool is_block = block < network.blocks.size();
    const std::string prefix = is_block ? network.blocks[block].name + "." : "";
    Norms gradient;
    Norms weights;
    Norms update;
    for (const NamedTensor& entry : gradients) {
      if (absl::StartsWith(entry.name, prefix)) {
        gradient.Add(entry.tensor);
      }
    }
    for (std::size_t i = 0; i < state.size(); ++i) {
      if (IsOf(state[i], prefix)) {
        weights.Add(before[i]);
        update.Add(state[i].tensor.detach().sub(before[i]));
      }
    }
    const std::optional<ParameterNorms> actual =
        is_block ? sample.blocks[block].parameters : sample.all;
    ASSERT_EQ(actual.has_value(), gradient.values > 0) << prefix;
    if (actual) {
      EXPECT_NEAR(actual->gradient, std::sqrt(gradient.square), tolerance);
      EXPECT_NEAR(actual->weights, std::sqrt(weights.square), tolerance);
      EXPECT_NEAR(actual->update, std::sqrt(update.square), tolerance);
      EXPECT_NEAR(actual->zero_share, gradient.zeros / gradient.values,
                  tolerance);
    }
  }
}

TEST_P(TorchTrainerObservedTest, TellsPathsOnlyWhereAGradientComesBack) {
  const auto trainer = Make(at::kFloat);
  const GradientSample sample =
      SampleOf(*trainer, Data(0).batches(), Observed(17));
  EXPECT_EQ(sample.step, 17);
  EXPECT_EQ(sample.examples, GetParam().sizes.size() == 1
                                 ? GetParam().sizes[0]
                                 : std::accumulate(GetParam().sizes.begin(),
                                                   GetParam().sizes.end(), 0));
  const std::vector<bool>& trained = GetParam().options.trained_parts;
  const Network network = DeepNetwork(GetParam().version);
  for (std::size_t i = 0; i < sample.blocks.size(); ++i) {
    const BlockSample& block = sample.blocks[i];
    const auto stage = static_cast<std::size_t>(network.blocks[i].stage);
    const bool is_first =
        i == 0 || network.blocks[i - 1].stage != network.blocks[i].stage;
    bool expected =
        std::find(trained.begin(), trained.begin() + static_cast<int>(stage),
                  true) != trained.begin() + static_cast<int>(stage);
    // From a trained block of the same part; in front of a projection of a v2
    // block there is a norm of its own.
    expected =
        expected || (trained[stage] &&
                     (!is_first || (network.blocks[i].shortcut &&
                                    network.version == BlockVersion::kV2)));
    EXPECT_EQ(block.paths.has_value(), expected) << i;
    EXPECT_EQ(block.residual_ratio.has_value(), expected) << i;
    EXPECT_EQ(block.parameters.has_value(), trained[stage]) << i;
    EXPECT_EQ(block.main_weights.has_value(), trained[stage]) << i;
    EXPECT_EQ(block.last_scale.has_value(),
              network.version == BlockVersion::kV1);
    if (block.paths) {
      EXPECT_GT(block.paths->main, 0);
      EXPECT_GT(block.paths->shortcut, 0);
      EXPECT_LE(std::fabs(block.paths->cosine), 1);
      if (!network.blocks[i].shortcut) {
        EXPECT_EQ(block.paths->sum, block.paths->shortcut);
      }
    }
  }
}

TEST_P(TorchTrainerObservedTest, GoesOnFromASavedStateWithTheSameNumbers) {
  const auto straight = Make(at::kFloat);
  const auto before = Make(at::kFloat);
  for (int step = 0; step < 2; ++step) {
    const StepData data = Data(step);
    SampleOf(*straight, data.batches(), Observed(step + 1, /*noise=*/true));
    SampleOf(*before, data.batches(), Observed(step + 1, /*noise=*/true));
  }
  const auto after = Make(at::kFloat);
  ASSERT_TRUE(after->Restore(SavedState(*before)).ok());
  EXPECT_EQ(*after->PendingSample(), std::nullopt);
  for (int step = 2; step < 4; ++step) {
    const StepData data = Data(step);
    const StepSettings settings = Observed(step + 1, /*noise=*/true);
    EXPECT_TRUE(SampleOf(*after, data.batches(), settings) ==
                SampleOf(*straight, data.batches(), settings));
  }
}

// With the running statistics several batches are one.
TEST(TorchTrainerObservedBatchesTest, AreOfAllExamplesOfTheStep) {
  TrainerOptions options = PlainOptions();
  options.norms = NormStatistics::kFreeze;
  options.class_weights = {1, 2, 0.5, 3};
  const StepData in_one(0, {10});
  const StepData in_three(0, {2, 5, 3});
  const auto one = MakeTrainer(options, at::kDouble, DeepNetwork());
  const auto three = MakeTrainer(options, at::kDouble, DeepNetwork());
  const GradientSample expected = SampleOf(*one, in_one.batches(), Observed(1));
  const GradientSample actual =
      SampleOf(*three, in_three.batches(), Observed(1));
  EXPECT_EQ(actual.examples, 10);
  const auto expect_near = [](double left, double right) {
    EXPECT_NEAR(left, right, 1e-12 * std::fabs(right));
  };
  for (std::size_t i = 0; i < expected.blocks.size(); ++i) {
    const BlockSample& left = actual.blocks[i];
    const BlockSample& right = expected.blocks[i];
    expect_near(left.paths->main, right.paths->main);
    expect_near(left.paths->shortcut, right.paths->shortcut);
    expect_near(left.paths->input, right.paths->input);
    expect_near(left.paths->sum, right.paths->sum);
    EXPECT_NEAR(left.paths->cosine, right.paths->cosine, 1e-12);
    expect_near(*left.residual_ratio, *right.residual_ratio);
    expect_near(left.parameters->gradient, right.parameters->gradient);
    expect_near(left.parameters->update, right.parameters->update);
  }
  expect_near(actual.all.gradient, expected.all.gradient);
}

TEST(TorchTrainerObservedPullTest, IsLeftOutOfTheNorms) {
  TrainerOptions options = PlainOptions();
  options.l2_sp = 0.5;
  const auto pulled = MakeTrainer(options, at::kDouble, DeepNetwork());
  TrainStep(*pulled, 0, 0.1);
  const auto plain = MakeTrainer(PlainOptions(), at::kDouble, DeepNetwork());
  const std::vector<NamedTensor> from = pulled->NetworkState();
  const std::vector<NamedTensor> to = plain->NetworkState();
  for (std::size_t i = 0; i < from.size(); ++i) {
    to[i].tensor.detach().copy_(from[i].tensor.detach());
  }
  const StepData data(1, {6});
  const auto expected = plain->Step(data.batches(), Observed(2));
  const auto actual = pulled->Step(data.batches(), Observed(2));
  EXPECT_EQ(actual->sample->all.gradient, expected->sample->all.gradient);
  EXPECT_NEAR(expected->sample->all.gradient, expected->gradient_norm,
              1e-12 * expected->gradient_norm);
  EXPECT_GT(std::fabs(actual->gradient_norm - expected->gradient_norm), 1e-3);
}

// A block whose last scale is 0 is the identity: no gradient reaches its
// convolutions, but one does reach the scale, so that it can become something.
TEST(TorchTrainerObservedScaleTest, AScaleOfZeroTakesAGradientAndPassesNone) {
  const Network network = DeepNetwork();
  const auto trainer = MakeTrainer(PlainOptions(), at::kDouble, network);
  const std::string block = "layer1.1.";
  for (const NamedTensor& entry : trainer->NetworkState()) {
    if (absl::StartsWith(entry.name, block + "bn2") &&
        !IsStatistic(entry.name)) {
      entry.tensor.detach().zero_();
    }
  }
  const StepData data(0, {6});
  const std::vector<NamedTensor> gradients =
      trainer->Gradients(data.batches()).value();
  for (const NamedTensor& entry : gradients) {
    if (absl::StartsWith(entry.name, block)) {
      const double norm = entry.tensor.norm().item<double>();
      EXPECT_EQ(norm > 0, absl::StrContains(entry.name, "bn2")) << entry.name;
    }
  }
  const BlockSample sample =
      SampleOf(*trainer, data.batches(), Observed(1)).blocks[1];
  EXPECT_EQ(sample.paths->main, 0);
  EXPECT_GT(sample.paths->shortcut, 0);
  EXPECT_EQ(sample.paths->input, sample.paths->shortcut);
  EXPECT_EQ(sample.paths->cosine, 0);
  EXPECT_EQ(*MainShare(*sample.paths), 0);
  EXPECT_EQ(*sample.residual_ratio, 0);
  EXPECT_EQ(*sample.last_scale, 0);
  EXPECT_GT(sample.parameters->gradient, 0);
  EXPECT_GT(*sample.main_weights, 0);
  // Two convolutions of 4 x 4 x 3 x 3 and the first norm; not the last norm.
  EXPECT_NEAR(sample.parameters->zero_share, (288 + 8.0) / (288 + 16), 1e-12);
}

TEST(TorchTrainerObservedScaleTest, IsThatOfTheLastNorm) {
  const Network network = DeepNetwork();
  const Weights weights = FillWeights(network);
  const auto trainer = MakeTrainer(PlainOptions(), at::kFloat, network);
  const GradientSample sample =
      SampleOf(*trainer, StepData(0, {6}).batches(), Observed(1));
  for (std::size_t i = 0; i < sample.blocks.size(); ++i) {
    double square = 0;
    for (const float value :
         weights.at(network.blocks[i].name + ".bn2.weight").values) {
      square += double{value} * value;
    }
    EXPECT_NEAR(*sample.blocks[i].last_scale, std::sqrt(square), 1e-6);
  }
}

TEST(TorchTrainerObservedRulesTest, TellsNothingUnasked) {
  const auto trainer = MakeTrainer(PlainOptions());
  const StepReport report = TrainStep(*trainer, 0);
  EXPECT_FALSE(report.sample.has_value());
  EXPECT_EQ(*trainer->PendingSample(), std::nullopt);
}

TEST(TorchTrainerObservedRulesTest, TellsNothingOfAStepThatIsNotFinite) {
  const auto trainer = MakeTrainer(PlainOptions());
  TrainerState broken = SavedState(*trainer);
  broken.weights.back().second.values[0] =
      std::numeric_limits<float>::quiet_NaN();
  const TrainerState good = SavedState(*trainer);
  ASSERT_TRUE(trainer->Restore(broken).ok());
  const StepData data(0, {6});
  const auto report =
      trainer->Step(data.batches(), Observed(1, /*noise=*/true));
  ASSERT_TRUE(report.ok());
  EXPECT_FALSE(report->is_finite);
  EXPECT_FALSE(report->sample.has_value());
  EXPECT_EQ(*trainer->PendingSample(), std::nullopt);
  // Nothing of it is left.
  ASSERT_TRUE(trainer->Restore(good).ok());
  const auto fresh = MakeTrainer(PlainOptions());
  EXPECT_TRUE(SampleOf(*trainer, data.batches(), Observed(1)) ==
              SampleOf(*fresh, data.batches(), Observed(1)));
}

}  // namespace
}  // namespace resnetd
