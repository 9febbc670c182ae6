#include "server/serving/admission.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <map>

#include "server/base/error.h"

namespace resnetd {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const SteadyTime kNow{std::chrono::hours(1)};
constexpr QueueLimits kLimits{
    .max_images = 10, .max_bytes = 1000, .max_wait = milliseconds(100)};

// What tells that one image takes so long, for as long as the test runs.
const BatchTimes* TimesOf(Duration per_image) {
  static std::map<Duration, BatchTimes> all;
  const auto [at, is_new] = all.try_emplace(per_image, 4);
  if (is_new) {
    at->second.Record(1, per_image);
  }
  return &at->second;
}

// One image takes so long, and so many of the same kind go before.
ServiceTime Busy(Duration per_image, std::int64_t ahead,
                 std::size_t workers = 1) {
  return {.times = TimesOf(per_image),
          .workers = workers,
          .ahead = per_image * ahead};
}

AdmissionRequest Images(std::size_t images, SteadyTime deadline = kNoDeadline) {
  return {.images = images, .now = kNow, .deadline = deadline};
}

TEST(AdmitTest, TakesUpToTheLimitOfImages) {
  const QueueLoad load{.images = 6, .bytes = 0};
  EXPECT_TRUE(Admit(kLimits, load, {}, Images(3)).ok());
  EXPECT_TRUE(Admit(kLimits, load, {}, Images(4)).ok());
  const absl::Status refused = Admit(kLimits, load, {}, Images(5));
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(DetailsOf(refused).reason, "QUEUE_FULL");
  EXPECT_EQ(refused.message(),
            "the queue of the model holds 6 images and cannot take 5 more "
            "(limit 10, --max-queue-images): try again later");
  EXPECT_TRUE(DetailsOf(refused).retry_after.has_value());
}

TEST(AdmitTest, TakesUpToTheLimitOfBytes) {
  const QueueLoad load{.images = 1, .bytes = 400};
  const auto admit = [&load](std::size_t bytes) {
    return Admit(kLimits, load, {}, {.bytes = bytes, .now = kNow});
  };
  EXPECT_TRUE(admit(599).ok());
  EXPECT_TRUE(admit(600).ok());
  EXPECT_EQ(DetailsOf(admit(601)).reason, "QUEUE_FULL");
}

TEST(AdmitTest, AnEmptyQueueTakesARequestOfAnySize) {
  EXPECT_TRUE(Admit(kLimits, {}, {}, {.bytes = 100'000, .now = kNow}).ok());
}

TEST(AdmitTest, RefusesWhatWouldWaitLongerThanTheTarget) {
  const auto admit = [](std::int64_t ahead, Priority priority) {
    return Admit(kLimits, {}, Busy(milliseconds(20), ahead),
                 {.priority = priority, .now = kNow});
  };
  for (const Priority priority : {Priority::kNormal, Priority::kCritical}) {
    EXPECT_TRUE(admit(4, priority).ok());
    EXPECT_TRUE(admit(5, priority).ok());
    const absl::Status refused = admit(6, priority);
    EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_EQ(DetailsOf(refused).reason, "OVERLOADED");
  }
}

TEST(AdmitTest, BatchWorkWaitsAsLongAsItsDeadlineLetsIt) {
  const auto admit = [](SteadyTime deadline) {
    return Admit(
        kLimits, {}, Busy(milliseconds(20), 100),
        {.priority = Priority::kBatch, .now = kNow, .deadline = deadline});
  };
  EXPECT_TRUE(admit(kNoDeadline).ok());
  // 2,000 ms and a quarter, and its own 20.
  EXPECT_TRUE(admit(kNow + milliseconds(2520)).ok());
  EXPECT_EQ(DetailsOf(admit(kNow + milliseconds(2519))).reason,
            "DEADLINE_UNREACHABLE");
}

TEST(AdmitTest, MoreWorkersShortenTheWait) {
  EXPECT_TRUE(Admit(kLimits, {}, Busy(milliseconds(20), 6, 2), Images(1)).ok());
}

TEST(AdmitTest, RefusesADeadlineThatCannotBeMet) {
  // Four wait, for 40 ms that may become 50, and two are sent.
  const ServiceTime service = Busy(milliseconds(10), 4);
  const auto admit = [&service](std::int64_t left) {
    return Admit(kLimits, {}, service, Images(2, kNow + milliseconds(left)));
  };
  EXPECT_TRUE(admit(71).ok());
  EXPECT_TRUE(admit(70).ok());
  const absl::Status refused = admit(69);
  EXPECT_EQ(refused.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(DetailsOf(refused).reason, "DEADLINE_UNREACHABLE");
  ASSERT_EQ(DetailsOf(refused).metadata.size(), 1U);
  EXPECT_EQ(DetailsOf(refused).metadata[0].second, "70");
}

TEST(AdmitTest, ARequestIsDoneWhenTheWorkerWithMostOfItIs) {
  const ServiceTime service = Busy(milliseconds(10), 0, 2);
  EXPECT_EQ(PredictFinish(service, 1), milliseconds(10));
  EXPECT_EQ(PredictFinish(service, 2), milliseconds(10));
  EXPECT_EQ(PredictFinish(service, 3), milliseconds(20));
}

TEST(AdmitTest, RefusesADeadlineThatHasPassed) {
  const absl::Status refused = Admit(kLimits, {}, {}, Images(1, kNow));
  EXPECT_EQ(refused.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(DetailsOf(refused).reason, "EXPIRED_IN_QUEUE");
}

TEST(AdmitTest, WithoutAMeasurementTakesAnyDeadlineAhead) {
  EXPECT_TRUE(Admit(kLimits, {}, {}, Images(10, kNow + milliseconds(1))).ok());
}

TEST(AdmitTest, AnIdleServerTriesWhatItWasTooSlowForASecondAgo) {
  const auto admit = [](Duration measured_ago, std::int64_t ahead) {
    ServiceTime service = Busy(seconds(5), ahead);
    service.measured_ago = measured_ago;
    return Admit(QueueLimits{}, {}, service,
                 Images(1, kNow + milliseconds(100)));
  };
  EXPECT_FALSE(admit(milliseconds(999), 0).ok());
  EXPECT_TRUE(admit(milliseconds(1000), 0).ok());
  EXPECT_FALSE(admit(milliseconds(1000), 1).ok());
}

// Decoders with so much to do before a request that needs them for `own`.
ServiceTime Decoding(Duration ahead, Duration own, std::size_t decoders = 1,
                     const ServiceTime& network = {}) {
  ServiceTime service = network;
  service.decode = {.decoders = decoders, .ahead = ahead, .own = own};
  return service;
}

TEST(AdmitTest, RefusesWhatWouldWaitForDecodersLongerThanTheTarget) {
  const auto admit = [](std::int64_t ahead, std::size_t decoders) {
    return Admit(kLimits, {},
                 Decoding(milliseconds(ahead), milliseconds(71), decoders),
                 Images(1));
  };
  EXPECT_TRUE(admit(99, 1).ok());
  EXPECT_TRUE(admit(100, 1).ok());
  const absl::Status refused = admit(101, 1);
  EXPECT_EQ(DetailsOf(refused).reason, "OVERLOADED");
  EXPECT_EQ(*DetailsOf(refused).retry_after, std::chrono::microseconds(25'250));
  EXPECT_TRUE(admit(200, 2).ok());
  EXPECT_FALSE(admit(202, 2).ok());
}

TEST(AdmitTest, WaitsForTheLongerBacklogAndNotForBoth) {
  const ServiceTime network = Busy(milliseconds(20), 4);
  const auto wait = [&network](std::int64_t ahead) {
    return PredictWait(
        Decoding(milliseconds(ahead), milliseconds(1), 1, network));
  };
  EXPECT_EQ(wait(79), milliseconds(80));
  EXPECT_EQ(wait(80), milliseconds(80));
  EXPECT_EQ(wait(81), milliseconds(81));
}

TEST(AdmitTest, RefusesADeadlineThatDecodersCannotMeet) {
  // 40 ms go before, which may become 50, its own 71, and 35 in the network.
  const ServiceTime service = Decoding(milliseconds(40), milliseconds(71), 1,
                                       Busy(milliseconds(35), 1));
  const auto admit = [&service](std::int64_t left) {
    return Admit(kLimits, {}, service, Images(1, kNow + milliseconds(left)));
  };
  EXPECT_TRUE(admit(157).ok());
  EXPECT_TRUE(admit(156).ok());
  EXPECT_EQ(DetailsOf(admit(155)).reason, "DEADLINE_UNREACHABLE");
}

TEST(AdmitTest, WhatNeedsNoDecoderDoesNotCareForThem) {
  const ServiceTime network = Busy(milliseconds(10), 4);
  const ServiceTime busy = Decoding(seconds(100), Duration{}, 1, network);
  EXPECT_EQ(PredictWait(busy), PredictWait(network));
  EXPECT_EQ(PredictFinish(busy, 3), PredictFinish(network, 3));
  EXPECT_TRUE(
      Admit(kLimits, {}, busy, Images(2, kNow + milliseconds(70))).ok());
  EXPECT_FALSE(
      Admit(kLimits, {}, busy, Images(2, kNow + milliseconds(69))).ok());
}

TEST(AdmitTest, WhereTheNetworkIsTheSlowerOneItAloneDecides) {
  // Decoded when the network is through with what goes before.
  const ServiceTime network = Busy(milliseconds(10), 4);
  const ServiceTime both =
      Decoding(milliseconds(20), milliseconds(25), 1, network);
  EXPECT_EQ(PredictWait(both), PredictWait(network));
  EXPECT_EQ(PredictFinish(both, 1), PredictFinish(network, 1));
  EXPECT_EQ(PredictFinish(
                Decoding(milliseconds(20), milliseconds(26), 1, network), 1),
            PredictFinish(network, 1) + milliseconds(1));
}

TEST(AdmitTest, PicturesOfARequestAreDecodedWhileEarlierOnesRun) {
  const ServiceTime network = Busy(milliseconds(10), 0);
  // The network has most to do: the first is decoded before it begins.
  EXPECT_EQ(PredictFinish(Decoding({}, milliseconds(8), 1, network), 8),
            milliseconds(1 + 80));
  // Decoders have: the network does the last ones after them.
  EXPECT_EQ(PredictFinish(Decoding({}, milliseconds(800), 1, network), 8),
            milliseconds(800 + 40));
  // Three rounds of three decoders.
  EXPECT_EQ(PredictFinish(Decoding({}, milliseconds(800), 3, network), 8),
            milliseconds(300 + 40));
}

TEST(AdmitTest, AnIdleServerTriesWhatItsDecodersWereTooSlowFor) {
  const auto admit = [](Duration measured_ago, Duration ahead) {
    ServiceTime service = Decoding(ahead, seconds(5));
    service.measured_ago = measured_ago;
    return Admit(QueueLimits{}, {}, service,
                 Images(1, kNow + milliseconds(100)));
  };
  EXPECT_FALSE(admit(milliseconds(999), {}).ok());
  EXPECT_TRUE(admit(milliseconds(1000), {}).ok());
  EXPECT_FALSE(admit(milliseconds(1000), Duration(1)).ok());
}

TEST(AdmitTest, ACrowdedQueueKeepsOneShareFree) {
  // One caller with all it could have, and somebody who found no room.
  QueueLoad load{.images = 4,
                 .bytes = 400,
                 .own_images = 4,
                 .own_bytes = 400,
                 .callers = 1,
                 .is_crowded = true};
  const auto admit = [&load](std::size_t images, std::size_t bytes) {
    return Admit(kLimits, load, {},
                 {.images = images, .bytes = bytes, .now = kNow});
  };
  EXPECT_TRUE(admit(1, 100).ok());
  EXPECT_EQ(DetailsOf(admit(2, 100)).reason, "QUEUE_FULL");
  EXPECT_EQ(DetailsOf(admit(1, 101)).reason, "QUEUE_FULL");
  load.is_crowded = false;
  EXPECT_TRUE(admit(6, 600).ok());
  // Who has nothing in it yet is let in while there is room at all.
  load = {.images = 9, .bytes = 0, .callers = 2, .is_crowded = true};
  EXPECT_TRUE(admit(1, 0).ok());
  EXPECT_FALSE(admit(2, 0).ok());
}

TEST(AdmitTest, AsksToRetryWithinSensibleBounds) {
  const auto delay = [](Duration per_image) {
    const absl::Status refused = Admit(kLimits, {.images = 10, .bytes = 0},
                                       Busy(per_image, 10), Images(1));
    return *DetailsOf(refused).retry_after;
  };
  EXPECT_EQ(delay(milliseconds(1)), milliseconds(20));
  EXPECT_EQ(delay(milliseconds(100)), milliseconds(250));
  EXPECT_EQ(delay(seconds(60)), seconds(10));
}

}  // namespace
}  // namespace resnetd
