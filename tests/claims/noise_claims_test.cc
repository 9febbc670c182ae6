// B5, B6 and B8 of docs/gradients.md: how much of a gradient is noise.

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iostream>
#include <memory>
#include <numeric>
#include <vector>

#include "absl/status/statusor.h"
#include "server/finetune/network_parts.h"
#include "server/nn/lab/loss_spikes.h"
#include "server/nn/torch_trainer.h"
#include "tests/claims/claims_fixture.h"

namespace resnetd {
namespace {

int Seeds() { return IsLong() ? 5 : 1; }

// Mean over the seeds: of the stem, then of each block.
std::vector<double> MeanSnr(const LabSpec& spec) {
  std::vector<double> mean;
  for (int seed = 0; seed < Seeds(); ++seed) {
    LabSpec own = spec;
    own.seed = seed;
    const std::vector<double> snr = FirstSnr(own, AllDigits());
    mean.resize(snr.size());
    for (std::size_t i = 0; i < snr.size(); ++i) {
      mean[i] += snr[i] / Seeds();
    }
  }
  return mean;
}

TEST(ClaimB5, WithNormsADeepPlainNetDoesNotVanishItExplodesAndIsNoise) {
  for (int seed = 0; seed < (IsLong() ? 5 : 2); ++seed) {
    const LabSpec plain{
        .stage_blocks = 9, .has_shortcuts = false, .seed = seed};
    const LabSpec residual{
        .stage_blocks = 9, .zero_residual = true, .seed = seed};
    const double of_plain = FirstDepthRatio(plain, AllDigits());
    const double of_residual = FirstDepthRatio(residual, AllDigits());
    std::cout << "depth ratio: plain-56 " << of_plain << ", res-56 zero gamma "
              << of_residual << '\n';
    // 3190 and 1.8 within an order of magnitude.
    EXPECT_GT(of_plain, 319);
    EXPECT_LT(of_plain, 31900);
    EXPECT_GT(of_residual, 0.18);
    EXPECT_LT(of_residual, 18);
  }
  const std::vector<double> of_plain =
      MeanSnr({.stage_blocks = 9, .has_shortcuts = false});
  const double snr_of_plain = of_plain.front();
  const double snr_of_residual =
      MeanSnr({.stage_blocks = 9, .zero_residual = true}).front();
  std::cout << "SNR of 64 digits at the stem: plain-56 " << snr_of_plain
            << ", res-56 zero gamma " << snr_of_residual << '\n';
  EXPECT_LT(std::fabs(snr_of_plain), 0.1);
  EXPECT_GT(of_plain.back(), 0.03);
  EXPECT_GT(snr_of_residual, 0.3);
  EXPECT_LT(snr_of_residual, 11);
}

TEST(ClaimB5, NormsKeepTheVarianceOnTheWayForward) {
  const auto least_variance = [](bool has_norms) {
    const SeenPass seen({.stage_blocks = 9,
                         .has_shortcuts = false,
                         .has_norms = has_norms,
                         .gain = 0.5},
                        FirstDigits(64));
    double least = 1e300;
    for (std::size_t i = 0; i < seen.blocks(); ++i) {
      least = std::min(least, seen.tap(i).main_output.var().item<double>());
    }
    return least;
  };
  EXPECT_GT(least_variance(true), 0.5);
  EXPECT_LT(least_variance(false), 1e-12);
}

TEST(ClaimB6, NormsDoNotHelpAgainstNoiseWhichAddsUpLayerByLayer) {
  const std::vector<double> plain_8 =
      MeanSnr({.stage_blocks = 1, .has_shortcuts = false});
  const std::vector<double> plain_20 =
      MeanSnr({.stage_blocks = 3, .has_shortcuts = false});
  std::cout << "SNR of 64 digits at the stem: plain-8 " << plain_8.front()
            << ", at its last block " << plain_8.back() << "; plain-20 "
            << plain_20.front() << " and " << plain_20.back() << '\n';
  // With depth, and within a network towards the input.
  EXPECT_GT(plain_8.front(), 0.1);
  EXPECT_LT(plain_20.front(), 0.5 * plain_8.front());
  EXPECT_GT(plain_8.back(), 2 * plain_8.front());
  EXPECT_GT(plain_20.back(), 2 * plain_20.front());
}

double SquareOf(const std::vector<NamedTensor>& gradients) {
  double sum = 0;
  for (const NamedTensor& entry : gradients) {
    const double norm = NormOfValues(entry.tensor.to(at::kDouble));
    sum += norm * norm;
  }
  return sum;
}

constexpr std::size_t kPopulation = 400;

// A network that begins, or has learnt for so many epochs.
struct NoiseSetting {
  const char* name;
  LabSpec spec;
  int epochs = 0;
};

absl::StatusOr<std::unique_ptr<TorchTrainer>> NoiseTrainer(
    const NoiseSetting& setting) {
  const Network network = LabNetwork(setting.spec, kDigitClasses);
  GradientLab lab = NewLab(setting.spec, at::kFloat, LabOptimizer());
  if (setting.epochs > 0) {
    TrainDigits(lab, AllDigits(), setting.epochs, 0.1, 1);
  }
  TrainerOptions options;
  options.trained_parts.assign(PartNames(network).size(), true);
  // Batch norms that look at the batch have no gradient of one example.
  options.norms = NormStatistics::kFreeze;
  return TorchTrainer::Create(options, network, lab.ExportWeights(),
                              DigitPreprocess(), at::kCPU);
}

// From the gradient of each single digit.
double TrueNoiseScale(TorchTrainer& trainer) {
  const TrainingBatch population = FirstDigits(kPopulation);
  double squares = 0;
  for (std::size_t i = 0; i < kPopulation; ++i) {
    TrainingBatch one;
    one.pictures.push_back(population.pictures[i]);
    one.labels.push_back(population.labels[i]);
    squares += SquareOf(trainer.Gradients({&one, 1}).value()) / kPopulation;
  }
  const double signal = SquareOf(trainer.Gradients({&population, 1}).value());
  return (squares - signal) / signal;
}

// From 60 observed steps of four micro-batches that change nothing.
double EstimatedNoiseScale(TorchTrainer& trainer, const LabSpec& spec) {
  const TrainingBatch population = FirstDigits(kPopulation);
  SeededRandom random(1);
  StepSettings settings;
  settings.rates.assign(PartNames(LabNetwork(spec, kDigitClasses)).size(), 0);
  settings.observe = Observation{.step = 1};
  GradientNoise sum;
  for (int step = 0; step < 60; ++step) {
    std::vector<TrainingBatch> parts(4);
    for (std::size_t i = 0; i < 256; ++i) {
      const auto row = static_cast<std::size_t>(random.Below(kPopulation));
      parts[i % 4].pictures.push_back(population.pictures[row]);
      parts[i % 4].labels.push_back(population.labels[row]);
    }
    const GradientNoise noise =
        *trainer.Step(parts, settings).value().sample->noise;
    sum.signal += noise.signal;
    sum.noise += noise.noise;
  }
  return sum.noise / sum.signal;
}

TEST(ClaimB6, TheNoiseOfMicroBatchesIsThatOfSingleExamples) {
  const std::vector<NoiseSetting> settings = {
      {.name = "res-8 after an epoch", .spec = {}, .epochs = 1},
      {.name = "res-8 at the beginning", .spec = {}},
      {.name = "res-8 zero gamma at the beginning",
       .spec = {.zero_residual = true}},
      {.name = "res-8 after 3 epochs", .spec = {}, .epochs = 3},
      {.name = "res-20 after an epoch",
       .spec = {.stage_blocks = 3},
       .epochs = 1},
      {.name = "res-20 pre-activation after an epoch",
       .spec = {.stage_blocks = 3, .version = BlockVersion::kV2},
       .epochs = 1}};
  const std::size_t tried = IsLong() ? settings.size() : 1;
  for (std::size_t i = 0; i < tried; ++i) {
    const auto trainer = NoiseTrainer(settings[i]).value();
    const double truth = TrueNoiseScale(*trainer);
    const double estimate = EstimatedNoiseScale(*trainer, settings[i].spec);
    std::cout << "noise scale of single digits, " << settings[i].name << ": "
              << truth << ", after 60 steps estimated " << estimate << '\n';
    EXPECT_NEAR(estimate / truth, 1, 0.15) << settings[i].name;
  }
}

TEST(ClaimB8, SharpIncreasesOfTheLossAreCounted) {
  GradientLab lab = NewLab({.stage_blocks = 1}, at::kFloat, LabOptimizer());
  std::vector<double> losses = TrainDigits(lab, AllDigits(), 3, 0.02, 1).losses;
  const std::vector<std::size_t> own = LossSpikes(losses);
  std::cout << own.size() << " spikes in " << losses.size()
            << " steps of a healthy training\n";
  EXPECT_LE(own.size(), losses.size() / 10);
  std::vector<std::size_t> expected = own;
  for (const std::size_t place : {30U, 45U, 60U}) {
    losses[place] += 5;
    expected.push_back(place);
  }
  std::sort(expected.begin(), expected.end());
  expected.erase(std::unique(expected.begin(), expected.end()), expected.end());
  const std::vector<std::size_t> found = LossSpikes(losses);
  for (const std::size_t place : {30U, 45U, 60U}) {
    EXPECT_TRUE(std::binary_search(found.begin(), found.end(), place));
  }
  EXPECT_LE(found.size(), expected.size());
}

}  // namespace
}  // namespace resnetd
