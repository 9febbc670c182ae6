// A6 to A9 of docs/gradients.md: what happens on the way back.

#include <ATen/core/Tensor.h>
#include <ATen/ops/randn_like.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <iostream>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "server/finetune/network_parts.h"
#include "server/nn/gradient_probe.h"
#include "server/nn/torch_trainer.h"
#include "tests/claims/claims_fixture.h"

namespace resnetd {
namespace {

// The main path of one block as a function of what it reads.
class MainPathTap final : public BlockTap {
 public:
  explicit MainPathTap(at::Tensor input) : input_(std::move(input)) {}
  Fork Split(const at::Tensor& input) override {
    return {input_, input.detach()};
  }
  void TakeOutputs(const at::Tensor& main,
                   const at::Tensor& /*shortcut*/) override {
    // The sum is computed in its place.
    output = main.clone();
  }
  void TakeSum(const at::Tensor& /*sum*/) override {}

  at::Tensor output;

 private:
  const at::Tensor input_;
};

class MainPath {
 public:
  MainPath(const SeenPass& seen, const TrainingBatch& batch, std::size_t block)
      : options_(at::TensorOptions(at::kCPU).dtype(at::kDouble)),
        net_(seen.network(), seen.weights(), options_),
        input_(
            BatchInput(DigitPreprocess(), FeatureShape(), options_).Of(batch)),
        parts_(PartNames(seen.network()).size()),
        blocks_(seen.blocks()),
        block_(block) {}

  at::Tensor operator()(const at::Tensor& input) const {
    MainPathTap tap(input);
    TrainingPass pass;
    pass.norms.assign(parts_, NormMode{.batch_share = 0});
    pass.taps.assign(blocks_, nullptr);
    pass.taps[block_] = &tap;
    net_.Forward(input_, pass);
    return tap.output;
  }

 private:
  const at::TensorOptions options_;
  const TorchResNet net_;
  const at::Tensor input_;
  const std::size_t parts_;
  const std::size_t blocks_;
  const std::size_t block_;
};

// J^T `cotangent`, for autograd as well.
at::Tensor Back(const at::Tensor& output, const at::Tensor& input,
                const at::Tensor& cotangent) {
  const std::array<at::Tensor, 1> inputs = {input};
  input.mutable_grad().reset();
  output.mul(cotangent).sum().backward({}, /*retain_graph=*/true,
                                       /*create_graph=*/true, inputs);
  at::Tensor back = input.grad();
  input.mutable_grad().reset();
  return back;
}

TEST(ClaimA6, AMainPathMultipliesByTheDerivativesOfItsTransformations) {
  const TrainingBatch batch = FirstDigits(16);
  const SeenPass seen({.stage_blocks = 3}, batch);
  for (std::size_t i = 0; i < seen.blocks(); ++i) {
    const MainPath path(seen, batch, i);
    const at::Tensor input =
        seen.tap(i).block_input.clone().set_requires_grad(true);
    const at::Tensor output = path(input);
    EXPECT_TRUE(output.detach().equal(seen.tap(i).main_output)) << i;

    // m = J^T g.
    const at::Tensor& main = seen.gradient(i, Place::kMain);
    EXPECT_LE(NormOfValues(Back(output, input, seen.gradient(i, Place::kSum))
                               .detach()
                               .sub(main)),
              1e-12 * NormOfValues(main))
        << i;

    // <J v, g> = <v, J^T g>, with J v by differentiating J^T u by u.
    const at::Tensor u =
        at::randn_like(output).detach().set_requires_grad(true);
    const at::Tensor v = at::randn_like(input).detach();
    const std::array<at::Tensor, 1> inputs = {u};
    Back(output, input, u).mul(v).sum().backward({}, false, false, inputs);
    const at::Tensor jv = u.grad();
    const double left =
        jv.mul(seen.gradient(i, Place::kSum)).sum().item<double>();
    const double right = v.mul(main).sum().item<double>();
    EXPECT_LE(std::fabs(left - right),
              1e-11 * NormOfValues(v) * NormOfValues(main))
        << i;

    // And J v is what a small step along v makes of F.
    const double step = 1e-6 * NormOfValues(input.detach()) / NormOfValues(v);
    const at::Tensor difference = path(input.detach().add(v, step))
                                      .sub(path(input.detach().sub(v, step)))
                                      .div(2 * step);
    EXPECT_LE(NormOfValues(difference.sub(jv)), 1e-4 * NormOfValues(jv)) << i;
  }
}

TEST(ClaimA7, InPreActivationBlocksTheGradientMeetsNothingOnItsWayByShortcuts) {
  const SeenPass seen({.stage_blocks = 4, .version = BlockVersion::kV2},
                      FirstDigits(64));
  // Within a stage dL/dx_l = dL/dx_L + the sum of all m_i between: every bit.
  at::Tensor expected;
  int checked = 0;
  for (std::size_t i = seen.blocks(); i-- > 0;) {
    const bool is_first_of_stage = !seen.is_identity(i) || i == 0;
    if (expected.defined() && seen.is_identity(i)) {
      EXPECT_TRUE(seen.gradient(i, Place::kShortcut)
                      .equal(seen.gradient(i + 1, Place::kInput)));
      expected = expected.add(seen.gradient(i, Place::kMain));
      EXPECT_TRUE(seen.gradient(i, Place::kInput).equal(expected)) << i;
      ++checked;
    } else {
      expected = seen.gradient(i, Place::kInput);
    }
    if (is_first_of_stage) {
      expected = at::Tensor();
    }
  }
  EXPECT_GE(checked, 7);
}

// "At least one path where the gradient meets neither a weight matrix nor an
// activation" is wrong for them.
TEST(ClaimA7, InUsualBlocksItMeetsTheReluBehindEverySum) {
  const SeenPass seen({.stage_blocks = 4}, FirstDigits(64));
  for (std::size_t i = 0; i + 1 < seen.blocks(); ++i) {
    if (!seen.is_identity(i) || !seen.is_identity(i + 1)) {
      continue;
    }
    const at::Tensor& behind = seen.gradient(i + 1, Place::kInput);
    const at::Tensor& by_shortcut = seen.gradient(i, Place::kShortcut);
    EXPECT_FALSE(by_shortcut.equal(behind)) << i;
    const at::Tensor is_open =
        seen.tap(i).sum_output.gt(0).to(behind.scalar_type());
    EXPECT_TRUE(by_shortcut.equal(behind.mul(is_open))) << i;
    const double share = is_open.mean().item<double>();
    EXPECT_GT(share, 0.2) << i;
    EXPECT_LT(share, 0.999) << i;
  }
}

std::unique_ptr<GradientProbe> ProbeOfTrained(const LabSpec& spec, int epochs) {
  GradientLab lab = NewLab(spec, at::kFloat, LabOptimizer());
  const TrainingCurve curve = TrainDigits(lab, AllDigits(), epochs, 0.1, 1);
  EXPECT_TRUE(curve.is_finite);
  return GradientProbe::Create(LabNetwork(spec, kDigitClasses),
                               lab.ExportWeights(), DigitPreprocess())
      .value();
}

// Main paths by which this share of the mass of all ways is there.
int LengthWith(const PathDistribution& paths, double share) {
  double mass = 0;
  for (const PathLength& length : paths.lengths) {
    mass += length.mass();
  }
  double sum = 0;
  for (const PathLength& length : paths.lengths) {
    sum += length.mass();
    if (sum >= share * mass) {
      return length.main_paths;
    }
  }
  return -1;
}

TEST(ClaimA8, AllWaysBackAddUpToTheGradient) {
  const LabSpec spec{.stage_blocks = 2};
  const Network network = LabNetwork(spec, kDigitClasses);
  const auto probe = GradientProbe::Create(network, LabWeights(spec, network),
                                           DigitPreprocess())
                         .value();
  const ProbeReport report =
      probe
          ->Probe(FirstDigits(16),
                  {.batch_statistics = true, .path_passes = 64})
          .value();
  ASSERT_TRUE(report.distribution->error.has_value());
  std::cout << "64 ways, relative error " << *report.distribution->error
            << '\n';
  EXPECT_LT(*report.distribution->error, 1e-12);
}

TEST(ClaimA8, InATrainedNetworkMostOfItComesBackByFewMainPaths) {
  const bool is_long = IsLong();
  const LabSpec spec{.stage_blocks = is_long ? 9 : 3, .zero_residual = true};
  const auto probe = ProbeOfTrained(spec, is_long ? 10 : 3);
  const int blocks = 3 * spec.stage_blocks;
  const ProbeReport report =
      probe
          ->Probe(FirstDigits(32), {.batch_statistics = true,
                                    .path_passes = is_long ? 28 * 16 : 120})
          .value();
  const PathDistribution& paths = *report.distribution;
  const int half = LengthWith(paths, 0.5);
  const int most = LengthWith(paths, 0.9);
  const int nearly_all = LengthWith(paths, 0.99);
  std::cout << blocks << " blocks: half of the gradient by at most " << half
            << " main paths, 90 % by " << most << ", 99 % by " << nearly_all
            << '\n';
  // 27 blocks: 9, 12 and 15.
  EXPECT_LE(half, blocks / 2);
  EXPECT_LE(most, blocks * 2 / 3);
  EXPECT_LT(nearly_all, blocks);
  EXPECT_GT(paths.direct_share, 0);
}

TEST(ClaimA9, ABlockWhoseMainPathIsNothingLearnsByItsScaleFirst) {
  const LabSpec spec{.stage_blocks = 3, .zero_residual = true};
  const Network network = LabNetwork(spec, kDigitClasses);
  TrainerOptions options;
  options.trained_parts.assign(PartNames(network).size(), true);
  const auto trainer =
      TorchTrainer::Create(options, network, LabWeights(spec, network),
                           DigitPreprocess(), at::kCPU)
          .value();
  const TrainingBatch batch = FirstDigits(64);
  // Gradients that are not 0, by what they are of.
  const auto count = [&](bool of_scales) {
    int moving = 0;
    const std::vector<NamedTensor> gradients =
        trainer->Gradients({&batch, 1}).value();
    for (const NamedTensor& entry : gradients) {
      const bool is_scale = absl::EndsWith(entry.name, ".bn2.weight");
      const bool is_inside = absl::StrContains(entry.name, ".conv") ||
                             absl::StrContains(entry.name, ".bn1");
      if ((of_scales ? is_scale : is_inside) &&
          NormOfValues(entry.tensor) > 0) {
        ++moving;
      }
    }
    return moving;
  };
  EXPECT_EQ(count(/*of_scales=*/true), 9);
  EXPECT_EQ(count(/*of_scales=*/false), 0);
  StepSettings settings{
      .rates = std::vector<double>(options.trained_parts.size(), 0.1)};
  settings.observe = Observation{.step = 1};
  const StepReport first = trainer->Step({&batch, 1}, settings).value();
  for (const BlockSample& block : first.sample->blocks) {
    EXPECT_EQ(MainShare(*block.paths), 0.0);
    EXPECT_GT(block.parameters->gradient, 0);
  }
  // One step later there is a way in: two convolutions, scale and shift of the
  // norm between them, of each block.
  EXPECT_EQ(count(/*of_scales=*/false), 4 * 9);
}

}  // namespace
}  // namespace resnetd
