#include "server/nn/torch_trainer_factory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "server/base/error.h"
#include "tests/unit/nn/training_fixture.h"

namespace resnetd {
namespace {

using ::testing::StartsWith;

std::unique_ptr<TrainerFactory> MakeFactory(
    const TrainerPluginOptions& options = {}) {
  auto factory = TorchTrainerFactory::Create(options);
  EXPECT_TRUE(factory.ok()) << factory.status();
  return factory.ok() ? *std::move(factory) : nullptr;
}

absl::StatusOr<std::unique_ptr<Trainer>> Make(const TrainerOptions& options) {
  const Network network = SmallNetwork();
  return MakeFactory()->Create(options, network, FillWeights(network),
                               SmallPictures());
}

TEST(TorchTrainerFactoryTest, SaysWhatItIs) {
  EXPECT_THAT(MakeFactory()->description(), StartsWith("LibTorch 2.11.0 on "));
}

TEST(TorchTrainerFactoryTest, MakesTrainersThatTrain) {
  const auto trainer = Make(PlainOptions());
  ASSERT_TRUE(trainer.ok()) << trainer.status();
  EXPECT_GT(TrainStep(**trainer, 0).gradient_norm, 0);
}

// Steps count over all trainers of the device: what breaks is that.
TEST(TorchTrainerFactoryTest, ADeviceThatBreaksTellsItOnce) {
  int told = 0;
  const auto factory = MakeFactory({.on_broken = [&told] { ++told; }});
  const Network network = SmallNetwork();
  TrainerOptions options = PlainOptions();
  options.device = "fake:3";
  std::vector<std::unique_ptr<Trainer>> trainers;
  for (int i = 0; i < 2; ++i) {
    auto trainer = factory->Create(options, network, FillWeights(network),
                                   SmallPictures());
    ASSERT_TRUE(trainer.ok()) << trainer.status();
    trainers.push_back(*std::move(trainer));
  }
  for (int step = 0; step < 3; ++step) {
    EXPECT_GT(TrainStep(*trainers[0], step).gradient_norm, 0);
  }
  EXPECT_TRUE(trainers[1]->Save().ok());
  EXPECT_EQ(told, 0);
  FilledBatch batch(0, 6);
  for (const auto& trainer : trainers) {
    const absl::Status status =
        trainer->Step({&batch.batch(), 1}, Rate(0.1)).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(DetailsOf(status).reason, "BACKEND_UNAVAILABLE");
    EXPECT_EQ(told, 1);
  }
}

TEST(TorchTrainerFactoryTest, AFakeDeviceWithoutANumberTrainsAsTheHostDoes) {
  TrainerOptions options = PlainOptions();
  const auto expected = Make(options);
  options.device = "fake";
  const auto trainer = Make(options);
  ASSERT_TRUE(trainer.ok()) << trainer.status();
  for (int step = 0; step < 5; ++step) {
    EXPECT_EQ(TrainStep(**trainer, step).loss,
              TrainStep(**expected, step).loss);
  }
}

TEST(TorchTrainerFactoryTest, RefusesOptionsThatAreOutOfTheirRange) {
  TrainerOptions options = PlainOptions();
  options.device = "tpu";
  const absl::Status status = Make(options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DetailsOf(status).reason, "RECIPE_INVALID");
}

}  // namespace
}  // namespace resnetd
