#include "server/serving/admission.h"

#include <gtest/gtest.h>

#include <chrono>

#include "server/base/error.h"

namespace resnetd {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const SteadyTime kNow{std::chrono::hours(1)};
constexpr QueueLimits kLimits{
    .max_images = 10, .max_bytes = 1000, .max_wait = milliseconds(100)};

ServiceTime PerImage(Duration per_image, std::size_t workers = 1) {
  return {.per_image = per_image, .workers = workers};
}

TEST(AdmitTest, TakesUpToTheLimitOfImages) {
  const QueueLoad load{.images = 6, .bytes = 0};
  EXPECT_TRUE(Admit(kLimits, load, {}, 3, 0, kNow, kNoDeadline).ok());
  EXPECT_TRUE(Admit(kLimits, load, {}, 4, 0, kNow, kNoDeadline).ok());
  const absl::Status refused =
      Admit(kLimits, load, {}, 5, 0, kNow, kNoDeadline);
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(DetailsOf(refused).reason, "QUEUE_FULL");
  EXPECT_EQ(refused.message(),
            "the queue of the model holds 6 images and cannot take 5 more "
            "(limit 10, --max-queue-images): try again later");
  EXPECT_TRUE(DetailsOf(refused).retry_after.has_value());
}

TEST(AdmitTest, TakesUpToTheLimitOfBytes) {
  const QueueLoad load{.images = 1, .bytes = 400};
  EXPECT_TRUE(Admit(kLimits, load, {}, 1, 599, kNow, kNoDeadline).ok());
  EXPECT_TRUE(Admit(kLimits, load, {}, 1, 600, kNow, kNoDeadline).ok());
  EXPECT_EQ(
      DetailsOf(Admit(kLimits, load, {}, 1, 601, kNow, kNoDeadline)).reason,
      "QUEUE_FULL");
}

TEST(AdmitTest, AnEmptyQueueTakesARequestOfAnySize) {
  EXPECT_TRUE(Admit(kLimits, {}, {}, 1, 100'000, kNow, kNoDeadline).ok());
}

TEST(AdmitTest, RefusesWhatWouldWaitLongerThanTheTarget) {
  const ServiceTime service = PerImage(milliseconds(20));
  EXPECT_TRUE(Admit(kLimits, {.images = 4, .bytes = 0}, service, 1, 0, kNow,
                    kNoDeadline)
                  .ok());
  EXPECT_TRUE(Admit(kLimits, {.images = 5, .bytes = 0}, service, 1, 0, kNow,
                    kNoDeadline)
                  .ok());
  const absl::Status refused = Admit(kLimits, {.images = 6, .bytes = 0},
                                     service, 1, 0, kNow, kNoDeadline);
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(DetailsOf(refused).reason, "OVERLOADED");
}

TEST(AdmitTest, MoreWorkersShortenTheWait) {
  EXPECT_TRUE(Admit(kLimits, {.images = 6, .bytes = 0},
                    PerImage(milliseconds(20), 2), 1, 0, kNow, kNoDeadline)
                  .ok());
}

TEST(AdmitTest, RefusesADeadlineThatCannotBeMet) {
  const ServiceTime service = PerImage(milliseconds(10));
  const QueueLoad load{.images = 3, .bytes = 0};
  // Three wait, two are sent: 50 ms.
  EXPECT_TRUE(
      Admit(kLimits, load, service, 2, 0, kNow, kNow + milliseconds(51)).ok());
  EXPECT_TRUE(
      Admit(kLimits, load, service, 2, 0, kNow, kNow + milliseconds(50)).ok());
  const absl::Status refused =
      Admit(kLimits, load, service, 2, 0, kNow, kNow + milliseconds(49));
  EXPECT_EQ(refused.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(DetailsOf(refused).reason, "DEADLINE_UNREACHABLE");
  ASSERT_EQ(DetailsOf(refused).metadata.size(), 1U);
  EXPECT_EQ(DetailsOf(refused).metadata[0].second, "50");
}

TEST(AdmitTest, RefusesADeadlineThatHasPassed) {
  const absl::Status refused = Admit(kLimits, {}, {}, 1, 0, kNow, kNow);
  EXPECT_EQ(refused.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(DetailsOf(refused).reason, "EXPIRED_IN_QUEUE");
}

TEST(AdmitTest, WithoutAMeasurementTakesAnyDeadlineAhead) {
  EXPECT_TRUE(Admit(kLimits, {}, {}, 10, 0, kNow, kNow + milliseconds(1)).ok());
}

TEST(AdmitTest, AsksToRetryWithinSensibleBounds) {
  const auto delay = [](Duration per_image) {
    const absl::Status refused =
        Admit(kLimits, {.images = 10, .bytes = 0}, PerImage(per_image), 1, 0,
              kNow, kNoDeadline);
    return *DetailsOf(refused).retry_after;
  };
  EXPECT_EQ(delay(milliseconds(1)), milliseconds(20));
  EXPECT_EQ(delay(milliseconds(100)), milliseconds(300));
  EXPECT_EQ(delay(seconds(60)), seconds(10));
}

}  // namespace
}  // namespace resnetd
