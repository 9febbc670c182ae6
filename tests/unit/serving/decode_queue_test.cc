#include "server/serving/decode_queue.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "server/base/error.h"
#include "tests/unit/serving/serving_fixture.h"

namespace resnetd {
namespace {

using std::chrono::milliseconds;

class DecodeQueueTest : public testing::Test {
 protected:
  void Push(const std::string& identity, Priority priority, std::size_t images,
            AnswerBox& answer, SteadyTime deadline = kNoDeadline,
            Duration decode_time = {}) {
    ClassifyRequest request = PixelRequest(images);
    request.identity = identity;
    request.priority = priority;
    request.deadline = deadline;
    const auto pending = fixture_.Make(std::move(request), answer);
    ASSERT_TRUE(queue_.Reserve(images).ok());
    for (std::size_t i = 0; i < images; ++i) {
      QueuedImage image = fixture_.Decoded(pending, i);
      image.decode.time = decode_time;
      queue_.Push(std::move(image));
    }
  }

  // Whose image is next; finishes it and what is dropped.
  std::string Take() {
    TakenBatch taken = queue_.Take(fixture_.clock.Now());
    std::string identity;
    for (auto* images : {&taken.images, &taken.dropped}) {
      for (QueuedImage& image : *images) {
        if (images == &taken.images) {
          identity = image.request->request().identity;
        }
        image.request->Finish(image.index, Classification{});
      }
    }
    return identity;
  }

  ServingFixture fixture_;
  DecodeQueue queue_;
};

TEST_F(DecodeQueueTest, ManyPicturesDoNotHoldUpAnUrgentOne) {
  AnswerBox bulk;
  AnswerBox urgent;
  Push("bulk", Priority::kNormal, 100, bulk);
  EXPECT_EQ(Take(), "bulk");
  Push("urgent", Priority::kCritical, 1, urgent);
  EXPECT_EQ(Take(), "urgent");
  EXPECT_EQ(queue_.size(), 99U);
  while (queue_.size() > 0) {
    EXPECT_EQ(Take(), "bulk");
  }
  EXPECT_TRUE(bulk.HasAnswer());
  EXPECT_EQ(Take(), "");
}

TEST_F(DecodeQueueTest, CallersTakeTurns) {
  AnswerBox bulk;
  AnswerBox other;
  Push("bulk", Priority::kNormal, 20, bulk);
  Push("other", Priority::kNormal, 10, other);
  int others = 0;
  for (int i = 0; i < 20; ++i) {
    others += Take() == "other" ? 1 : 0;
  }
  EXPECT_NEAR(others, 10, 1);
  while (queue_.size() > 0) {
    Take();
  }
}

TEST_F(DecodeQueueTest, SharesAreOfTheTimeOfDecodersNotOfPictures) {
  AnswerBox large;
  AnswerBox small;
  Push("large", Priority::kNormal, 10, large, kNoDeadline, milliseconds(10));
  Push("small", Priority::kNormal, 100, small, kNoDeadline, milliseconds(1));
  int larges = 0;
  for (int i = 0; i < 44; ++i) {
    larges += Take() == "large" ? 1 : 0;
  }
  // Two at first, as far as slack goes, then one for ten small ones.
  EXPECT_EQ(larges, 5);
  while (queue_.size() > 0) {
    Take();
  }
}

TEST(DecodeQueueRoomTest, IsKeptForAsManyImagesAsMayWait) {
  DecodeQueue queue(3);
  // One below the limit, at it, above it.
  EXPECT_TRUE(queue.CheckRoom(2).ok());
  EXPECT_TRUE(queue.CheckRoom(3).ok());
  EXPECT_FALSE(queue.CheckRoom(4).ok());
  EXPECT_TRUE(queue.Reserve(2).ok());
  EXPECT_TRUE(queue.CheckRoom(1).ok());
  EXPECT_FALSE(queue.Reserve(2).ok());
  EXPECT_TRUE(queue.Reserve(1).ok());
  EXPECT_TRUE(queue.Reserve(0).ok());
  const absl::Status full = queue.Reserve(1);
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(full.message(),
            "3 images wait for a decoder and there is no room for 1 more "
            "(limit 3): try again in 1 s");
  const ErrorDetails details = DetailsOf(full);
  EXPECT_EQ(details.reason, "QUEUE_FULL");
  EXPECT_EQ(details.retry_after, std::chrono::seconds(1));
  using Metadata = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(details.metadata, (Metadata{{"limit", "3"}}));
  queue.GiveBack(1);
  EXPECT_TRUE(queue.Reserve(1).ok());
  EXPECT_FALSE(queue.CheckRoom(1).ok());
  // Whoever takes gives back the room of one, be there an image or none.
  EXPECT_TRUE(queue.Take(SteadyTime{}).images.empty());
  EXPECT_TRUE(queue.CheckRoom(1).ok());
  EXPECT_FALSE(queue.CheckRoom(2).ok());
}

TEST_F(DecodeQueueTest, WhatIsTooLateIsDroppedOnTheWay) {
  AnswerBox late;
  AnswerBox answer;
  Push("late", Priority::kNormal, 3, late,
       fixture_.clock.Now() + milliseconds(1));
  Push("in time", Priority::kNormal, 1, answer);
  fixture_.clock.Advance(milliseconds(1));
  EXPECT_EQ(Take(), "in time");
  EXPECT_EQ(queue_.size(), 0U);
  EXPECT_TRUE(late.HasAnswer());
}

}  // namespace
}  // namespace resnetd
