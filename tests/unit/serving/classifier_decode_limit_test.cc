#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <latch>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "server/base/clock.h"
#include "server/base/error.h"
#include "server/serving/classifier.h"
#include "tests/unit/serving/classifier_fixture.h"
#include "tests/unit/serving/png_header.h"
#include "tests/unit/serving/serving_fixture.h"

namespace resnetd {
namespace {

// Images that may wait for a decoder, as docs/api.md has it.
constexpr std::size_t kMost = 65'536;

// Takes the only decoder: the answer to a picture that is refused is given in
// its thread, which it keeps until it is released.
class DecoderHeld {
 public:
  void Hold(Classifier& classifier) {
    ClassifyRequest wrong;
    wrong.images.emplace_back(
        PixelImage{.pixels = FakePixels(1, 9), .at_network_size = true});
    classifier.Classify(std::move(wrong), [this](const auto& answer) {
      EXPECT_EQ(answer.status().code(), absl::StatusCode::kInvalidArgument);
      held_.count_down();
      released_.wait();
    });
    held_.wait();
  }
  void Release() { released_.count_down(); }

 private:
  std::latch held_{1};
  std::latch released_{1};
};

class DecodeLimitTest : public ClassifierTest {
 protected:
  // No other limit is in the way.
  static ClassifierOptions Options() {
    ClassifierOptions options;
    options.max_images_per_request = kMost;
    options.queue.max_images = 2 * kMost;
    options.queue.max_wait = std::chrono::hours(1);
    return options;
  }
};

TEST_F(DecodeLimitTest, RefusesWhoComesWhileAsManyImagesAsMayWaitForADecoder) {
  Start(Options());
  DecoderHeld decoder;
  decoder.Hold(*classifier_);
  // One below the limit.
  AnswerBox most;
  classifier_->Classify(PixelRequest(kMost - 1), most.Taker());
  // What does not fit whole takes no room.
  EXPECT_EQ(DetailsOf(Call(PixelRequest(2)).status()).reason, "QUEUE_FULL");
  // At it.
  AnswerBox last;
  EXPECT_TRUE(classifier_->Check({.images = 1}).ok());
  classifier_->Classify(PixelRequest(1), last.Taker());
  // Above it.
  const absl::Status refused = Call(PixelRequest(1)).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(refused.message(),
            "65536 images wait for a decoder and there is no room for 1 more "
            "(limit 65536): try again in 1 s");
  EXPECT_EQ(DetailsOf(refused).reason, "QUEUE_FULL");
  EXPECT_EQ(DetailsOf(refused).retry_after, std::chrono::seconds(1));
  EXPECT_EQ(DetailsOf(classifier_->Check({.images = 1})).reason, "QUEUE_FULL");
  EXPECT_THAT(telemetry_->Expose(),
              testing::HasSubstr(
                  "rejected_total{model=\"fake\",reason=\"queue_full\"} 3"));
  // Nobody who waited was refused for those who came.
  EXPECT_FALSE(most.HasAnswer());
  EXPECT_FALSE(last.HasAnswer());
  decoder.Release();
  EXPECT_TRUE(most.Take().ok());
  EXPECT_TRUE(last.Take().ok());
  EXPECT_TRUE(Call(PixelRequest(1)).ok());
}

TEST_F(DecodeLimitTest, WhatIsNotDecodedKeepsNoRoomForDecoders) {
  Start(Options());
  DecoderHeld decoder;
  decoder.Hold(*classifier_);
  // Refused for another reason, and pictures that could not be read.
  ClassifyRequest late = PixelRequest(kMost);
  late.deadline = RealClock().Now();
  EXPECT_EQ(Call(std::move(late)).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  const absl::Status unread = Error(absl::StatusCode::kInvalidArgument,
                                    Reason::kLimitExceeded, "too big");
  ClassifyRequest unusable;
  unusable.images.resize(kMost, unread);
  EXPECT_TRUE(Call(std::move(unusable)).ok());
  EXPECT_TRUE(classifier_->Check({.images = kMost}).ok());
  decoder.Release();
  EXPECT_TRUE(Call(PixelRequest(1)).ok());
}

class DecodeRoomTest : public ClassifierTest {
 protected:
  // Memory for one picture, and decoders for four.
  static ClassifierOptions Options() {
    ClassifierOptions options;
    options.decode_threads = 4;
    options.max_decode_bytes = 1;
    return options;
  }
  // Pictures that turn out to be none, with some that need no memory between.
  ClassifyRequest Mixed() const {
    ClassifyRequest request = PixelRequest(kImages / 2);
    request.images.resize(kImages, EncodedImage{.bytes = header_});
    for (std::size_t i = 1; i < kImages / 2; i += 2) {
      std::swap(request.images[i], request.images[kImages - i]);
    }
    return request;
  }

  static constexpr std::size_t kImages = 128;
  const std::vector<std::uint8_t> header_ = PngHeader(100, 100);
};

TEST_F(DecodeRoomTest, EveryPictureThatWaitsForRoomHasItsTurn) {
  Start(Options());
  std::vector<AnswerBox> answers(8);
  for (AnswerBox& answer : answers) {
    classifier_->Classify(Mixed(), answer.Taker());
  }
  for (AnswerBox& answer : answers) {
    const auto response = answer.Take();
    ASSERT_TRUE(response.ok()) << response.status();
    std::size_t failed = 0;
    for (const auto& result : response->results) {
      failed += result.ok() ? 0 : 1;
    }
    EXPECT_EQ(failed, kImages / 2);
  }
  EXPECT_TRUE(Call(PixelRequest(1)).ok());
}

TEST_F(DecodeRoomTest, WhatWaitsForRoomIsAnsweredWhenTheServerEnds) {
  Start(Options());
  std::vector<AnswerBox> answers(8);
  for (AnswerBox& answer : answers) {
    classifier_->Classify(Mixed(), answer.Taker());
  }
  classifier_.reset();
  for (AnswerBox& answer : answers) {
    const absl::Status status = answer.Take().status();
    EXPECT_TRUE(status.ok() || absl::IsUnavailable(status)) << status;
  }
}

class DecodeBacklogTest : public ClassifierTest {
 protected:
  // A picture of 25 megapixels, taken to keep a decoder for 125 ms, that turns
  // out to be none.
  ClassifyRequest Large() const {
    ClassifyRequest request;
    request.images.emplace_back(EncodedImage{.bytes = large_});
    return request;
  }
  static ClassifierOptions Options() {
    ClassifierOptions options;
    options.queue.max_wait = std::chrono::milliseconds(100);
    return options;
  }

  const std::vector<std::uint8_t> large_ = PngHeader(5000, 5000);
};

TEST_F(DecodeBacklogTest, RefusesWhoWouldWaitForDecodersAndNobodyElse) {
  Start(Options());
  DecoderHeld decoder;
  decoder.Hold(*classifier_);
  AnswerBox first;
  classifier_->Classify(Large(), first.Taker());
  EXPECT_EQ(DetailsOf(Call(Large()).status()).reason, "OVERLOADED");
  AnswerBox pixels;
  classifier_->Classify(PixelRequest(1), pixels.Taker());
  decoder.Release();
  EXPECT_EQ(DetailsOf(first.Take().status()).reason, "IMAGE_DECODE_FAILED");
  EXPECT_TRUE(pixels.Take().ok());
  // What could not be decoded is not waited for any more.
  EXPECT_EQ(DetailsOf(Call(Large()).status()).reason, "IMAGE_DECODE_FAILED");
}

TEST_F(DecodeBacklogTest, NobodyWaitsForWhatWasCancelled) {
  Start(Options());
  DecoderHeld decoder;
  decoder.Hold(*classifier_);
  ClassifyRequest cancelled = Large();
  cancelled.cancelled = std::make_shared<std::atomic<bool>>(false);
  const CancelFlag flag = cancelled.cancelled;
  AnswerBox first;
  classifier_->Classify(std::move(cancelled), first.Taker());
  EXPECT_EQ(DetailsOf(Call(Large()).status()).reason, "OVERLOADED");
  flag->store(true);
  decoder.Release();
  EXPECT_EQ(first.Take().status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(DetailsOf(Call(Large()).status()).reason, "IMAGE_DECODE_FAILED");
}

}  // namespace
}  // namespace resnetd
