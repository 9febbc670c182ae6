#include "client/cli/stream_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <vector>

#include "client/error_info.h"
#include "tests/support/temp_dir.h"

namespace resnetd::cli {
namespace {

using client::ClassifyAnswer;
using client::ClassifyRequest;
using client::StreamHandler;
using ::testing::ElementsAre;

// Answers a picture with its own content as label; "bad" is no picture, and of
// "gone" there is no model.
absl::StatusOr<ClassifyAnswer> Echo(const ClassifyRequest& request) {
  const std::string& bytes =
      std::get<client::EncodedImage>(request.images.front()).bytes;
  if (bytes == "bad") {
    return client::ClientError(absl::StatusCode::kInvalidArgument,
                               "IMAGE_DECODE_FAILED", "images[0]: broken");
  }
  if (bytes == "gone") {
    return client::ClientError(absl::StatusCode::kNotFound, "MODEL_NOT_FOUND",
                               "no model");
  }
  ClassifyAnswer answer;
  client::Classification classification;
  classification.predictions.push_back({.label = bytes});
  answer.results.emplace_back(std::move(classification));
  answer.served_by.version = 7;
  answer.timing = client::Timing{.total = std::chrono::milliseconds(1)};
  return answer;
}

// A stream that asks for `window` requests and then answers them, the last one
// first.
absl::Status Backwards(const StreamHandler& handler, std::size_t window) {
  std::size_t first = 0;
  while (true) {
    std::vector<ClassifyRequest> requests;
    while (requests.size() < window) {
      std::optional<ClassifyRequest> request = handler.next();
      if (!request) {
        break;
      }
      requests.push_back(*std::move(request));
    }
    for (std::size_t i = requests.size(); i > 0; --i) {
      handler.on_answer(first + i - 1, Echo(requests[i - 1]));
    }
    first += requests.size();
    if (requests.size() < window) {
      return absl::OkStatus();
    }
  }
}

class StreamRunTest : public testing::Test {
 protected:
  ClassifySummary Run(const std::vector<std::string>& names,
                      StreamRun::Stream stream, bool fail_fast = false) {
    ClassifyRequest request;
    request.fail_fast = fail_fast;
    std::size_t next = 0;
    StreamRun run(
        {.request = std::move(request)},
        [&]() -> std::optional<std::string> {
          return next < names.size() ? std::optional(names[next++])
                                     : std::nullopt;
        },
        input_, std::move(stream));
    return run.Run([this](std::size_t index, ImageOutcome outcome) {
      order_.push_back(index);
      outcomes_.resize(std::max(outcomes_.size(), index + 1));
      outcomes_[index] = std::move(outcome);
    });
  }

  std::string File(const std::string& content) {
    return folder_.Write(std::to_string(files_++), content);
  }

  TempDir folder_;
  int files_ = 0;
  std::istringstream input_;
  std::vector<std::size_t> order_;
  std::vector<ImageOutcome> outcomes_;
};

TEST_F(StreamRunTest, OutcomesComeAsAnswersDoUnderTheirOwnNames) {
  const std::vector<std::string> names = {File("a"), File("b"), File("c")};
  const ClassifySummary summary = Run(names, [](const StreamHandler& handler) {
    return Backwards(handler, 8);
  });
  EXPECT_THAT(order_, ElementsAre(2, 1, 0));
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(outcomes_[i].image, names[i]);
    EXPECT_EQ(outcomes_[i].version, 7);
    EXPECT_EQ(outcomes_[i].result->predictions[0].label,
              std::string(1, static_cast<char>('a' + i)));
  }
  EXPECT_EQ(summary.requests, 3U);
  EXPECT_EQ(summary.served_by->version, 7);
  EXPECT_TRUE(summary.call_error.ok());
}

TEST_F(StreamRunTest, ABrokenPictureAndAMissingFileFailAlone) {
  const ClassifySummary summary =
      Run({File("a"), File("bad"), folder_.File("none"), File("d")},
          [](const StreamHandler& handler) { return Backwards(handler, 2); });
  ASSERT_EQ(outcomes_.size(), 4U);
  EXPECT_EQ(outcomes_[1].result.status().message(), "broken");
  EXPECT_FALSE(outcomes_[1].bystander);
  EXPECT_EQ(client::ErrorInfoOf(outcomes_[2].result.status()).reason,
            "FILE_NOT_FOUND");
  EXPECT_EQ(outcomes_[3].result->predictions[0].label, "d");
  EXPECT_EQ(summary.failed_images, 2U);
  EXPECT_EQ(summary.skipped_images, 0U);
  EXPECT_TRUE(summary.call_error.ok());
}

TEST_F(StreamRunTest, AnErrorThatIsNotAboutAPictureEndsIt) {
  const ClassifySummary summary =
      Run({File("a"), File("gone"), File("c"), File("d")},
          [](const StreamHandler& handler) { return Backwards(handler, 1); });
  EXPECT_THAT(order_, ElementsAre(0, 1));
  EXPECT_TRUE(outcomes_[1].bystander);
  EXPECT_TRUE(absl::IsNotFound(summary.call_error));
  EXPECT_EQ(summary.skipped_images, 1U);
}

TEST_F(StreamRunTest, FailingFastSendsNothingBehindAFailure) {
  const ClassifySummary summary = Run(
      {File("a"), File("bad"), File("c")},
      [](const StreamHandler& handler) { return Backwards(handler, 1); },
      /*fail_fast=*/true);
  EXPECT_THAT(order_, ElementsAre(0, 1));
  EXPECT_EQ(summary.failed_images, 1U);
  EXPECT_TRUE(summary.call_error.ok());
}

TEST_F(StreamRunTest, TheEndOfAStreamIsTheErrorOfAll) {
  const ClassifySummary summary =
      Run({File("a")}, [](const StreamHandler& handler) {
        EXPECT_TRUE(handler.next());
        const absl::Status why = absl::UnavailableError("away");
        handler.on_answer(0, why);
        return why;
      });
  EXPECT_TRUE(absl::IsUnavailable(summary.call_error));
  EXPECT_TRUE(outcomes_[0].bystander);
  EXPECT_EQ(summary.failed_images, 0U);
}

TEST_F(StreamRunTest, StandardInputIsOneOfThePictures) {
  input_.str("typed");
  Run({"-"},
      [](const StreamHandler& handler) { return Backwards(handler, 1); });
  EXPECT_EQ(outcomes_[0].result->predictions[0].label, "typed");
}

}  // namespace
}  // namespace resnetd::cli
