// Which precision a job is trained in.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <vector>

#include "absl/types/span.h"
#include "tests/support/fake_clock.h"
#include "tests/unit/finetune/job_manager_fixture.h"

namespace resnetd {
namespace {

using std::chrono::milliseconds;

// Steps take the time that is said for their precision.
class JobPrecisionTest : public JobManagerTest {
 protected:
  void SetUp() override {
    clock_ = &fake_;
    trainers_.script.compute = [this](TrainingPrecision precision) {
      steps_.push_back(precision);
      fake_.Advance(precision == TrainingPrecision::kBf16 ? bf16_ : fp32_);
    };
    trainers_.script.rates = [this](absl::Span<const double> rates) {
      rates_.emplace_back(rates.begin(), rates.end());
    };
    JobManagerTest::SetUp();
    ASSERT_TRUE(jobs_->Start().ok());
  }

  // Of a network that is large enough to measure.
  JobSpec LargeSpec() {
    JobSpec spec = Spec(8);
    spec.architecture = "cifar_resnet110";
    spec.input_size = 32;
    return spec;
  }

  Job Done(const JobSpec& spec) {
    Job job = AwaitEnd(Create(spec));
    EXPECT_EQ(job.status.state, JobState::kSucceeded);
    return job;
  }

  FakeClock fake_;
  Duration fp32_ = milliseconds(10);
  Duration bf16_ = milliseconds(5);
  // Of all steps, also those of the trial.
  std::vector<TrainingPrecision> steps_;
  std::vector<std::vector<double>> rates_;
};

TEST_F(JobPrecisionTest, TakesTheFasterOneFromItsFirstStepOn) {
  const Job job = Done(LargeSpec());
  EXPECT_EQ(job.status.recipe->precision, TrainingPrecision::kBf16);
  EXPECT_TRUE(job.status.precision_is_settled);
  ASSERT_EQ(steps_.size(), 10U + 8U)
      << "one and four of each precision, then the job's";
  for (std::size_t i = 10; i < steps_.size(); ++i) {
    EXPECT_EQ(steps_[i], TrainingPrecision::kBf16) << i;
  }
}

TEST_F(JobPrecisionTest, StaysInFp32WhereNothingIsWon) {
  bf16_ = milliseconds(9);
  const Job job = Done(LargeSpec());
  EXPECT_EQ(job.status.recipe->precision, TrainingPrecision::kFp32);
  EXPECT_EQ(steps_.back(), TrainingPrecision::kFp32);
}

TEST_F(JobPrecisionTest, OneStepIsEnoughWhereTheArithmeticIsMissing) {
  bf16_ = milliseconds(31);
  const Job job = Done(LargeSpec());
  EXPECT_EQ(job.status.recipe->precision, TrainingPrecision::kFp32);
  EXPECT_TRUE(job.status.precision_is_settled);
  EXPECT_EQ(steps_.size(), 2U + 8U) << "one of each precision, then the job's";
}

TEST_F(JobPrecisionTest, StepsOnFewPicturesLeaveTheWeightsAlone) {
  const Job job = Done(LargeSpec());
  ASSERT_GE(rates_.size(), 4U);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_THAT(rates_[i], ::testing::Each(0.0)) << i;
  }
  EXPECT_THAT(rates_[2], ::testing::Contains(::testing::Gt(0.0)));
}

TEST_F(JobPrecisionTest, StaysInFp32WhereStepsComeOutOtherwise) {
  trainers_.script.loss = [this](int call, double loss) {
    return call == 3 && steps_.back() == TrainingPrecision::kBf16 ? loss * 1.1
                                                                  : loss;
  };
  EXPECT_EQ(Done(LargeSpec()).status.recipe->precision,
            TrainingPrecision::kFp32);
}

TEST_F(JobPrecisionTest, MeasuresNothingThatIsSaidOrTooSmallToMatter) {
  JobSpec said = LargeSpec();
  said.recipe.precision = TrainingPrecision::kFp32;
  EXPECT_EQ(Done(said).status.recipe->precision, TrainingPrecision::kFp32);
  EXPECT_EQ(steps_.size(), 8U);
  said.recipe.precision = TrainingPrecision::kBf16;
  EXPECT_EQ(Done(said).status.recipe->precision, TrainingPrecision::kBf16);
  EXPECT_EQ(steps_.size(), 16U);
  EXPECT_FALSE(Done(Spec(8)).status.precision_is_settled);
  EXPECT_EQ(steps_.size(), 24U);
}

TEST_F(JobPrecisionTest, KeepsItsChoiceWhateverIsFasterLater) {
  const JobNumber job{1};
  trainers_.script.fail = [&](int call) {
    if (call == 11) {  // The second step of the job.
      EXPECT_TRUE(jobs_->CallJob(job, JobCall::kPause, "", Asked()).ok());
    }
    return absl::OkStatus();
  };
  ASSERT_EQ(Create(LargeSpec()), job);
  ASSERT_EQ(AwaitEnd(job).status.state, JobState::kPaused);
  bf16_ = milliseconds(50);
  Restart();
  ASSERT_TRUE(jobs_->Start().ok());
  ASSERT_TRUE(jobs_->CallJob(job, JobCall::kResume, "", Asked()).ok());
  const Job done =
      Await(job, [](const Job& j) { return IsDone(j.status.state); });
  EXPECT_EQ(done.status.recipe->precision, TrainingPrecision::kBf16);
  EXPECT_EQ(steps_.back(), TrainingPrecision::kBf16);
}

TEST_F(JobPrecisionTest, AnEstimateTellsIt) {
  EXPECT_EQ(Must(jobs_->EstimateJob(LargeSpec())).recipe.precision,
            TrainingPrecision::kBf16);
}

}  // namespace
}  // namespace resnetd
