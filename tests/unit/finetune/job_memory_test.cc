#include "server/finetune/job_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "server/base/error.h"
#include "server/models/memory_estimate.h"

namespace resnetd {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Pair;

constexpr ObservationSpec kUnobserved{.probe_every = 0};

// resnet50 at 224 pixels, everything trained.
JobPlan Resnet50Plan() {
  JobPlan plan;
  plan.architecture = FindArchitecture("resnet50", 1000).value();
  plan.preprocess = {.resize = 256, .crop = 224};
  plan.recipe.phases = {{.steps = 1,
                         .trained_parts = std::vector<bool>(6, true),
                         .rates = std::vector<double>(6, 0.1)}};
  plan.recipe.batch_size = 32;
  return plan;
}

PlannedExample Picture(int width, int height) {
  PlannedExample example;
  example.row.width = width;
  example.row.height = height;
  return example;
}

TEST(JobMemoryTest, ActivationsOfAResnet50AreWhatIsKnownOfIt) {
  // PyTorch keeps about 85 to 100 MB a picture for the backward pass.
  const TrainingMemory memory =
      EstimateMemoryOf(Resnet50Plan(), kUnobserved, 0);
  const double each = static_cast<double>(memory.activations) / 32 / 1e6;
  EXPECT_GT(each, 80);
  EXPECT_LT(each, 130);
}

TEST(JobMemoryTest, PartsOfABatchNeedLessAndFrozenLayersNothing) {
  JobPlan plan = Resnet50Plan();
  const std::int64_t whole = EstimateMemoryOf(plan, kUnobserved, 0).activations;
  plan.recipe.accumulation = 4;
  EXPECT_EQ(EstimateMemoryOf(plan, kUnobserved, 0).activations, whole / 4);
  plan.recipe.accumulation = 1;
  plan.recipe.phases[0].trained_parts = {false, false, false,
                                         false, false, true};
  EXPECT_LT(EstimateMemoryOf(plan, kUnobserved, 0).activations, whole / 2);
  // The largest phase counts.
  plan.recipe.phases.push_back(Resnet50Plan().recipe.phases[0]);
  EXPECT_EQ(EstimateMemoryOf(plan, kUnobserved, 0).activations, whole);
}

TEST(JobMemoryTest, EveryCopyOfTheNetworkCounts) {
  JobPlan plan = Resnet50Plan();
  const std::int64_t one = FloatBytes(BuildNetwork(plan.architecture));
  const std::int64_t plain = EstimateMemoryOf(plan, kUnobserved, 0).network;
  plan.recipe.ema = 0.9;
  EXPECT_EQ(EstimateMemoryOf(plan, kUnobserved, 0).network, plain + 2 * one)
      << "kept, and once more in a checkpoint";
  plan.recipe.l2_sp = 0.1;
  EXPECT_EQ(EstimateMemoryOf(plan, kUnobserved, 0).network, plain + 3 * one);
  plan.recipe.optimizer.kind = OptimizerKind::kAdamW;
  EXPECT_EQ(EstimateMemoryOf(plan, kUnobserved, 0).network, plain + 5 * one);
}

TEST(JobMemoryTest, ObservedStepsHaveASecondSetOfGradients) {
  JobPlan plan = Resnet50Plan();
  const std::int64_t one = FloatBytes(BuildNetwork(plan.architecture));
  const auto observed = [&plan](const ObservationSpec& observation) {
    return EstimateMemoryOf(plan, observation, 0).observation;
  };
  const std::int64_t whole = EstimateMemoryOf(plan, {}, 0).activations;
  EXPECT_EQ(observed(kUnobserved), 0);
  EXPECT_EQ(observed({.probe_every = 1, .snr = false}), 0);
  EXPECT_EQ(observed({.probe_every = 1}), one + whole / 4);
  plan.recipe.batch_size = 5;  // The largest part is of two.
  EXPECT_EQ(observed({}),
            one + EstimateMemoryOf(plan, {}, 0).activations * 2 / 5);
  plan.recipe.accumulation = 2;
  EXPECT_EQ(observed({}), one);
  EXPECT_EQ(observed({.probe_every = 1, .snr = false}), one);
  EXPECT_EQ(observed(kUnobserved), 0);
}

TEST(JobMemoryTest, PicturesCountUpToTheirLimit) {
  JobPlan plan = Resnet50Plan();
  plan.train = {Picture(100, 10), Picture(100, 10)};
  plan.replay = {Picture(100, 10)};
  plan.validation = {Picture(100, 10)};
  const std::int64_t cropped = 3 * 224 * 224;
  EXPECT_EQ(EstimateMemoryOf(plan, kUnobserved, 9000).pictures,
            9000 + 3000 + cropped);
  EXPECT_EQ(EstimateMemoryOf(plan, kUnobserved, 8999).pictures,
            8999 + 3000 + cropped);
  EXPECT_EQ(EstimateMemoryOf(plan, kUnobserved, 0).pictures, cropped);
}

TEST(CheckTrainingMemoryTest, TakesWhatFitsToTheByte) {
  const TrainingMemory needed{.network = 1 << 20,
                              .activations = 2 << 20,
                              .pictures = 3 << 20,
                              .observation = 1 << 19};
  EXPECT_TRUE(CheckTrainingMemory(needed, needed.total() + 1).ok());
  EXPECT_TRUE(CheckTrainingMemory(needed, needed.total()).ok());
  EXPECT_TRUE(CheckTrainingMemory(needed, std::nullopt).ok());
  const absl::Status status = CheckTrainingMemory(needed, needed.total() - 1);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  const ErrorDetails details = DetailsOf(status);
  EXPECT_EQ(details.reason, "OUT_OF_MEMORY");
  EXPECT_THAT(details.metadata,
              Contains(Pair("needed", std::to_string(needed.total()))));
  EXPECT_THAT(details.metadata,
              Contains(Pair("free", std::to_string(needed.total() - 1))));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("about 6.5 MiB of memory (network 1.0 MiB, activations "
                        "2.0 MiB, pictures 3.0 MiB, observation 0.5 MiB)"));
}

}  // namespace
}  // namespace resnetd
