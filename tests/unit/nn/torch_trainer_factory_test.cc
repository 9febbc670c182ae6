#include "server/nn/torch_trainer_factory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "absl/status/status.h"
#include "server/base/error.h"
#include "tests/unit/nn/training_fixture.h"

namespace resnetd {
namespace {

using ::testing::StartsWith;

std::unique_ptr<TrainerFactory> MakeFactory() {
  auto factory = TorchTrainerFactory::Create();
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

TEST(TorchTrainerFactoryTest, RefusesOptionsThatAreOutOfTheirRange) {
  TrainerOptions options = PlainOptions();
  options.device = "tpu";
  const absl::Status status = Make(options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DetailsOf(status).reason, "RECIPE_INVALID");
}

}  // namespace
}  // namespace resnetd
