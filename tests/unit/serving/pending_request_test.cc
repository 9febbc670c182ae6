#include "server/serving/pending_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/base/error.h"
#include "tests/unit/serving/serving_fixture.h"

namespace resnetd {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

absl::Status BadImage() {
  return Error(absl::StatusCode::kInvalidArgument, Reason::kImageDecodeFailed,
               "not an image");
}

TEST(PendingRequestTest, AnswersWhenTheLastImageIsFinished) {
  ServingFixture fixture;
  AnswerBox answer;
  const auto request = fixture.Make(PixelRequest(2), answer);
  request->Finish(1, Classification{.predictions = {{.index = 1}}});
  EXPECT_FALSE(answer.HasAnswer());
  request->Finish(0, Classification{.predictions = {{.index = 7}}});
  const auto response = answer.Take();
  ASSERT_TRUE(response.ok());
  ASSERT_EQ(response->results.size(), 2U);
  EXPECT_EQ(response->results[0]->predictions[0].index, 7);
  EXPECT_EQ(response->results[1]->predictions[0].index, 1);
  EXPECT_EQ(response->served_by, fixture.version);
}

TEST(PendingRequestTest, GivesItsReservationBackImageByImage) {
  ServingFixture fixture;
  AnswerBox answer;
  const auto request = fixture.Make(PixelRequest(2), answer);
  EXPECT_EQ(fixture.account.load().images, 2U);
  const std::size_t bytes = fixture.account.load().bytes;
  request->TakePixels(0);
  request->Finish(0, Classification{});
  EXPECT_EQ(fixture.account.load().images, 1U);
  EXPECT_EQ(fixture.account.load().bytes, bytes / 2);
  request->Finish(1, Classification{});
  EXPECT_EQ(fixture.account.load().images, 0U);
  EXPECT_EQ(fixture.account.load().bytes, 0U);
}

TEST(PendingRequestTest, DecodersHaveNothingToDoForWhatIsDecodedOrFinished) {
  ServingFixture fixture;
  DecodeWork decode(1);
  QueueAccount account({}, NullModelMetrics(), fixture.ahead, &decode);
  ASSERT_TRUE(account
                  .Reserve({.images = 3,
                            .now = fixture.clock.Now(),
                            .decode = milliseconds(1 + 20 + 300)})
                  .ok());
  AnswerBox answer;
  const auto request = std::make_shared<PendingRequest>(
      PixelRequest(3), fixture.version, account, fixture.clock, answer.Taker(),
      std::vector<DecodeCost>{{.bytes = 0, .time = milliseconds(1)},
                              {.bytes = 0, .time = milliseconds(20)},
                              {.bytes = 0, .time = milliseconds(300)}});
  EXPECT_EQ(request->decode_cost(1).time, milliseconds(20));
  request->Decoded(1, milliseconds(40));
  EXPECT_EQ(decode.announced(), milliseconds(301));
  // Once: not again when it is finished.
  request->Finish(1, Classification{});
  EXPECT_EQ(decode.announced(), milliseconds(301));
  // Never decoded: cancelled, late or refused.
  request->Finish(2, absl::CancelledError("not wanted any more"));
  EXPECT_EQ(decode.announced(), milliseconds(1));
  request->Finish(0, BadImage());
  EXPECT_EQ(decode.announced(), Duration::zero());
  // What was measured is known: twice what was announced.
  EXPECT_EQ(decode.Predict({.decode = milliseconds(1)}).own, milliseconds(2));
}

TEST(PendingRequestTest,
     AnImageWhoseDeadlineHasPassedIsCountedWhereThatWasSeen) {
  const std::unique_ptr<Telemetry> telemetry = Telemetry::Create();
  ServingFixture fixture;
  QueueAccount account({}, telemetry->ForModel("m"), fixture.ahead);
  ClassifyRequest asked = PixelRequest(1);
  asked.deadline = fixture.clock.Now() + milliseconds(5);
  const SteadyTime deadline = asked.deadline;
  ASSERT_TRUE(account.Reserve({.now = fixture.clock.Now()}).ok());
  AnswerBox answer;
  const auto request =
      std::make_shared<PendingRequest>(std::move(asked), fixture.version,
                                       account, fixture.clock, answer.Taker());
  request->CountIfLate(Stage::kDecode, deadline - milliseconds(1));
  request->CountIfLate(Stage::kQueue, deadline);
  request->Finish(0, Classification{});
  const std::string text = telemetry->Expose();
  EXPECT_THAT(text, HasSubstr("missed_total{model=\"m\",stage=\"decode\"} 0"));
  EXPECT_THAT(text, HasSubstr("missed_total{model=\"m\",stage=\"queue\"} 1"));
}

TEST(PendingRequestTest, AnImageThatIsNotWantedIsCountedByWhatBecameOfIt) {
  const std::unique_ptr<Telemetry> telemetry = Telemetry::Create();
  ServingFixture fixture;
  QueueAccount account({}, telemetry->ForModel("m"), fixture.ahead);
  const auto drop = [&](ClassifyRequest asked) {
    const std::size_t images = asked.images.size();
    ASSERT_TRUE(
        account.Reserve({.images = images, .now = fixture.clock.Now()}).ok());
    AnswerBox answer;
    const auto request = std::make_shared<PendingRequest>(
        std::move(asked), fixture.version, account, fixture.clock,
        answer.Taker());
    ASSERT_FALSE(request->IsWanted(fixture.clock.Now()));
    for (std::size_t i = 0; i < images; ++i) {
      request->FinishUnwanted(i);
    }
    EXPECT_TRUE(answer.HasAnswer());
  };
  ClassifyRequest late = PixelRequest(3);
  late.deadline = fixture.clock.Now();
  ClassifyRequest cancelled = PixelRequest(2);
  cancelled.cancelled = std::make_shared<std::atomic<bool>>(true);
  drop(std::move(late));
  drop(std::move(cancelled));
  const std::string text = telemetry->Expose();
  EXPECT_THAT(
      text, HasSubstr("images_total{model=\"m\",outcome=\"DEADLINE_EXCEEDED\"}"
                      " 3"));
  EXPECT_THAT(text,
              HasSubstr("images_total{model=\"m\",outcome=\"CANCELLED\"} 2"));
  // Not refused: they were let in.
  EXPECT_THAT(text,
              HasSubstr("rejected_total{model=\"m\",reason=\"deadline\"} 0"));
}

TEST(PendingRequestTest, OneBadImageAmongOthersFailsAlone) {
  ServingFixture fixture;
  AnswerBox answer;
  const auto request = fixture.Make(PixelRequest(2), answer);
  request->Finish(0, BadImage());
  request->Finish(1, Classification{});
  const auto response = answer.Take();
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(DetailsOf(response->results[0].status()).reason,
            "IMAGE_DECODE_FAILED");
  EXPECT_TRUE(response->results[1].ok());
}

TEST(PendingRequestTest, TheOnlyImageFailsTheCall) {
  ServingFixture fixture;
  AnswerBox answer;
  fixture.Make(PixelRequest(1), answer)->Finish(0, BadImage());
  const absl::Status status = answer.Take().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "images[0]: not an image");
  const ErrorDetails details = DetailsOf(status);
  EXPECT_EQ(details.reason, "IMAGE_DECODE_FAILED");
  ASSERT_EQ(details.violations.size(), 1U);
  EXPECT_EQ(details.violations[0].first, "images[0]");
}

TEST(PendingRequestTest, FailFastEndsTheCallWithTheFirstBadImage) {
  ServingFixture fixture;
  AnswerBox answer;
  ClassifyRequest asked = PixelRequest(3);
  asked.fail_fast = true;
  const auto request = fixture.Make(std::move(asked), answer);
  request->Finish(2, BadImage());
  EXPECT_FALSE(request->IsWanted(fixture.clock.Now()));
  EXPECT_FALSE(answer.HasAnswer()) << "the bytes of the others may be in use";
  request->Finish(0, Classification{});
  request->Finish(1, Classification{});
  EXPECT_EQ(answer.Take().status().message(), "images[2]: not an image");
}

TEST(PendingRequestTest, ACancelledRequestIsNotWanted) {
  ServingFixture fixture;
  AnswerBox answer;
  ClassifyRequest asked = PixelRequest(1);
  asked.cancelled = std::make_shared<std::atomic<bool>>(false);
  const CancelFlag flag = asked.cancelled;
  const auto request = fixture.Make(std::move(asked), answer);
  EXPECT_TRUE(request->IsWanted(fixture.clock.Now()));
  flag->store(true);
  EXPECT_FALSE(request->IsWanted(fixture.clock.Now()));
  request->Finish(0, Classification{});
  EXPECT_EQ(answer.Take().status().code(), absl::StatusCode::kCancelled);
}

TEST(PendingRequestTest, ARequestIsWantedUpToItsDeadline) {
  ServingFixture fixture;
  AnswerBox answer;
  ClassifyRequest asked = PixelRequest(1);
  asked.deadline = fixture.clock.Now() + milliseconds(10);
  const auto request = fixture.Make(std::move(asked), answer);
  fixture.clock.Advance(milliseconds(9));
  EXPECT_TRUE(request->IsWanted(fixture.clock.Now()));
  fixture.clock.Advance(milliseconds(1));
  EXPECT_FALSE(request->IsWanted(fixture.clock.Now()));
  request->Finish(0, Classification{});
  const absl::Status status = answer.Take().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(DetailsOf(status).reason, "EXPIRED_IN_QUEUE");
}

TEST(PendingRequestTest, TheFirstFailureWins) {
  ServingFixture fixture;
  AnswerBox answer;
  const auto request = fixture.Make(PixelRequest(1), answer);
  request->Fail(absl::InternalError("first"));
  request->Fail(absl::UnavailableError("second"));
  request->Finish(0, Classification{});
  EXPECT_EQ(answer.Take().status().message(), "first");
}

TEST(PendingRequestTest, AddsUpWhereTheTimeWent) {
  ServingFixture fixture;
  AnswerBox answer;
  const auto request = fixture.Make(PixelRequest(2), answer);
  request->AddDecode(milliseconds(1), milliseconds(2), milliseconds(3));
  request->AddDecode(milliseconds(5), milliseconds(2), milliseconds(3));
  request->AddBatch({.wait = milliseconds(4),
                     .compute = milliseconds(20),
                     .postprocess = milliseconds(1),
                     .images = 3,
                     .close = BatchClose::kShared});
  request->AddBatch({.wait = milliseconds(9),
                     .postprocess = milliseconds(1),
                     .images = 2,
                     .close = BatchClose::kFull});
  fixture.clock.Advance(milliseconds(50));
  request->Finish(0, Classification{});
  request->Finish(1, Classification{});
  const Timings timings = answer.Take()->timings;
  EXPECT_EQ(timings.queue, milliseconds(9));
  EXPECT_EQ(timings.decode, milliseconds(4));
  EXPECT_EQ(timings.preprocess, milliseconds(6));
  EXPECT_EQ(timings.compute, milliseconds(20));
  EXPECT_EQ(timings.postprocess, milliseconds(2));
  EXPECT_EQ(timings.total, milliseconds(50));
  EXPECT_EQ(timings.batch_size, 3);
  EXPECT_EQ(timings.batch_close, BatchClose::kShared);
}

TEST(PendingRequestTest, ARequestThatNeverRanWasInNoBatch) {
  ServingFixture fixture;
  AnswerBox answer;
  const auto request = fixture.Make(PixelRequest(2), answer);
  request->Finish(0, BadImage());
  request->Finish(1, BadImage());
  const auto response = answer.Take();
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->timings.batch_close, std::nullopt);
}

TEST(HeldBytesTest, AnImageCountsAtTheSizeOfTheNetwork) {
  const std::vector<std::uint8_t> bytes(1000);
  const ImageSource encoded = EncodedImage{.bytes = bytes};
  EXPECT_EQ(SourceBytes(encoded), 1000U);
  EXPECT_EQ(HeldBytes(encoded, 32), 1000U + 3 * 32 * 32);
  // Its pixels are replaced by those that the network reads.
  const auto raw = [](int side) {
    const auto count = static_cast<std::size_t>(3 * side * side);
    return ImageSource(
        PixelImage{.pixels = {.width = side,
                              .height = side,
                              .rgb = std::vector<std::uint8_t>(count)}});
  };
  EXPECT_EQ(HeldBytes(raw(31), 32), 3U * 32 * 32);
  EXPECT_EQ(HeldBytes(raw(32), 32), 3U * 32 * 32);
  EXPECT_EQ(HeldBytes(raw(33), 32), 3U * 33 * 33);
  const ImageSource unusable = absl::InvalidArgumentError("no picture");
  EXPECT_EQ(HeldBytes(unusable, 32), 0U);
}

TEST(RejectionLabelTest, NamesEveryKindOfRefusal) {
  const auto label = [](absl::StatusCode code, Reason reason) {
    return std::string(RejectionLabel(Error(code, reason, "x")));
  };
  using absl::StatusCode;
  EXPECT_EQ(label(StatusCode::kInvalidArgument, Reason::kImageDecodeFailed),
            "bad_image");
  EXPECT_EQ(label(StatusCode::kInvalidArgument, Reason::kLimitExceeded),
            "too_large");
  EXPECT_EQ(label(StatusCode::kResourceExhausted, Reason::kQueueFull),
            "queue_full");
  EXPECT_EQ(label(StatusCode::kResourceExhausted, Reason::kOverloaded),
            "overloaded");
  EXPECT_EQ(label(StatusCode::kDeadlineExceeded, Reason::kExpiredInQueue),
            "deadline");
  EXPECT_EQ(label(StatusCode::kUnavailable, Reason::kDraining), "draining");
  EXPECT_EQ(label(StatusCode::kInternal, Reason::kInternal), "");
  EXPECT_EQ(RejectionLabel(absl::OkStatus()), "");
}

}  // namespace
}  // namespace resnetd
