// A1 to A5 of docs/gradients.md: the block and its two gradients.

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "server/finetune/network_parts.h"
#include "server/models/weight_fill.h"
#include "server/nn/gradient_probe.h"
#include "tests/claims/claims_fixture.h"

namespace resnetd {
namespace {

constexpr LabSpec kRes20{.stage_blocks = 3};

ProbeReport ProbeOf(const LabSpec& spec, const TrainingBatch& batch,
                    const ProbeSettings& settings) {
  const Network network = LabNetwork(spec, kDigitClasses);
  const auto probe = GradientProbe::Create(network, LabWeights(spec, network),
                                           DigitPreprocess())
                         .value();
  return probe->Probe(batch, settings).value();
}

struct GoldenRow {
  std::string network;
  std::vector<double> logits;
};

std::vector<GoldenRow> GoldenRows() {
  std::ifstream file(RESNETD_SOURCE_DIR "/tests/golden/claims/torchvision.txt");
  std::vector<GoldenRow> rows;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line.front() == '#') {
      continue;
    }
    std::istringstream words(line);
    rows.emplace_back();
    words >> rows.back().network;
    for (std::string number; words >> number;) {
      rows.back().logits.push_back(std::strtod(number.c_str(), nullptr));
    }
  }
  return rows;
}

// Every pixel eight times in both directions.
Pixels Enlarged(const Pixels& picture) {
  constexpr int kTimes = 8;
  Pixels large{.width = picture.width * kTimes,
               .height = picture.height * kTimes,
               .rgb = {}};
  for (int y = 0; y < large.height; ++y) {
    for (int x = 0; x < large.width; ++x) {
      const int from = (y / kTimes * picture.width + x / kTimes) * 3;
      for (int channel = 0; channel < 3; ++channel) {
        large.rgb.push_back(
            picture.rgb[static_cast<std::size_t>(from + channel)]);
      }
    }
  }
  return large;
}

double LargestDifference(const std::string& name, at::ScalarType type,
                         const std::vector<GoldenRow>& rows) {
  const Network network =
      BuildNetwork(FindArchitecture(name, kDigitClasses).value());
  const TorchResNet net(network, FillWeights(network),
                        at::TensorOptions(at::kCPU).dtype(type));
  PreprocessSpec preprocess = DigitPreprocess();
  preprocess.resize = preprocess.crop = 8 * kDigitSide;
  const BatchInput input(preprocess, FeatureShape(),
                         at::TensorOptions(at::kCPU).dtype(type));
  double largest = 0;
  std::size_t digit = 0;
  for (const GoldenRow& row : rows) {
    if (row.network != name) {
      continue;
    }
    const Pixels large = Enlarged(AllDigits().pictures[digit++]);
    const Pixels* picture = &large;
    const at::Tensor logits =
        net.Forward(input.Of(absl::Span<const Pixels* const>(&picture, 1)))
            .to(at::kDouble);
    for (std::size_t i = 0; i < row.logits.size(); ++i) {
      const double here =
          logits[0][static_cast<std::int64_t>(i)].item<double>();
      largest = std::fmax(largest, std::fabs(here - row.logits[i]));
    }
  }
  EXPECT_EQ(digit, 4U);
  return largest;
}

// Adds to what one path of a block reads.
class ShiftTap final : public BlockTap {
 public:
  ShiftTap(Place path, const at::Tensor& shift) : path_(path), shift_(shift) {}
  Fork Split(const at::Tensor& input) override {
    const at::Tensor shifted = input.add(shift_);
    return path_ == Place::kMain ? Fork{shifted, input} : Fork{input, shifted};
  }
  void TakeOutputs(const at::Tensor& /*main*/,
                   const at::Tensor& /*shortcut*/) override {}
  void TakeSum(const at::Tensor& /*sum*/) override {}

 private:
  const Place path_;
  const at::Tensor shift_;
};

// Central differences of the loss.
class Differences {
 public:
  Differences(const SeenPass& seen, const TrainingBatch& batch)
      : options_(at::TensorOptions(at::kCPU).dtype(at::kDouble)),
        net_(seen.network(), seen.weights(), options_),
        batch_(batch),
        input_(
            BatchInput(DigitPreprocess(), FeatureShape(), options_).Of(batch)),
        loss_(0, {}, options_),
        parts_(PartNames(seen.network()).size()),
        blocks_(seen.blocks()) {}

  // How far the slope of the loss along `gradient` is from its norm, relative
  // to it: the least over shifts of several sizes. A ReLU that opens or closes
  // between both ends of a large one makes a kink there; a wrong gradient is
  // wrong at every size.
  double ErrorOf(std::size_t block, Place path,
                 const at::Tensor& gradient) const {
    const double norm = NormOfValues(gradient);
    double least = 1e300;
    for (const double size : {1e-4, 1e-5, 1e-6}) {
      const at::Tensor shift = gradient.mul(size / norm);
      const double slope =
          (LossAt(block, path, shift) - LossAt(block, path, shift.neg())) /
          (2 * size);
      least = std::fmin(least, std::fabs(slope - norm) / norm);
    }
    return least;
  }

 private:
  double LossAt(std::size_t block, Place path, const at::Tensor& shift) const {
    ShiftTap tap(path, shift);
    TrainingPass pass;
    pass.norms.assign(parts_, NormMode{.batch_share = 0});
    pass.taps.assign(blocks_, nullptr);
    pass.taps[block] = &tap;
    return loss_.Sum(net_.Forward(input_, pass), batch_)
        .div(static_cast<double>(batch_.labels.size()))
        .item<double>();
  }

  const at::TensorOptions options_;
  const TorchResNet net_;
  const TrainingBatch& batch_;
  const at::Tensor input_;
  const Loss loss_;
  const std::size_t parts_;
  const std::size_t blocks_;
};

TEST(ClaimA1, ABlockIsItsMainPathPlusItsShortcutAsTorchvisionComputesIt) {
  const std::vector<GoldenRow> rows = GoldenRows();
  for (const char* name : {"resnet18", "resnet50"}) {
    const double in_float = LargestDifference(name, at::kFloat, rows);
    const double in_double = LargestDifference(name, at::kDouble, rows);
    std::cout << name << ": off by " << in_float << " in float, " << in_double
              << " in double\n";
    EXPECT_LE(in_float, 1e-5) << name;
    EXPECT_LE(in_double, 1e-12) << name;
    EXPECT_GT(in_float, in_double) << name;
  }
}

TEST(ClaimA2, AMainPathIsTheResidualOfWhatTheBlockShouldBe) {
  const SeenPass seen(kRes20, FirstDigits(32));
  const ProbeReport report =
      ProbeOf(kRes20, FirstDigits(32), {.batch_statistics = true});
  for (std::size_t i = 0; i < seen.blocks(); ++i) {
    const KeepingTap& tap = seen.tap(i);
    // F(x) = H(x) - S(x), up to the rounding of the sum.
    const at::Tensor residual = tap.sum_output.sub(tap.shortcut_output);
    EXPECT_LE(NormOfValues(residual.sub(tap.main_output)),
              1e-15 * NormOfValues(tap.sum_output))
        << i;
    if (seen.is_identity(i)) {
      EXPECT_TRUE(tap.shortcut_output.equal(tap.block_input)) << i;
    }
    const double ratio =
        NormOfValues(residual) / NormOfValues(tap.shortcut_output);
    EXPECT_NEAR(*report.blocks[i].residual_ratio / ratio, 1, 1e-12) << i;
  }
}

TEST(ClaimA2, AResidualThatBeginsAsNothingIsLearned) {
  GradientLab lab = NewLab({.stage_blocks = 3, .zero_residual = true},
                           at::kFloat, LabOptimizer());
  DigitBatches batches(AllDigits(), kLabBatch, 1);
  const GradientSample first = lab.Look(batches.Next()).sample;
  for (const BlockSample& block : first.blocks) {
    EXPECT_EQ(block.residual_ratio, 0.0);
  }
  for (int step = 0; step < 20; ++step) {
    lab.Train(batches.Next(), 0.1);
  }
  const GradientSample later = lab.Look(batches.Next()).sample;
  for (const BlockSample& block : later.blocks) {
    EXPECT_GT(*block.residual_ratio, 0.001);
    EXPECT_LT(*block.residual_ratio, 10);
  }
}

TEST(ClaimA3, TheGradientAtTheInputIsTheSumOfBothPathsToTheLastBit) {
  for (const BlockVersion version : {BlockVersion::kV1, BlockVersion::kV2}) {
    const SeenPass seen({.stage_blocks = 3, .version = version},
                        FirstDigits(64));
    for (std::size_t i = 0; i < seen.blocks(); ++i) {
      EXPECT_TRUE(seen.gradient(i, Place::kInput)
                      .equal(seen.gradient(i, Place::kShortcut)
                                 .add(seen.gradient(i, Place::kMain))))
          << i;
      EXPECT_GT(NormOfValues(seen.gradient(i, Place::kMain)), 0) << i;
      EXPECT_GT(NormOfValues(seen.gradient(i, Place::kShortcut)), 0) << i;
    }
  }
}

TEST(ClaimA3, EachPathGivesBackWhatDifferencesOfTheLossSay) {
  const int seeds = IsLong() ? 5 : 1;
  for (int seed = 0; seed < seeds; ++seed) {
    LabSpec spec = kRes20;
    spec.seed = seed;
    const TrainingBatch batch = FirstDigits(16);
    const SeenPass seen(spec, batch);
    const Differences differences(seen, batch);
    double worst = 0;
    for (std::size_t i = 0; i < seen.blocks(); ++i) {
      for (const Place path : {Place::kMain, Place::kShortcut}) {
        worst = std::fmax(worst,
                          differences.ErrorOf(i, path, seen.gradient(i, path)));
      }
    }
    std::cout << "seed " << seed << ": largest relative error " << worst
              << '\n';
    EXPECT_LE(worst, 1e-6);
  }
}

TEST(ClaimA3, AWrongGradientIsNotWhatDifferencesSay) {
  const TrainingBatch batch = FirstDigits(16);
  const SeenPass seen(kRes20, batch);
  const Differences differences(seen, batch);
  EXPECT_GT(differences.ErrorOf(4, Place::kMain,
                                seen.gradient(4, Place::kMain).mul(1.001)),
            1e-4);
  EXPECT_GT(
      differences.ErrorOf(4, Place::kMain, seen.gradient(4, Place::kShortcut)),
      1e-2);
}

// What is inside F only learns by F: the sum is what everything before gets.
TEST(ClaimA4, WhatEarlierWeightsLearnFromIsTheSumOfBothPaths) {
  const ProbeReport report =
      ProbeOf(kRes20, FirstDigits(32),
              {.batch_statistics = true, .split_parameters = true});
  for (const ProbedBlock& block : report.blocks) {
    EXPECT_LT(block.parameters->error, 1e-12);
    EXPECT_GT(block.parameters->by_main, 0);
    EXPECT_GT(block.parameters->by_shortcut, 0);
  }
}

TEST(ClaimA5, AnIdentityShortcutPassesTheGradientOnToTheLastBit) {
  for (const BlockVersion version : {BlockVersion::kV1, BlockVersion::kV2}) {
    const SeenPass seen({.stage_blocks = 3, .version = version},
                        FirstDigits(64));
    int projections = 0;
    for (std::size_t i = 0; i < seen.blocks(); ++i) {
      const bool is_same = seen.gradient(i, Place::kShortcut)
                               .equal(seen.gradient(i, Place::kSum));
      EXPECT_EQ(is_same, seen.is_identity(i)) << i;
      projections += seen.is_identity(i) ? 0 : 1;
    }
    EXPECT_EQ(projections, 2);
  }
}

TEST(ClaimA5, AProjectionTransformsItAsDifferencesSay) {
  const TrainingBatch batch = FirstDigits(16);
  const SeenPass seen(kRes20, batch);
  const Differences differences(seen, batch);
  int projections = 0;
  for (std::size_t i = 0; i < seen.blocks(); ++i) {
    if (!seen.is_identity(i)) {
      ++projections;
      const at::Tensor& shortcut = seen.gradient(i, Place::kShortcut);
      EXPECT_LE(differences.ErrorOf(i, Place::kShortcut, shortcut), 1e-6);
      EXPECT_NE(NormOfValues(shortcut),
                NormOfValues(seen.gradient(i, Place::kSum)));
    }
  }
  EXPECT_EQ(projections, 2);
}

}  // namespace
}  // namespace resnetd
