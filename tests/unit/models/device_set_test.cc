#include "server/models/device_set.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/base/clock.h"
#include "server/base/error.h"
#include "server/models/device_loads.h"
#include "server/models/golden.h"
#include "server/models/model.h"
#include "tests/support/fake_model.h"
#include "tests/support/fallback_count.h"
#include "tests/support/filled_package.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::size_t kMaxBatch = 4;

// Goes on for a thread when that thread says so: devices load side by side.
class ThreadClock final : public Clock {
 public:
  SteadyTime Now() const override { return SteadyTime(passed()); }
  WallTime WallNow() const override { return WallTime(); }
  static void Advance(Duration duration) { passed() += duration; }

 private:
  static Duration& passed() {
    thread_local Duration passed{};
    return passed;
  }
};

// A device, as a loader of its own. Its networks take some time by ThreadClock.
class FakeDevice final : public ModelLoader {
 public:
  struct State {
    Duration takes = std::chrono::milliseconds(10);
    absl::Status refusal;
    // Of the logits.
    float offset = 0;
    std::size_t batches = 0;
    int checks = 0;
    // Runs in each batch.
    std::function<void()> during;
  };
  explicit FakeDevice(State& state) : state_(state) {}

  absl::StatusOr<std::unique_ptr<Model>> Load(
      const ModelPackage& /*package*/, std::size_t /*max_batch*/) override {
    if (!state_.refusal.ok()) {
      return state_.refusal;
    }
    return std::make_unique<Network>(state_);
  }
  std::string description() const override { return "a device"; }

 private:
  class Network final : public Model {
   public:
    explicit Network(State& state) : state_(state) {}
    absl::StatusOr<std::vector<float>> Logits(
        absl::Span<const Pixels* const> batch) const override {
      ++state_.batches;
      ThreadClock::Advance(state_.takes);
      if (const auto during = std::exchange(state_.during, nullptr)) {
        during();
      }
      if (!state_.refusal.ok()) {
        return state_.refusal;
      }
      std::vector<float> logits;
      for (const Pixels* const picture : batch) {
        logits.push_back(static_cast<float>(picture->rgb[0]) + state_.offset);
        logits.push_back(1);
      }
      return logits;
    }
    absl::Status CheckGolden(const Golden& golden, int side,
                             std::size_t max_batch) const override {
      ++state_.checks;
      return Model::CheckGolden(golden, side, max_batch);
    }
    std::string precision() const override { return "fp32"; }
    std::string backend() const override { return "fake"; }
    std::int64_t resident_bytes() const override { return 1000; }

   private:
    State& state_;
  };

  State& state_;
};

class DeviceSetTest : public testing::Test {
 protected:
  DeviceSetTest() {
    std::vector<std::unique_ptr<ModelLoader>> devices;
    devices.push_back(std::make_unique<FakeDevice>(first_));
    devices.push_back(std::make_unique<FakeDevice>(second_));
    loader_ = std::make_unique<DeviceSetLoader>(std::move(devices), clock_);
  }

  // Batches of the load are not counted.
  std::unique_ptr<Model> Load() {
    auto model = loader_->Load(package_, kMaxBatch);
    EXPECT_TRUE(model.ok()) << model.status();
    first_.batches = 0;
    second_.batches = 0;
    return *std::move(model);
  }
  absl::StatusOr<std::unique_ptr<Model>> LoadStored() {
    return loader_->LoadStored(package_, golden_, kMaxBatch,
                               [this] { ++loaded_; });
  }
  std::vector<float> Ask(const Model& model) const {
    auto logits = model.Logits({&picture_});
    EXPECT_TRUE(logits.ok()) << logits.status();
    return *std::move(logits);
  }

  ThreadClock clock_;
  FakeDevice::State first_;
  FakeDevice::State second_;
  ModelPackage package_ = FilledPackage("cifar_resnet8", 2, 8);
  std::unique_ptr<DeviceSetLoader> loader_;
  Pixels picture_ = FakePixels(7);
  // Of the noise, the patches and the ramps.
  Golden golden_ = [] {
    Golden golden;
    for (const Pixels& picture : GoldenPictures(8)) {
      golden.logits.push_back(static_cast<float>(picture.rgb[0]));
      golden.logits.push_back(1);
    }
    return golden;
  }();
  int loaded_ = 0;
};

TEST_F(DeviceSetTest, EveryDeviceHasACopyThatHasRunEveryBatchSize) {
  ASSERT_TRUE(loader_->Load(package_, kMaxBatch).ok());
  EXPECT_GE(first_.batches, kMaxBatch);
  EXPECT_GE(second_.batches, kMaxBatch);
  EXPECT_EQ(loader_->description(), "2 devices: a device; a device");
  EXPECT_EQ(loader_->copies(), 2);
}

TEST_F(DeviceSetTest, AStoredVersionRunsEveryBatchSizeOnceOnEachDevice) {
  const auto model = LoadStored();
  ASSERT_TRUE(model.ok()) << model.status();
  // And the golden pictures, which are one batch.
  EXPECT_EQ(first_.batches, kMaxBatch + 1);
  EXPECT_EQ(second_.batches, kMaxBatch + 1);
}

TEST_F(DeviceSetTest, AnswersAsOneDeviceDoes) {
  const auto model = Load();
  EXPECT_THAT(Ask(*model), ElementsAre(7, 1));
  EXPECT_EQ(model->precision(), "fp32");
  EXPECT_EQ(model->backend(), "fake");
  EXPECT_EQ(model->resident_bytes(), 2000);
  const std::vector<const Pixels*> batch = {&picture_, &picture_};
  const auto output = model->Compute(InputsOf(batch), false);
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_THAT(output->logits, ElementsAre(7, 1, 7, 1));
}

TEST_F(DeviceSetTest, ABatchGoesWhereNothingIsInFlight) {
  const auto model = Load();
  // While the first device computes one, another one comes.
  first_.during = [&] { Ask(*model); };
  Ask(*model);
  EXPECT_EQ(first_.batches, 1U);
  EXPECT_EQ(second_.batches, 1U);
}

TEST_F(DeviceSetTest, ASlowerDeviceIsNotTaken) {
  first_.takes = std::chrono::milliseconds(30);
  const auto model = Load();
  for (int i = 0; i < 10; ++i) {
    Ask(*model);
  }
  EXPECT_EQ(first_.batches, 0U);
  EXPECT_EQ(second_.batches, 10U);
}

TEST(LearntSecondsTest, FallAtOnceAndRiseSlowly) {
  struct Case {
    double known;
    double taken;
    double learnt;
  };
  for (const Case& tested :
       {Case{10, 10, 10}, Case{10, 5, 5}, Case{10, 0.1, 0.1}, Case{10, 20, 12},
        Case{10, 60, 20}, Case{10, 5000, 20}, Case{0, 1, 2e-5}}) {
    EXPECT_DOUBLE_EQ(LearntSeconds(tested.known, tested.taken), tested.learnt);
  }
}

TEST_F(DeviceSetTest, ADeviceThatWasSlowOnceComesBack) {
  const auto model = Load();
  first_.takes = std::chrono::seconds(10);
  Ask(*model);
  first_.takes = std::chrono::milliseconds(10);
  for (std::size_t i = 0; i < 2 * DeviceSetModel::kTrialEvery - 1; ++i) {
    Ask(*model);
  }
  EXPECT_EQ(first_.batches, 2U) << "the hiccup, and a trial";
  Ask(*model);
  EXPECT_EQ(first_.batches, 3U) << "it is the first of equals again";
}

TEST_F(DeviceSetTest, ABatchWithoutMemoryGoesToAnotherDevice) {
  const auto model = Load();
  first_.refusal = absl::ResourceExhaustedError("no memory");
  const std::int64_t before = FallbackCount(Fallback::kOtherDevice);
  EXPECT_THAT(Ask(*model), ElementsAre(7, 1));
  EXPECT_EQ(first_.batches, 1U);
  EXPECT_EQ(second_.batches, 1U);
  EXPECT_EQ(FallbackCount(Fallback::kOtherDevice), before + 1);
  second_.refusal = absl::ResourceExhaustedError("none here either");
  EXPECT_EQ(model->Logits({&picture_}).status(), second_.refusal);
}

TEST_F(DeviceSetTest, ADeviceThatBecomesSlowLosesItsBatches) {
  const auto model = Load();
  first_.takes = std::chrono::milliseconds(30);
  for (int i = 0; i < 20; ++i) {
    Ask(*model);
  }
  EXPECT_EQ(first_.batches, 1U) << "0.2 of the new time is enough";
  EXPECT_EQ(second_.batches, 19U);
}

TEST_F(DeviceSetTest, AllModelsOfADeviceShareItsLoad) {
  const auto one = Load();
  const auto other = Load();
  first_.during = [&] { Ask(*other); };
  Ask(*one);
  EXPECT_EQ(first_.batches, 1U);
  EXPECT_EQ(second_.batches, 1U);
}

TEST_F(DeviceSetTest, AnErrorOfADeviceIsTheAnswerAndItIsFreeAgain) {
  const auto model = Load();
  first_.refusal = absl::InternalError("the library failed");
  EXPECT_EQ(model->Logits({&picture_}).status(), first_.refusal);
  EXPECT_EQ(model->Compute(InputsOf({&picture_}), false).status(),
            first_.refusal);
  first_.refusal = absl::OkStatus();
  EXPECT_THAT(Ask(*model), ElementsAre(7, 1));
  EXPECT_EQ(first_.batches, 3U) << "as fast as before";
}

TEST_F(DeviceSetTest, ADeviceThatCannotLoadIsNamed) {
  second_.refusal = absl::ResourceExhaustedError("no memory");
  for (const absl::Status& status :
       {loader_->Load(package_, kMaxBatch).status(), LoadStored().status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_EQ(status.message(), "device 2 of 2: no memory");
  }
}

TEST_F(DeviceSetTest, DevicesThatDisagreeAreRefused) {
  second_.offset = 1;
  const absl::Status status = loader_->Load(package_, kMaxBatch).status();
  EXPECT_EQ(DetailsOf(status).reason, "GOLDEN_MISMATCH");
  EXPECT_THAT(std::string(status.message()), HasSubstr("device 2 of 2: "));
}

TEST_F(DeviceSetTest, EachDeviceIsComparedWithTheStore) {
  const auto model = LoadStored();
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(loaded_, 1) << "told once, not by each device";
  EXPECT_EQ(first_.checks, 1);
  EXPECT_EQ(second_.checks, 1);
  EXPECT_EQ((*model)->CheckGolden(golden_, 8, kMaxBatch), absl::OkStatus());
  EXPECT_EQ(second_.checks, 2);
  second_.offset = 1;
  EXPECT_THAT(
      std::string((*model)->CheckGolden(golden_, 8, kMaxBatch).message()),
      HasSubstr("device 2 of 2: "));
  EXPECT_EQ(DetailsOf(LoadStored().status()).reason, "GOLDEN_MISMATCH");
}

TEST_F(DeviceSetTest, ManyThreadsMayAsk) {
  const auto model = std::make_unique<DeviceSetModel>(
      [] {
        std::vector<DeviceSetModel::Copy> copies;
        for (int i = 0; i < 3; ++i) {
          copies.push_back({.model = std::make_unique<FakeModel>(FakeFacts()),
                            .seconds = {1, 2}});
        }
        return copies;
      }(),
      std::make_shared<DeviceLoads>(3), RealClock());
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 200; ++j) {
        EXPECT_EQ(*model->Logits({&picture_}), FakeModel::LogitsOf(7, 10));
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

}  // namespace
}  // namespace resnetd
