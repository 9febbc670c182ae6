#include "client/cli/classify_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <latch>
#include <sstream>

#include "client/error_info.h"
#include "tests/support/temp_dir.h"

namespace resnetd::cli {
namespace {

using client::ClassifyAnswer;
using client::ClassifyRequest;

// Answers each picture with its own content as label.
ClassifyAnswer Echo(const ClassifyRequest& request) {
  ClassifyAnswer answer;
  for (const client::Image& image : request.images) {
    client::Classification classification;
    classification.predictions.push_back(
        {.label = std::get<client::EncodedImage>(image).bytes});
    answer.results.emplace_back(std::move(classification));
  }
  answer.served_by.version = 1;
  answer.timing = client::Timing{.total = std::chrono::milliseconds(1)};
  return answer;
}

class ClassifyRunTest : public testing::Test {
 protected:
  // Pictures that hold their number.
  std::vector<std::string> Pictures(int count) {
    std::vector<std::string> names;
    for (int i = 0; i < count; ++i) {
      names.push_back(folder_.Write(std::to_string(i), std::to_string(i)));
    }
    return names;
  }

  // Runs with one picture a request; keeps the outcomes.
  ClassifySummary Run(const std::vector<std::string>& names,
                      ClassifyRun::Send send, bool fail_fast = false,
                      std::size_t in_flight = 4) {
    ClassifyRequest request;
    request.fail_fast = fail_fast;
    ClassifyRun run({.request = std::move(request),
                     .limits = {.max_images = 1},
                     .requests_in_flight = in_flight},
                    std::move(send));
    run.Inspect(names, input_);
    return run.Run([this](ImageOutcome outcome) {
      outcomes_.push_back(std::move(outcome));
    });
  }

  TempDir folder_;
  std::istringstream input_;
  std::vector<ImageOutcome> outcomes_;
};

TEST_F(ClassifyRunTest, ReportsInOrderWhateverComesBackFirst) {
  std::promise<void> second_is_back;
  const ClassifySummary summary =
      Run(Pictures(2), [&](const ClassifyRequest& request) {
        if (std::get<client::EncodedImage>(request.images[0]).bytes == "0") {
          second_is_back.get_future().wait();
        } else {
          second_is_back.set_value();
        }
        return Echo(request);
      });
  ASSERT_EQ(outcomes_.size(), 2U);
  EXPECT_EQ(outcomes_[0].result->predictions[0].label, "0");
  EXPECT_EQ(outcomes_[1].result->predictions[0].label, "1");
  EXPECT_EQ(summary.requests, 2U);
  EXPECT_EQ(summary.failed_images, 0U);
  EXPECT_TRUE(summary.call_error.ok());
}

TEST_F(ClassifyRunTest, KeepsAsManyRequestsInFlightAsTold) {
  // Each waits for the two others: with fewer in flight this would hang.
  std::latch three(3);
  Run(
      Pictures(3),
      [&](const ClassifyRequest& request) {
        three.arrive_and_wait();
        return Echo(request);
      },
      false, 3);
  EXPECT_EQ(outcomes_.size(), 3U);
}

TEST_F(ClassifyRunTest, SendsNothingMoreAfterAFailedCall) {
  int calls = 0;
  const ClassifySummary summary = Run(
      Pictures(5),
      [&](const ClassifyRequest& request) -> absl::StatusOr<ClassifyAnswer> {
        if (++calls == 2) {
          return absl::NotFoundError("no model");
        }
        return Echo(request);
      },
      false, 1);
  EXPECT_EQ(calls, 2);
  EXPECT_TRUE(absl::IsNotFound(summary.call_error));
  EXPECT_EQ(summary.failed_images, 0U);
  EXPECT_EQ(summary.skipped_images, 4U);
  ASSERT_EQ(outcomes_.size(), 5U);
  EXPECT_TRUE(outcomes_[0].result.ok());
  EXPECT_TRUE(outcomes_[1].bystander);
  EXPECT_TRUE(absl::IsNotFound(outcomes_[1].result.status()));
  EXPECT_EQ(client::ErrorInfoOf(outcomes_[4].result.status()).reason,
            "NOT_SENT");
}

TEST_F(ClassifyRunTest, GoesOnAfterABrokenPictureUnlessItFailsFast) {
  const auto send =
      [](const ClassifyRequest& request) -> absl::StatusOr<ClassifyAnswer> {
    if (std::get<client::EncodedImage>(request.images[0]).bytes == "1") {
      return client::ClientError(absl::StatusCode::kInvalidArgument,
                                 "IMAGE_DECODE_FAILED", "broken");
    }
    return Echo(request);
  };
  ClassifySummary summary = Run(Pictures(4), send, false, 1);
  EXPECT_EQ(summary.failed_images, 1U);
  EXPECT_TRUE(summary.call_error.ok());
  EXPECT_FALSE(outcomes_[1].bystander);
  EXPECT_TRUE(outcomes_[3].result.ok());

  outcomes_.clear();
  summary = Run(Pictures(4), send, true, 1);
  EXPECT_EQ(summary.failed_images, 1U);
  EXPECT_EQ(summary.skipped_images, 2U);
  EXPECT_TRUE(summary.call_error.ok());
  EXPECT_FALSE(outcomes_[1].bystander);
  EXPECT_TRUE(outcomes_[2].bystander);
}

TEST_F(ClassifyRunTest, ReportsAFileThatGoesAwayMeanwhile) {
  const std::vector<std::string> names = Pictures(2);
  ClassifyRun run({.request = {}}, Echo);
  run.Inspect(names, input_);
  std::filesystem::remove(names[0]);
  const ClassifySummary summary = run.Run([this](ImageOutcome outcome) {
    outcomes_.push_back(std::move(outcome));
  });
  EXPECT_EQ(summary.failed_images, 1U);
  EXPECT_EQ(client::ErrorInfoOf(outcomes_[0].result.status()).reason,
            "FILE_UNREADABLE");
  EXPECT_EQ(outcomes_[1].result->predictions[0].label, "1");
}

TEST_F(ClassifyRunTest, DoesNothingWithoutAnythingToSend) {
  const ClassifySummary summary =
      Run({folder_.File("none")}, [](const ClassifyRequest& request) {
        ADD_FAILURE() << "sent";
        return Echo(request);
      });
  EXPECT_EQ(summary.failed_images, 1U);
  EXPECT_FALSE(summary.served_by);
}

TEST(AddTimingTest, SumsWorkAndKeepsTheLongestWait) {
  using std::chrono::milliseconds;
  std::optional<client::Timing> total;
  AddTiming({.queue = milliseconds(5),
             .decode = milliseconds(1),
             .preprocess = milliseconds(2),
             .compute = milliseconds(3),
             .postprocess = milliseconds(4),
             .total = milliseconds(10),
             .batch_size = 8},
            total);
  AddTiming({.queue = milliseconds(1),
             .decode = milliseconds(1),
             .preprocess = milliseconds(1),
             .compute = milliseconds(1),
             .postprocess = milliseconds(1),
             .total = milliseconds(20),
             .batch_size = 4},
            total);
  EXPECT_EQ(total->queue, milliseconds(5));
  EXPECT_EQ(total->decode, milliseconds(2));
  EXPECT_EQ(total->preprocess, milliseconds(3));
  EXPECT_EQ(total->compute, milliseconds(4));
  EXPECT_EQ(total->postprocess, milliseconds(5));
  EXPECT_EQ(total->total, milliseconds(20));
  EXPECT_EQ(total->batch_size, 8);
}

}  // namespace
}  // namespace resnetd::cli
