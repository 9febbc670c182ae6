#include "server/serving/decode_queue.h"

#include <gtest/gtest.h>

#include <chrono>
#include <deque>
#include <optional>
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
            DecodeCost cost = {}) {
    ClassifyRequest request = PixelRequest(images);
    request.identity = identity;
    request.priority = priority;
    request.deadline = deadline;
    const auto pending = fixture_.Make(std::move(request), answer);
    ASSERT_TRUE(queue_->Reserve(images).ok());
    for (std::size_t i = 0; i < images; ++i) {
      QueuedImage image = fixture_.Decoded(pending, i);
      image.decode = cost;
      queue_->Push(std::move(image));
    }
  }

  // Whose image is next; it is being decoded from now on. What is dropped is
  // finished.
  std::string Begin() {
    DecodeQueue::Turn turn = queue_->Take(fixture_.clock.Now());
    for (QueuedImage& image : turn.dropped) {
      image.request->Finish(image.index, Classification{});
    }
    awaited_ = turn.awaited_bytes;
    if (!turn.image) {
      return "";
    }
    QueuedImage& image = *turn.image;
    std::string identity = image.request->request().identity;
    image.request->Finish(image.index, Classification{});
    running_.push_back(turn.lease);
    wakes_ = turn.wakes;
    return identity;
  }

  // The oldest that is being decoded is through: whether somebody is to come
  // again.
  bool End() {
    const DecodeLease lease = running_.front();
    running_.pop_front();
    return queue_->Finished(lease);
  }

  // One after the other.
  std::string Take() {
    std::string identity = Begin();
    if (!running_.empty()) {
      EXPECT_FALSE(End());
    }
    return identity;
  }

  ServingFixture fixture_;
  std::deque<DecodeLease> running_;
  std::size_t awaited_ = 0;
  bool wakes_ = false;
  std::optional<DecodeQueue> queue_{DecodeQueue::Options{}};
};

TEST_F(DecodeQueueTest, ManyPicturesDoNotHoldUpAnUrgentOne) {
  AnswerBox bulk;
  AnswerBox urgent;
  Push("bulk", Priority::kNormal, 100, bulk);
  EXPECT_EQ(Take(), "bulk");
  Push("urgent", Priority::kCritical, 1, urgent);
  EXPECT_EQ(Take(), "urgent");
  EXPECT_EQ(queue_->size(), 99U);
  while (queue_->size() > 0) {
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
  while (queue_->size() > 0) {
    Take();
  }
}

TEST_F(DecodeQueueTest, SharesAreOfTheTimeOfDecodersNotOfPictures) {
  AnswerBox large;
  AnswerBox small;
  Push("large", Priority::kNormal, 10, large, kNoDeadline,
       {.time = milliseconds(10)});
  Push("small", Priority::kNormal, 100, small, kNoDeadline,
       {.time = milliseconds(1)});
  int larges = 0;
  for (int i = 0; i < 44; ++i) {
    larges += Take() == "large" ? 1 : 0;
  }
  // Two at first, as far as slack goes, then one for ten small ones.
  EXPECT_EQ(larges, 5);
  while (queue_->size() > 0) {
    Take();
  }
}

TEST(DecodeQueueRoomTest, IsKeptForAsManyImagesAsMayWait) {
  DecodeQueue queue({.max_images = 3});
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
  EXPECT_FALSE(queue.Take(SteadyTime{}).image);
  EXPECT_TRUE(queue.CheckRoom(1).ok());
  EXPECT_FALSE(queue.CheckRoom(2).ok());
}

TEST_F(DecodeQueueTest, WhoHasToComeAgainKeepsItsRoom) {
  queue_.emplace(
      DecodeQueue::Options{.max_images = 4, .max_bytes = 100, .decoders = 2});
  AnswerBox answer;
  AnswerBox late;
  Push("a", Priority::kNormal, 1, answer, kNoDeadline, {.bytes = 60});
  Push("b", Priority::kNormal, 3, late, fixture_.clock.Now() + milliseconds(1),
       {.bytes = 60});
  EXPECT_FALSE(queue_->CheckRoom(1).ok());
  EXPECT_EQ(Begin(), "b");
  EXPECT_TRUE(queue_->CheckRoom(1).ok());
  EXPECT_EQ(Begin(), "");
  EXPECT_EQ(Begin(), "");
  EXPECT_FALSE(queue_->CheckRoom(2).ok());
  // What they came for is too late: one of the three need come again.
  fixture_.clock.Advance(milliseconds(1));
  EXPECT_EQ(Begin(), "");
  EXPECT_EQ(queue_->size(), 1U);
  EXPECT_TRUE(queue_->CheckRoom(3).ok());
  EXPECT_FALSE(queue_->CheckRoom(4).ok());
  EXPECT_TRUE(End());
  EXPECT_EQ(Take(), "a");
  EXPECT_TRUE(queue_->CheckRoom(4).ok());
}

TEST_F(DecodeQueueTest, WhoFindsNoRoomKeepsNoDecoderFromOthers) {
  queue_.emplace(DecodeQueue::Options{.max_bytes = 100, .decoders = 4});
  AnswerBox large;
  AnswerBox small;
  AnswerBox pixels;
  const DecodeCost cost{.bytes = 60, .time = milliseconds(1)};
  Push("large", Priority::kNormal, 2, large, kNoDeadline, cost);
  EXPECT_EQ(Begin(), "large");
  EXPECT_EQ(awaited_, 0U);
  Push("small", Priority::kNormal, 2, small, kNoDeadline,
       {.bytes = 25, .time = milliseconds(100)});
  EXPECT_EQ(Begin(), "small");
  // The second large one is first in line: it had less time than the others.
  EXPECT_EQ(awaited_, 60U);
  // There is no room for two beside it.
  EXPECT_EQ(Begin(), "");
  // Nothing that needs none.
  Push("pixels", Priority::kNormal, 1, pixels, kNoDeadline,
       {.bytes = 0, .time = milliseconds(100)});
  EXPECT_EQ(Begin(), "pixels");
  EXPECT_TRUE(wakes_);
  EXPECT_EQ(Begin(), "");
  EXPECT_EQ(Begin(), "");
  EXPECT_EQ(awaited_, 60U);
  EXPECT_EQ(queue_->taken_bytes(), 85U);
  // Both who came for nothing come again, one after the other.
  EXPECT_TRUE(End());
  EXPECT_EQ(Begin(), "large");
  EXPECT_TRUE(wakes_);
  EXPECT_EQ(queue_->taken_bytes(), 85U);
  EXPECT_EQ(Begin(), "");
  EXPECT_TRUE(End());
  EXPECT_EQ(Begin(), "small");
  EXPECT_FALSE(wakes_);
  while (!running_.empty()) {
    EXPECT_FALSE(End());
  }
  EXPECT_EQ(queue_->taken_bytes(), 0U);
  EXPECT_TRUE(large.HasAnswer() && small.HasAnswer() && pixels.HasAnswer());
}

TEST_F(DecodeQueueTest, AsManyComeAgainAsNeeded) {
  queue_.emplace(DecodeQueue::Options{.max_bytes = 100, .decoders = 2});
  AnswerBox large;
  Push("", Priority::kNormal, 6, large, kNoDeadline, {.bytes = 100});
  Begin();
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(Begin(), "");
  }
  for (std::size_t left = 5; left > 0; --left) {
    EXPECT_EQ(queue_->size(), left);
    EXPECT_TRUE(End());
    Begin();
    EXPECT_EQ(running_.size(), 1U);
    // For another, who may not begin either.
    EXPECT_EQ(wakes_, left > 1);
    EXPECT_EQ(Begin(), "");
  }
  EXPECT_FALSE(End());
  EXPECT_TRUE(large.HasAnswer());
}

TEST_F(DecodeQueueTest, NobodyComesAgainWhileAllDecodersAreBusy) {
  queue_.emplace(DecodeQueue::Options{.max_bytes = 100, .decoders = 2});
  AnswerBox large;
  AnswerBox pixels;
  Push("a", Priority::kNormal, 2, large, kNoDeadline, {.bytes = 100});
  EXPECT_EQ(Begin(), "a");
  EXPECT_EQ(Begin(), "");
  Push("b", Priority::kNormal, 1, pixels);
  EXPECT_EQ(Begin(), "b");
  EXPECT_FALSE(wakes_);
  EXPECT_TRUE(End());
  EXPECT_EQ(Begin(), "a");
  EXPECT_FALSE(End());
}

// Found by seed 1705 of the simulation.
TEST_F(DecodeQueueTest, WhoeverMayBeginOnceTheFirstInLineIsCancelledDoes) {
  queue_.emplace(DecodeQueue::Options{.max_bytes = 100, .decoders = 4});
  AnswerBox running;
  AnswerBox first;
  AnswerBox others;
  Push("a", Priority::kNormal, 1, running, kNoDeadline, {.bytes = 30});
  EXPECT_EQ(Begin(), "a");
  Push("b", Priority::kNormal, 1, first, fixture_.clock.Now() + milliseconds(1),
       {.bytes = 90});
  EXPECT_EQ(Begin(), "");
  Push("c", Priority::kNormal, 2, others, kNoDeadline, {.bytes = 20});
  EXPECT_EQ(Begin(), "");
  EXPECT_EQ(Begin(), "");
  fixture_.clock.Advance(milliseconds(1));
  // Somebody comes for another one.
  AnswerBox last;
  Push("d", Priority::kNormal, 1, last, kNoDeadline, {.bytes = 20});
  EXPECT_EQ(Begin(), "c");
  EXPECT_TRUE(wakes_);
  EXPECT_EQ(Begin(), "c");
  EXPECT_TRUE(wakes_);
  EXPECT_EQ(Begin(), "d");
  EXPECT_FALSE(wakes_);
}

TEST_F(DecodeQueueTest, WhileSomebodyWaitsForRoomWhoDecodesWorksForAll) {
  queue_.emplace(DecodeQueue::Options{.max_bytes = 100, .decoders = 4});
  EXPECT_EQ(queue_->TimeOfAll(milliseconds(10)), milliseconds(10));
  AnswerBox answer;
  Push("", Priority::kNormal, 3, answer, kNoDeadline, {.bytes = 50});
  Begin();
  EXPECT_EQ(queue_->TimeOfAll(milliseconds(10)), milliseconds(10));
  Begin();
  EXPECT_EQ(queue_->TimeOfAll(milliseconds(10)), milliseconds(10));
  Begin();
  // Two of four.
  EXPECT_EQ(queue_->TimeOfAll(milliseconds(10)), milliseconds(20));
  EXPECT_TRUE(End());
  Begin();
  EXPECT_EQ(queue_->TimeOfAll(milliseconds(10)), milliseconds(10));
  EXPECT_FALSE(End());
  EXPECT_FALSE(End());
}

TEST_F(DecodeQueueTest, WhatIsTooLateIsDroppedOnTheWay) {
  AnswerBox late;
  AnswerBox answer;
  Push("late", Priority::kNormal, 3, late,
       fixture_.clock.Now() + milliseconds(1));
  Push("in time", Priority::kNormal, 1, answer);
  fixture_.clock.Advance(milliseconds(1));
  EXPECT_EQ(Take(), "in time");
  EXPECT_EQ(queue_->size(), 0U);
  EXPECT_TRUE(late.HasAnswer());
}

}  // namespace
}  // namespace resnetd
