// The two gradients of a block, in float64, against what they must be.

#include "server/nn/block_tap.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include "server/models/weight_fill.h"
#include "server/nn/torch_resnet.h"
#include "tests/unit/nn/training_fixture.h"

namespace resnetd {
namespace {

// Keeps the tensors themselves.
class RecordingTap final : public WatchingTap {
 public:
  RecordingTap() : WatchingTap(/*watches_sum=*/true) {}
  void TakeOutputs(const at::Tensor& main,
                   const at::Tensor& shortcut) override {
    main_output = main.detach().clone();
    shortcut_output = shortcut.detach().clone();
  }
  const at::Tensor& at(Place place) const {
    return gradients_[static_cast<std::size_t>(place)];
  }
  at::Tensor main_output;
  at::Tensor shortcut_output;

 private:
  void TakeGradient(Place place, const at::Tensor& gradient) override {
    at::Tensor& kept = gradients_[static_cast<std::size_t>(place)];
    EXPECT_FALSE(kept.defined());
    kept = gradient.detach().clone();
  }
  std::array<at::Tensor, 4> gradients_;
};

// Adds to what one path reads, and to nothing else.
class ShiftingTap final : public BlockTap {
 public:
  ShiftingTap(WatchingTap::Place path, at::Tensor shift)
      : path_(path), shift_(std::move(shift)) {}
  Fork Split(const at::Tensor& input) override {
    const bool is_main = path_ == WatchingTap::Place::kMain;
    return {is_main ? input.add(shift_) : input,
            is_main ? input : input.add(shift_)};
  }
  void TakeOutputs(const at::Tensor& /*main*/,
                   const at::Tensor& /*shortcut*/) override {}
  void TakeSum(const at::Tensor& /*sum*/) override {}

 private:
  const WatchingTap::Place path_;
  const at::Tensor shift_;
};

using Place = WatchingTap::Place;

// Three blocks in each of two stages; blocks 1 to 2 and 4 to 5 follow one of
// their shape, block 3 projects.
constexpr std::size_t kBlocks = 6;
constexpr std::size_t kProjection = 3;

class BlockTapTest : public testing::TestWithParam<BlockVersion> {
 protected:
  BlockTapTest()
      : network_(BuildNetwork({.name = "deep",
                               .block = BlockKind::kBasic,
                               .version = GetParam(),
                               .stem = StemKind::kCifar,
                               .stage_blocks = {3, 3},
                               .base_planes = 4,
                               .num_classes = kClasses})),
        resnet_(network_, FillWeights(network_),
                at::TensorOptions(at::kCPU).dtype(at::kDouble)),
        pictures_(at::arange(5 * 3 * kSide * kSide, at::kDouble)
                      .mul(0.7)
                      .sin()
                      .view({5, 3, kSide, kSide})) {
    for (const NamedTensor& entry : resnet_.State()) {
      if (!IsStatistic(entry.name)) {
        entry.tensor.set_requires_grad(true);
      }
    }
  }

  at::Tensor Loss(const std::vector<BlockTap*>& taps) const {
    TrainingPass pass;
    pass.norms.assign(4, NormMode{.batch_share = 0});
    pass.taps = taps;
    return resnet_.Forward(pictures_, pass).square().sum();
  }

  void Backward() {
    std::vector<BlockTap*> taps;
    for (RecordingTap& tap : taps_) {
      taps.push_back(&tap);
    }
    Loss(taps).backward();
  }

  double LossWith(std::size_t block, BlockTap& tap) const {
    const c10::NoGradGuard unrecorded;
    std::vector<BlockTap*> taps(kBlocks, nullptr);
    taps[block] = &tap;
    return Loss(taps).item<double>();
  }

  const Network network_;
  const TorchResNet resnet_;
  const at::Tensor pictures_;
  std::array<RecordingTap, kBlocks> taps_;
};

INSTANTIATE_TEST_SUITE_P(Versions, BlockTapTest,
                         testing::Values(BlockVersion::kV1, BlockVersion::kV2),
                         [](const auto& test) {
                           return test.param == BlockVersion::kV1 ? "v1" : "v2";
                         });

TEST_P(BlockTapTest, BothPathsMakeUpTheGradientAtTheInput) {
  Backward();
  for (const RecordingTap& tap : taps_) {
    ASSERT_TRUE(tap.is_on());
    EXPECT_TRUE(tap.at(Place::kInput)
                    .equal(tap.at(Place::kMain).add(tap.at(Place::kShortcut))));
    EXPECT_GT(tap.at(Place::kMain).norm().item<double>(), 0);
  }
}

TEST_P(BlockTapTest, AnIdentityPassesTheGradientOfTheSumOnBitForBit) {
  Backward();
  for (std::size_t i = 0; i < kBlocks; ++i) {
    EXPECT_EQ(taps_[i].at(Place::kShortcut).equal(taps_[i].at(Place::kSum)),
              i != kProjection)
        << i;
  }
}

// The ReLU takes the place of the sum; what is seen is still the gradient of
// the sum, and nothing of it comes back where the sum was negative.
TEST_P(BlockTapTest, SeesTheGradientOfTheSumBeforeItsRelu) {
  Backward();
  for (std::size_t i = 0; i + 1 < kBlocks; ++i) {
    if (i + 1 == kProjection && GetParam() == BlockVersion::kV2) {
      continue;  // Where its paths part is behind a norm.
    }
    at::Tensor expected = taps_[i + 1].at(Place::kInput);
    if (GetParam() == BlockVersion::kV1) {
      const at::Tensor sum = taps_[i].main_output.add(taps_[i].shortcut_output);
      expected = expected.mul(sum.gt(0));
    }
    EXPECT_TRUE(taps_[i].at(Place::kSum).equal(expected)) << i;
  }
}

TEST_P(BlockTapTest, SeesTheDerivativesOfTheLossByWhatEachPathReads) {
  constexpr double kStep = 1e-6;
  Backward();
  for (std::size_t i = 0; i < kBlocks; ++i) {
    for (const Place path : {Place::kMain, Place::kShortcut}) {
      const at::Tensor& gradient = taps_[i].at(path);
      const at::Tensor direction = at::arange(gradient.numel(), at::kDouble)
                                       .mul(1.3)
                                       .cos()
                                       .view(gradient.sizes());
      ShiftingTap above(path, direction.mul(kStep));
      ShiftingTap below(path, direction.mul(-kStep));
      const double expected =
          (LossWith(i, above) - LossWith(i, below)) / (2 * kStep);
      const double actual = gradient.mul(direction).sum().item<double>();
      EXPECT_NEAR(actual, expected, 1e-6 * std::fabs(expected))
          << "block " << i << (path == Place::kMain ? " main" : " shortcut");
    }
  }
}

TEST_P(BlockTapTest, ChangesNoGradientByABit) {
  Backward();
  std::vector<at::Tensor> watched;
  for (const NamedTensor& entry : resnet_.State()) {
    if (!IsStatistic(entry.name)) {
      watched.push_back(entry.tensor.grad().clone());
      entry.tensor.mutable_grad().reset();
    }
  }
  Loss({}).backward();
  std::size_t next = 0;
  for (const NamedTensor& entry : resnet_.State()) {
    if (!IsStatistic(entry.name)) {
      EXPECT_TRUE(entry.tensor.grad().equal(watched[next++])) << entry.name;
    }
  }
}

// What the main paths add on the way back is all there is between the two ends
// of a stage: in v2 blocks nothing else lies on the shortcuts.
TEST_P(BlockTapTest, OfPreActivationBlocksTheGradientsTelescope) {
  Backward();
  for (const std::size_t last : {std::size_t{2}, kBlocks - 1}) {
    const std::size_t first = last == 2 ? 0 : kProjection + 1;
    at::Tensor sum = taps_[last].at(Place::kSum);
    for (std::size_t i = last + 1; i-- > first;) {
      sum = sum.add(taps_[i].at(Place::kMain));
    }
    EXPECT_EQ(sum.equal(taps_[first].at(Place::kInput)),
              GetParam() == BlockVersion::kV2);
  }
}

TEST_P(BlockTapTest, SeesNothingWhereNothingBeforeTheBlockIsTrained) {
  for (const NamedTensor& entry : resnet_.State()) {
    if (PartOf(network_, entry.name) < 2) {
      entry.tensor.set_requires_grad(false);
    }
  }
  Backward();
  for (std::size_t i = 0; i < kBlocks; ++i) {
    // In a v2 block the norm before the paths is trained with the block.
    const bool sees = i > kProjection ||
                      (i == kProjection && GetParam() == BlockVersion::kV2);
    EXPECT_EQ(taps_[i].is_on(), sees) << i;
    EXPECT_EQ(taps_[i].at(Place::kMain).defined(), sees) << i;
    EXPECT_EQ(taps_[i].at(Place::kSum).defined(), sees) << i;
  }
}

TEST_P(BlockTapTest, SeesNothingWhereAutogradDoesNotRecord) {
  const c10::NoGradGuard unrecorded;
  RecordingTap tap;
  LossWith(0, tap);
  EXPECT_FALSE(tap.is_on());
  EXPECT_TRUE(tap.main_output.defined());
}

}  // namespace
}  // namespace resnetd
