#include "server/nn/gradient_probe.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <memory>
#include <string>

#include "server/base/error.h"
#include "tests/unit/nn/training_fixture.h"

namespace resnetd {
namespace {

struct Case {
  BlockVersion version = BlockVersion::kV1;
  bool batch_statistics = false;
};

class GradientProbeTest : public testing::TestWithParam<Case> {
 protected:
  GradientProbeTest()
      : network_(BuildNetwork({.name = "deep",
                               .block = BlockKind::kBasic,
                               .version = GetParam().version,
                               .stem = StemKind::kCifar,
                               .stage_blocks = {3, 3},
                               .base_planes = 4,
                               .num_classes = kClasses})),
        probe_(GradientProbe::Create(network_, FillWeights(network_),
                                     SmallPictures())
                   .value()),
        batch_(0, 5),
        settings_{.batch_statistics = GetParam().batch_statistics} {}

  ProbeReport Probe() {
    const auto report = probe_->Probe(batch_.batch(), settings_);
    EXPECT_TRUE(report.ok()) << report.status();
    return report.ok() ? *report : ProbeReport();
  }

  const Network network_;
  const std::unique_ptr<GradientProbe> probe_;
  FilledBatch batch_;
  ProbeSettings settings_;
};

INSTANTIATE_TEST_SUITE_P(
    Cases, GradientProbeTest,
    testing::Values(Case{BlockVersion::kV1, false},
                    Case{BlockVersion::kV1, true},
                    Case{BlockVersion::kV2, false},
                    Case{BlockVersion::kV2, true}),
    [](const auto& test) {
      return std::string(test.param.version == BlockVersion::kV1 ? "v1"
                                                                 : "v2") +
             (test.param.batch_statistics ? "_of_the_batch" : "_running");
    });

// What a step of a training would show of the same examples.
TEST_P(GradientProbeTest, ShowsWhatATrainingShows) {
  const ProbeReport report = Probe();
  TrainerOptions options = PlainOptions();
  options.norms = GetParam().batch_statistics ? NormStatistics::kTrain
                                              : NormStatistics::kFreeze;
  const auto trainer = MakeTrainer(options, at::kDouble, network_);
  StepSettings settings = Rate(0.1);
  settings.observe = Observation{.step = 1};
  const auto step = trainer->Step({&batch_.batch(), 1}, settings);
  ASSERT_TRUE(step.ok());
  EXPECT_NEAR(report.loss, step->loss, 1e-12);
  EXPECT_EQ(report.examples, 5);
  ASSERT_EQ(report.blocks.size(), 6U);
  for (std::size_t i = 0; i < report.blocks.size(); ++i) {
    const ProbedBlock& block = report.blocks[i];
    const BlockSample& expected = step->sample->blocks[i];
    EXPECT_EQ(block.shortcut_is_identity, i != 3);
    EXPECT_NEAR(block.paths.main, expected.paths->main, 1e-12);
    EXPECT_NEAR(block.paths.shortcut, expected.paths->shortcut, 1e-12);
    EXPECT_NEAR(block.paths.input, expected.paths->input, 1e-12);
    EXPECT_NEAR(block.paths.sum, expected.paths->sum, 1e-12);
    EXPECT_NEAR(block.paths.cosine, expected.paths->cosine, 1e-10);
    EXPECT_NEAR(*block.residual_ratio, *expected.residual_ratio, 1e-12);
    EXPECT_FALSE(block.differences.has_value());
    EXPECT_FALSE(block.parameters.has_value());
  }
  EXPECT_FALSE(report.distribution.has_value());
}

TEST_P(GradientProbeTest, ProvesItsGradientsByDifferences) {
  settings_.check_differences = true;
  for (const ProbedBlock& block : Probe().blocks) {
    ASSERT_TRUE(block.differences.has_value());
    EXPECT_LT(block.differences->main, 1e-6);
    EXPECT_LT(block.differences->shortcut, 1e-6);
  }
}

TEST_P(GradientProbeTest, SplitsTheGradientOfEarlierParametersByPath) {
  settings_.split_parameters = true;
  for (const ProbedBlock& block : Probe().blocks) {
    ASSERT_TRUE(block.parameters.has_value());
    EXPECT_LT(block.parameters->error, 1e-12);
    EXPECT_GT(block.parameters->by_main, 0);
    EXPECT_GT(block.parameters->by_shortcut, 0);
    EXPECT_LE(block.parameters->whole,
              block.parameters->by_main + block.parameters->by_shortcut);
  }
}

TEST_P(GradientProbeTest, AllWaysBackAddUpToTheGradient) {
  settings_.path_passes = 64;
  const PathDistribution distribution = *Probe().distribution;
  ASSERT_TRUE(distribution.error.has_value());
  EXPECT_LT(*distribution.error, 1e-12);
  ASSERT_EQ(distribution.lengths.size(), 7U);
  const int ways[] = {1, 6, 15, 20, 15, 6, 1};
  for (std::size_t length = 0; length < 7; ++length) {
    EXPECT_EQ(distribution.lengths[length].main_paths,
              static_cast<int>(length));
    EXPECT_EQ(distribution.lengths[length].ways, ways[length]);
    EXPECT_EQ(distribution.lengths[length].gone, ways[length]);
    EXPECT_GT(distribution.lengths[length].mean_norm, 0);
    EXPECT_EQ(distribution.lengths[length].mass(),
              ways[length] * distribution.lengths[length].mean_norm);
  }
  EXPECT_GT(distribution.direct_share, 0);
}

TEST_P(GradientProbeTest, SamplesTheWaysWhenThereAreTooMany) {
  settings_.path_passes = 64;
  const PathDistribution all = *Probe().distribution;
  settings_.path_passes = 63;
  const PathDistribution some = *Probe().distribution;
  EXPECT_FALSE(some.error.has_value());
  int gone = 0;
  for (std::size_t length = 0; length < 7; ++length) {
    EXPECT_EQ(some.lengths[length].ways, all.lengths[length].ways);
    EXPECT_LE(some.lengths[length].gone, 9);
    gone += some.lengths[length].gone;
    // Nine draws of a few numbers of the same size.
    EXPECT_GT(some.lengths[length].mean_norm,
              0.4 * all.lengths[length].mean_norm);
    EXPECT_LT(some.lengths[length].mean_norm,
              2.5 * all.lengths[length].mean_norm);
  }
  EXPECT_LE(gone, 63);
  // There is one way by shortcuts alone.
  EXPECT_EQ(some.lengths[0].gone, 1);
  EXPECT_EQ(some.direct_share, all.direct_share);
}

TEST_P(GradientProbeTest, LeavesTheNetworkAsItIs) {
  settings_.check_differences = true;
  settings_.split_parameters = true;
  settings_.path_passes = 20;
  const ProbeReport first = Probe();
  const ProbeReport second = Probe();
  EXPECT_EQ(first.loss, second.loss);
  EXPECT_EQ(first.distribution->direct_share,
            second.distribution->direct_share);
  for (std::size_t i = 0; i < first.blocks.size(); ++i) {
    EXPECT_EQ(first.blocks[i].paths, second.blocks[i].paths);
    EXPECT_EQ(first.blocks[i].parameters->whole,
              second.blocks[i].parameters->whole);
  }
}

TEST(GradientProbeRulesTest, RefusesWhatCannotBe) {
  const Network network = SmallNetwork();
  const auto probe =
      GradientProbe::Create(network, FillWeights(network), SmallPictures())
          .value();
  const auto reason = [&](const TrainingBatch& batch,
                          const ProbeSettings& settings = {}) {
    return DetailsOf(probe->Probe(batch, settings).status()).reason;
  };
  FilledBatch good(0, 2);
  EXPECT_EQ(reason(good.batch()), "");
  EXPECT_EQ(reason(good.batch(), {.threads = 0}), "RECIPE_INVALID");
  EXPECT_EQ(reason(good.batch(), {.path_passes = -1}), "RECIPE_INVALID");
  EXPECT_EQ(reason({}), "RECIPE_INVALID");
  FilledBatch one(0, 1);
  EXPECT_EQ(reason(one.batch()), "");
  EXPECT_EQ(reason(one.batch(), {.batch_statistics = true}), "RECIPE_INVALID");
  FilledBatch wrong_label(0, 2);
  wrong_label.batch().labels[1] = kClasses;
  EXPECT_EQ(reason(wrong_label.batch()), "RECIPE_INVALID");
  FilledBatch mixed(0, 2);
  mixed.batch().partners = {1, 0};
  EXPECT_EQ(reason(mixed.batch()), "RECIPE_INVALID");
  Pixels large = FillPicture(kSide + 1, kSide, 0);
  FilledBatch sized(0, 2);
  sized.batch().pictures[1] = &large;
  EXPECT_EQ(reason(sized.batch()), "REQUEST_INVALID");
}

}  // namespace
}  // namespace resnetd
