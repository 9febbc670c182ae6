#include <ATen/core/Tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "server/base/error.h"
#include "server/nn/torch_trainer.h"
#include "tests/unit/nn/training_fixture.h"

namespace resnetd {
namespace {

using ::testing::IsEmpty;

// Every kind of state there is: momentum or moments, means, statistics.
std::vector<TrainerOptions> StatefulOptions() {
  TrainerOptions sgd = PlainOptions();
  sgd.optimizer.weight_decay = 1e-3;
  sgd.ema = 0.9;
  sgd.l2_sp = 0.01;
  sgd.stochastic_depth = 0.4;
  TrainerOptions adamw = PlainOptions();
  adamw.optimizer.kind = OptimizerKind::kAdamW;
  adamw.clip_norm = 1;
  adamw.label_smoothing = 0.1;
  adamw.threads = 2;
  return {sgd, adamw};
}

TEST(TorchTrainerStateTest, GoesOnFromASavedStateBitForBit) {
  for (const TrainerOptions& options : StatefulOptions()) {
    const auto straight = MakeTrainer(options);
    for (int step = 0; step < 7; ++step) {
      TrainStep(*straight, step, 0.01);
    }
    const auto before = MakeTrainer(options);
    for (int step = 0; step < 3; ++step) {
      TrainStep(*before, step, 0.01);
    }
    const auto after = MakeTrainer(options);
    ASSERT_TRUE(after->Restore(SavedState(*before)).ok());
    for (int step = 3; step < 7; ++step) {
      TrainStep(*after, step, 0.01);
    }
    const TrainerState expected = SavedState(*straight);
    const TrainerState actual = SavedState(*after);
    EXPECT_TRUE(SameValues(actual.weights, expected.weights));
    EXPECT_TRUE(SameValues(actual.optimizer, expected.optimizer));
    EXPECT_TRUE(SameValues(actual.means, expected.means));
    EXPECT_EQ(actual.steps, 7);
    EXPECT_TRUE(SameValues(Exported(*after), Exported(*straight)));
  }
}

TEST(TorchTrainerStateTest, RefusesAStateOfAnotherTraining) {
  TrainerOptions other = PlainOptions();
  other.trained_parts[0] = false;
  const auto trainer = MakeTrainer(PlainOptions());
  TrainStep(*trainer, 0);
  const TrainerState mine = SavedState(*trainer);

  TrainerState lacks_momentum = SavedState(*MakeTrainer(other));
  TrainerState renamed = mine;
  renamed.weights[3].first = "layer9.weight";
  TrainerState reshaped = mine;
  reshaped.weights[0].second.shape[0] += 1;
  TrainerState cut = mine;
  cut.weights[0].second.values.pop_back();
  TrainerState has_means = mine;
  has_means.means.push_back(mine.weights[0]);
  for (const TrainerState& state :
       {lacks_momentum, renamed, reshaped, cut, has_means}) {
    const absl::Status status = trainer->Restore(state);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_EQ(DetailsOf(status).reason, "CHECKPOINT_CORRUPT");
  }
  EXPECT_TRUE(SameValues(SavedState(*trainer).weights, mine.weights));
  EXPECT_TRUE(SameValues(SavedState(*trainer).optimizer, mine.optimizer));
}

TEST(TorchTrainerStateTest, ChangesNoParameterWhenTheLossIsNotFinite) {
  TrainerOptions options = PlainOptions();
  options.ema = 0.5;
  const auto trainer = MakeTrainer(options);
  TrainStep(*trainer, 0);
  TrainerState broken = SavedState(*trainer);
  broken.weights.back().second.values[0] =
      std::numeric_limits<float>::quiet_NaN();
  ASSERT_EQ(broken.weights.back().first, "fc.bias");
  ASSERT_TRUE(trainer->Restore(broken).ok());
  const TrainerState before = SavedState(*trainer);
  const StepReport report = TrainStep(*trainer, 1);
  EXPECT_FALSE(report.is_finite);
  EXPECT_FALSE(std::isfinite(report.loss));
  const TrainerState after = SavedState(*trainer);
  // A NaN differs from itself.
  EXPECT_TRUE(std::isnan(after.weights.back().second.values[0]));
  TensorList left = ParametersOf(before.weights);
  TensorList right = ParametersOf(after.weights);
  left.pop_back();
  right.pop_back();
  EXPECT_TRUE(SameValues(left, right));
  EXPECT_TRUE(SameValues(before.optimizer, after.optimizer));
  EXPECT_TRUE(SameValues(before.means, after.means));
  EXPECT_EQ(after.steps, 1);
}

// The loss is finite, the gradient overflows on its way back.
TEST(TorchTrainerStateTest, ChangesNoParameterWhenAGradientIsNotFinite) {
  const auto trainer = MakeTrainer(PlainOptions());
  TrainerState huge = SavedState(*trainer);
  for (auto& [name, tensor] : huge.weights) {
    if (name == "fc.weight") {
      std::fill(tensor.values.begin(), tensor.values.end(), 5e37F);
      tensor.values[0] = -5e37F;
    }
    // The smaller what a norm divides by, the larger the gradient behind it.
    if (absl::StrContains(name, "conv")) {
      for (float& value : tensor.values) {
        value *= 1e-3F;
      }
    }
  }
  ASSERT_TRUE(trainer->Restore(huge).ok());
  const StepReport report = TrainStep(*trainer, 0);
  EXPECT_TRUE(std::isfinite(report.loss));
  EXPECT_FALSE(report.is_finite);
  const TrainerState after = SavedState(*trainer);
  EXPECT_TRUE(
      SameValues(ParametersOf(after.weights), ParametersOf(huge.weights)));
  EXPECT_TRUE(SameValues(after.optimizer, huge.optimizer));
  EXPECT_EQ(after.steps, 0);
}

TEST(TorchTrainerStateTest, RefusesLogitsThatAreNotFinite) {
  const auto trainer = MakeTrainer(PlainOptions());
  TrainerState broken = SavedState(*trainer);
  broken.weights.back().second.values[0] =
      std::numeric_limits<float>::infinity();
  ASSERT_TRUE(trainer->Restore(broken).ok());
  FilledBatch batch(0, 2);
  EXPECT_EQ(trainer->Logits(batch.batch().pictures).status().code(),
            absl::StatusCode::kInternal);
  EXPECT_THAT(*trainer->Logits({}), IsEmpty());
}

TEST(TorchTrainerStateTest, AveragesTheParametersAfterEachStep) {
  constexpr double kEma = 0.75;
  TrainerOptions options = PlainOptions();
  options.ema = kEma;
  const auto trainer = MakeTrainer(options);
  std::vector<TensorList> trajectory = {SavedState(*trainer).weights};
  for (int step = 0; step < 4; ++step) {
    TrainStep(*trainer, step);
    trajectory.push_back(SavedState(*trainer).weights);
  }
  // Closed form: a_n = e^n w_0 + (1 - e) sum of e^(n - k) w_k.
  const TensorList exported = Exported(*trainer);
  for (std::size_t t = 0; t < exported.size(); ++t) {
    const auto& [name, mean] = exported[t];
    for (std::size_t i = 0; i < mean.values.size(); ++i) {
      double expected = std::pow(kEma, 4) * trajectory[0][t].second.values[i];
      for (int k = 1; k <= 4; ++k) {
        expected += (1 - kEma) * std::pow(kEma, 4 - k) *
                    trajectory[static_cast<std::size_t>(k)][t].second.values[i];
      }
      if (IsStatistic(name)) {
        expected = trajectory[4][t].second.values[i];
      }
      EXPECT_NEAR(mean.values[i], expected, 1e-5) << name;
    }
  }
}

TEST(TorchTrainerStateTest, AnswersWithTheMeans) {
  TrainerOptions options = PlainOptions();
  options.ema = 0.9;
  const auto averaging = MakeTrainer(options);
  const auto plain = MakeTrainer(PlainOptions());
  for (int step = 0; step < 3; ++step) {
    TrainStep(*averaging, step);
    TrainStep(*plain, step);
  }
  // The means do not act on the training.
  EXPECT_TRUE(
      SameValues(SavedState(*averaging).weights, SavedState(*plain).weights));
  FilledBatch batch(0, 3);
  const auto with = averaging->Logits(batch.batch().pictures);
  EXPECT_NE(*with, *plain->Logits(batch.batch().pictures));
  // A plain trainer with the exported weights answers alike.
  TrainerState exported = SavedState(*plain);
  exported.weights = Exported(*averaging);
  ASSERT_TRUE(plain->Restore(exported).ok());
  EXPECT_EQ(*with, *plain->Logits(batch.batch().pictures));
}

// Lets the process have only `more` bytes of addresses beyond those it has.
class AddressLimit {
 public:
  explicit AddressLimit(std::uint64_t more) {
    std::uint64_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    EXPECT_EQ(getrlimit(RLIMIT_AS, &before_), 0);
    rlimit limited = before_;
    limited.rlim_cur =
        pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)) + more;
    EXPECT_EQ(setrlimit(RLIMIT_AS, &limited), 0);
  }
  ~AddressLimit() { EXPECT_EQ(setrlimit(RLIMIT_AS, &before_), 0); }
  AddressLimit(const AddressLimit&) = delete;
  AddressLimit& operator=(const AddressLimit&) = delete;

 private:
  rlimit before_{};
};

TEST(TorchTrainerStateTest, GoesOnFromASavedStateAfterWantOfMemory) {
  const auto trainer = MakeTrainer(PlainOptions());
  TrainStep(*trainer, 0);
  const TrainerState saved = SavedState(*trainer);
  // Activations of 51 MB each.
  constexpr std::size_t kExamples = 50'000;
  const Pixels picture = FillPicture(kSide, kSide, 0);
  TrainingBatch large;
  large.pictures.assign(kExamples, &picture);
  large.labels.assign(kExamples, 1);
  absl::Status status;
  {
    const AddressLimit limit(std::uint64_t{100} << 20U);
    status = trainer->Step({&large, 1}, Rate(0.1)).status();
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_EQ(DetailsOf(status).reason, "OUT_OF_MEMORY");

  ASSERT_TRUE(trainer->Restore(saved).ok());
  TrainStep(*trainer, 1);
  const auto other = MakeTrainer(PlainOptions());
  TrainStep(*other, 0);
  TrainStep(*other, 1);
  EXPECT_TRUE(
      SameValues(SavedState(*trainer).weights, SavedState(*other).weights));
}

}  // namespace
}  // namespace resnetd
