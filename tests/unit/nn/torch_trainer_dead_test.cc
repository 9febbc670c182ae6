// What a step tells of the weights of main paths: whether anything moves them.

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "server/nn/torch_trainer.h"
#include "tests/unit/nn/observed_steps.h"
#include "tests/unit/nn/training_fixture.h"

namespace resnetd {
namespace {

// A block whose inner ReLU lets nothing through: its last norm alone still gets
// a gradient, that of the sum at its shift.
TEST(TorchTrainerDeadTest, NothingReachesTheWeightsOfADeadMainPath) {
  const auto trainer = MakeTrainer(PlainOptions(), at::kFloat, DeepNetwork());
  const std::string block = "layer1.1.";
  for (const NamedTensor& entry : trainer->NetworkState()) {
    if (entry.name == block + "bn1.bias") {
      entry.tensor.detach().fill_(-1000);
    }
  }
  const StepData data(0, {6});
  const BlockSample sample =
      SampleOf(*trainer, data.batches(), Observed(1)).blocks[1];
  EXPECT_EQ(*MainShare(*sample.paths), 0);
  EXPECT_EQ(*sample.main_weights, 0);
  EXPECT_GT(sample.parameters->gradient, 0);
}

TEST(TorchTrainerDeadTest, MainWeightsAreKernelsAndScalesOfMainPaths) {
  for (const BlockVersion version : {BlockVersion::kV1, BlockVersion::kV2}) {
    const Network network = DeepNetwork(version);
    const auto trainer = MakeTrainer(PlainOptions(), at::kFloat, network);
    const StepData data(0, {6});
    const std::vector<NamedTensor> gradients =
        trainer->Gradients(data.batches()).value();
    const GradientSample sample =
        SampleOf(*trainer, data.batches(), Observed(1));
    for (std::size_t i = 0; i < sample.blocks.size(); ++i) {
      const std::string& block = network.blocks[i].name;
      double squares = 0;
      for (const NamedTensor& entry : gradients) {
        if (absl::StartsWith(entry.name, block + ".") &&
            absl::EndsWith(entry.name, ".weight") &&
            !absl::StrContains(entry.name, "downsample")) {
          const double norm = entry.tensor.norm().item<double>();
          squares += norm * norm;
        }
      }
      EXPECT_GT(squares, 0);
      EXPECT_NEAR(*sample.blocks[i].main_weights / std::sqrt(squares), 1, 1e-6)
          << block;
    }
  }
}

}  // namespace
}  // namespace resnetd
