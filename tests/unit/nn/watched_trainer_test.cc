#include "server/nn/watched_trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "server/base/error.h"
#include "tests/unit/nn/scripted_stream.h"

namespace resnetd {
namespace {

// What a trainer answers, and how often it was asked.
struct TrainerAnswers {
  absl::Status status;
  int calls = 0;

  absl::Status Answer() {
    ++calls;
    return status;
  }
  template <typename Value>
  absl::StatusOr<Value> Answer() {
    ++calls;
    return status.ok() ? absl::StatusOr<Value>(Value()) : status;
  }
};

class AnsweringTrainer final : public Trainer {
 public:
  explicit AnsweringTrainer(TrainerAnswers& answers) : answers_(answers) {}
  absl::StatusOr<StepReport> Step(absl::Span<const TrainingBatch> /*batches*/,
                                  const StepSettings& /*settings*/) override {
    return answers_.Answer<StepReport>();
  }
  absl::StatusOr<std::optional<GradientSample>> PendingSample() override {
    return answers_.Answer<std::optional<GradientSample>>();
  }
  absl::StatusOr<std::vector<float>> Logits(
      absl::Span<const Pixels* const> /*batch*/) override {
    return answers_.Answer<std::vector<float>>();
  }
  absl::StatusOr<std::vector<float>> LogitsOfFeatures(
      absl::Span<const Features> /*batch*/) override {
    return answers_.Answer<std::vector<float>>();
  }
  absl::Status EstimateNorms(
      absl::Span<const std::vector<const Pixels*>> /*batches*/) override {
    return answers_.Answer();
  }
  absl::Status EstimateNormsOfFeatures(
      absl::Span<const std::vector<Features>> /*batches*/) override {
    return answers_.Answer();
  }
  absl::StatusOr<TensorList> ExportWeights() override {
    return answers_.Answer<TensorList>();
  }
  absl::StatusOr<TrainerState> Save() override {
    return answers_.Answer<TrainerState>();
  }
  absl::Status Restore(const TrainerState& /*state*/) override {
    return answers_.Answer();
  }
  std::int64_t resident_bytes() const override { return 7; }

 private:
  TrainerAnswers& answers_;
};

absl::Status LibraryFailed() {
  return Error(absl::StatusCode::kInternal, Reason::kInternal,
               "the torch backend failed");
}

class WatchedTrainerTest : public testing::Test {
 protected:
  std::unique_ptr<WatchedTrainer> Watched(
      std::unique_ptr<RecordedGraph> begin_step = nullptr) {
    return std::make_unique<WatchedTrainer>(
        std::make_unique<ScriptedStream>(script_),
        std::make_unique<AnsweringTrainer>(answers_), std::move(begin_step),
        [this] { ++told_; });
  }

  // Every call that a trainer has.
  static std::vector<std::function<absl::Status(Trainer&)>> Calls() {
    return {[](Trainer& one) { return one.Step({}, {}).status(); },
            [](Trainer& one) { return one.PendingSample().status(); },
            [](Trainer& one) { return one.Logits({}).status(); },
            [](Trainer& one) { return one.LogitsOfFeatures({}).status(); },
            [](Trainer& one) { return one.EstimateNorms({}); },
            [](Trainer& one) { return one.EstimateNormsOfFeatures({}); },
            [](Trainer& one) { return one.ExportWeights().status(); },
            [](Trainer& one) { return one.Save().status(); },
            [](Trainer& one) { return one.Restore({}); }};
  }

  TrainerAnswers answers_;
  const std::shared_ptr<DeviceScript> script_ =
      std::make_shared<DeviceScript>();
  int told_ = 0;
};

TEST_F(WatchedTrainerTest, PassesOnWhatTheTrainerAnswers) {
  const auto trainer = Watched();
  EXPECT_EQ(trainer->resident_bytes(), 7);
  for (const auto& call : Calls()) {
    EXPECT_TRUE(call(*trainer).ok());
  }
  EXPECT_EQ(answers_.calls, 9);
  answers_.status = absl::InvalidArgumentError("a batch is empty");
  for (const auto& call : Calls()) {
    EXPECT_EQ(call(*trainer), answers_.status);
  }
  EXPECT_EQ(told_, 0);
}

TEST_F(WatchedTrainerTest, AFailureOfADeviceThatStillWorksIsOneOfTheStep) {
  const auto trainer = Watched();
  answers_.status = LibraryFailed();
  for (const auto& call : Calls()) {
    EXPECT_EQ(call(*trainer), answers_.status);
  }
  answers_.status = absl::OkStatus();
  EXPECT_TRUE(trainer->Restore({}).ok());
  EXPECT_EQ(told_, 0);
}

TEST_F(WatchedTrainerTest, AFailureOfABrokenDeviceEndsItForGood) {
  for (const auto& call : Calls()) {
    told_ = 0;
    const auto trainer = Watched();
    answers_.status = LibraryFailed();
    script_->works = false;
    const absl::Status status = call(*trainer);
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(DetailsOf(status).reason, "BACKEND_UNAVAILABLE");
    EXPECT_EQ(told_, 1);
    // Nothing is computed any more, whatever the device says.
    answers_ = {};
    script_->works = true;
    for (const auto& later : Calls()) {
      EXPECT_EQ(later(*trainer).code(), absl::StatusCode::kUnavailable);
    }
    EXPECT_EQ(answers_.calls, 0);
    EXPECT_EQ(told_, 1);
  }
}

TEST_F(WatchedTrainerTest, WantOfMemoryNeverMeansThatTheDeviceIsBroken) {
  const auto trainer = Watched();
  script_->works = false;
  answers_.status = Error(absl::StatusCode::kResourceExhausted,
                          Reason::kOutOfMemory, "not enough memory");
  for (const auto& call : Calls()) {
    EXPECT_EQ(call(*trainer), answers_.status);
  }
  EXPECT_EQ(told_, 0);
}

TEST_F(WatchedTrainerTest, TheFakeDeviceBreaksBehindItsLastStep) {
  auto life = std::make_shared<HostStream::Life>();
  life->breaks_after = 2;
  auto stream = std::make_unique<HostStream>(life, 1);
  auto begin_step = stream->Record([] {});
  WatchedTrainer trainer(std::move(stream),
                         std::make_unique<AnsweringTrainer>(answers_),
                         std::move(begin_step), [this] { ++told_; });
  EXPECT_TRUE(trainer.Step({}, {}).ok());
  EXPECT_TRUE(trainer.Save().ok());
  EXPECT_TRUE(trainer.Step({}, {}).ok());
  EXPECT_EQ(trainer.Step({}, {}).status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(told_, 1);
  EXPECT_EQ(trainer.Save().status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(answers_.calls, 3);
}

}  // namespace
}  // namespace resnetd
