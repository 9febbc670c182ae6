#include "server/nn/trainer_checks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/base/error.h"
#include "tests/unit/nn/training_fixture.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;

// The fields that are wrong after `change`.
std::vector<std::string> WrongFields(
    const std::function<void(TrainerOptions&)>& change) {
  TrainerOptions options = PlainOptions();
  change(options);
  const absl::Status status = CheckOptions(options, SmallNetwork());
  std::vector<std::string> fields;
  for (const auto& [field, what] : DetailsOf(status).violations) {
    fields.push_back(field);
  }
  if (!status.ok()) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(DetailsOf(status).reason, "RECIPE_INVALID");
    EXPECT_FALSE(fields.empty());
  }
  return fields;
}

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(TrainerChecksTest, TakesPlainOptions) {
  EXPECT_TRUE(CheckOptions(PlainOptions(), SmallNetwork()).ok());
}

TEST(TrainerChecksTest, KeepsSharesBelowOne) {
  const std::vector<double TrainerOptions::*> shares = {
      &TrainerOptions::label_smoothing, &TrainerOptions::ema,
      &TrainerOptions::stochastic_depth};
  for (const auto share : shares) {
    for (const double good : {0.0, 0.999}) {
      EXPECT_TRUE(WrongFields([&](auto& o) { o.*share = good; }).empty());
    }
    for (const double bad : {-0.001, 1.0, kNan}) {
      EXPECT_EQ(WrongFields([&](auto& o) { o.*share = bad; }).size(), 1U);
    }
  }
  for (const auto share :
       {&OptimizerSettings::momentum, &OptimizerSettings::beta1,
        &OptimizerSettings::beta2}) {
    for (const double bad : {-0.001, 1.0, kNan}) {
      EXPECT_EQ(WrongFields([&](auto& o) { o.optimizer.*share = bad; }).size(),
                1U);
    }
  }
}

TEST(TrainerChecksTest, KeepsSizesFiniteAndNotNegative) {
  for (const double bad : {-1e-9, kInfinity, kNan}) {
    EXPECT_THAT(WrongFields([&](auto& o) { o.l2_sp = bad; }),
                ElementsAre("l2_sp"));
    EXPECT_THAT(WrongFields([&](auto& o) { o.clip_norm = bad; }),
                ElementsAre("clip_norm"));
    EXPECT_THAT(WrongFields([&](auto& o) { o.optimizer.weight_decay = bad; }),
                ElementsAre("weight_decay"));
    EXPECT_THAT(WrongFields([&](auto& o) { o.optimizer.epsilon = bad; }),
                ElementsAre("epsilon"));
  }
}

TEST(TrainerChecksTest, FitsPartsAndClassesToTheNetwork) {
  EXPECT_THAT(WrongFields([](auto& o) { o.trained_parts.push_back(true); }),
              ElementsAre("trained_parts"));
  EXPECT_THAT(WrongFields([](auto& o) { o.trained_parts.pop_back(); }),
              ElementsAre("trained_parts"));
  EXPECT_THAT(WrongFields([](auto& o) { o.trained_parts.assign(4, false); }),
              ElementsAre("trained_parts"));
  EXPECT_TRUE(WrongFields([](auto& o) {
                o.class_weights = {0, 1, 2, 3};
              }).empty());
  EXPECT_THAT(WrongFields([](auto& o) {
                o.class_weights = {1, 2, 3};
              }),
              ElementsAre("class_weights"));
  EXPECT_THAT(WrongFields([](auto& o) {
                o.class_weights = {1, 2, 3, -1};
              }),
              ElementsAre("class_weights"));
}

TEST(TrainerChecksTest, TellsEverythingAtOnce) {
  EXPECT_THAT(WrongFields([](auto& o) {
                o.threads = 0;
                o.device = "tpu";
                o.ema = 1;
              }),
              ElementsAre("threads", "device", "ema"));
}

constexpr BatchRules kRules = {.classes = kClasses, .least_examples = 2};

TEST(TrainerChecksTest, CountsTheExamplesOfABatch) {
  FilledBatch one(0, 1);
  FilledBatch two(0, 2);
  EXPECT_FALSE(CheckBatch({}, {.classes = kClasses}).ok());
  EXPECT_FALSE(CheckBatch(one.batch(), kRules).ok());
  EXPECT_TRUE(CheckBatch(two.batch(), kRules).ok());
  EXPECT_TRUE(CheckBatch(one.batch(), {.classes = kClasses}).ok());
}

bool TakesBatch(const std::function<void(TrainingBatch&)>& change) {
  FilledBatch batch(0, 3);
  change(batch.batch());
  const absl::Status status = CheckBatch(batch.batch(), kRules);
  EXPECT_TRUE(status.ok() || DetailsOf(status).reason == "RECIPE_INVALID");
  return status.ok();
}

TEST(TrainerChecksTest, FitsLabelsAndPartnersToTheBatch) {
  EXPECT_TRUE(TakesBatch([](auto& b) { b.labels[0] = kClasses - 1; }));
  EXPECT_FALSE(TakesBatch([](auto& b) { b.labels[0] = kClasses; }));
  EXPECT_FALSE(TakesBatch([](auto& b) { b.labels[0] = -1; }));
  EXPECT_FALSE(TakesBatch([](auto& b) { b.labels.push_back(0); }));
  EXPECT_TRUE(TakesBatch([](auto& b) { b.partners = {2, 2, 0}; }));
  EXPECT_FALSE(TakesBatch([](auto& b) { b.partners = {3, 0, 0}; }));
  EXPECT_FALSE(TakesBatch([](auto& b) { b.partners = {0, 0}; }));
  for (const double mix : {-0.1, 1.1, kNan}) {
    EXPECT_FALSE(TakesBatch([mix](auto& b) {
      b.partners = {1, 2, 0};
      b.mix = mix;
    }));
  }
}

TEST(TrainerChecksTest, WantsARateForEachTrainedPart) {
  const std::vector<bool> trained = {false, true};
  EXPECT_TRUE(CheckRates({kNan, 0.1}, trained).ok());
  EXPECT_TRUE(CheckRates({0.1, 0}, trained).ok());
  EXPECT_FALSE(CheckRates({0.1}, trained).ok());
  EXPECT_FALSE(CheckRates({0.1, 0.1, 0.1}, trained).ok());
  for (const double bad : {-0.1, kInfinity, kNan}) {
    EXPECT_FALSE(CheckRates({0.1, bad}, trained).ok());
  }
}

}  // namespace
}  // namespace resnetd
