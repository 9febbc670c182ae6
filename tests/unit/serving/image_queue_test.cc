#include "server/serving/image_queue.h"

#include <gtest/gtest.h>

#include <chrono>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "server/serving/batch_worker.h"
#include "tests/unit/serving/serving_fixture.h"

namespace resnetd {
namespace {

using std::chrono::milliseconds;

class ImageQueueTest : public testing::Test {
 protected:
  struct Ask {
    std::string identity = "a";
    Priority priority = Priority::kNormal;
    int deadline_ms = 1000;
    std::size_t images = 1;
    std::size_t model = 0;
    CancelFlag cancelled = nullptr;
  };

  ImageQueueTest() { fixture_.account.RecordBatch(1, milliseconds(10), {}); }

  void Push(Ask ask) {
    ClassifyRequest request = PixelRequest(ask.images);
    request.identity = ask.identity;
    request.priority = ask.priority;
    request.deadline = fixture_.clock.Now() + milliseconds(ask.deadline_ms);
    request.cancelled = std::move(ask.cancelled);
    answers_.emplace_back();
    fixture_.version = models_[ask.model];
    const auto pending = fixture_.Make(std::move(request), answers_.back());
    for (std::size_t i = 0; i < ask.images; ++i) {
      queue_->Push(fixture_.Decoded(pending, i));
    }
  }

  // Of the next batch, answered.
  std::vector<std::string> TakeIdentities(std::size_t idle = 1) {
    TakenBatch taken = queue_->Take(idle, fixture_.clock.Now());
    std::vector<std::string> identities;
    for (const QueuedImage& image : taken.images) {
      identities.push_back(image.request->request().identity);
    }
    dropped_ += taken.dropped.size();
    Finish(std::move(taken));
    return identities;
  }

  void Finish(TakenBatch taken) {
    for (QueuedImage& image :
         StartBatch(std::move(taken), fixture_.clock.Now()).images) {
      image.request->Finish(image.index, Classification{});
    }
  }

  // How many of `count` images each caller gets.
  std::map<std::string, int> Shares(int count) {
    std::map<std::string, int> shares;
    for (int i = 0; i < count; ++i) {
      for (const std::string& identity : TakeIdentities()) {
        ++shares[identity];
      }
    }
    return shares;
  }

  ServingFixture fixture_;
  std::list<AnswerBox> answers_;
  std::vector<ModelHandle> models_ = {FakeVersion(FakeFacts("one")),
                                      FakeVersion(FakeFacts("two"))};
  std::size_t dropped_ = 0;
  std::optional<ImageQueue> queue_{ImageQueue::Options{.max_batch = 1}};
};

using Names = std::vector<std::string>;

TEST_F(ImageQueueTest, OneCallerIsServedByPriorityAndDeadlineAlone) {
  Push({.identity = "3", .deadline_ms = 30});
  queue_.emplace(ImageQueue::Options{.max_batch = 1, .floor = 0});
  answers_.clear();
  for (const auto& [priority, deadline] :
       std::vector<std::pair<Priority, int>>{{Priority::kBatch, 1},
                                             {Priority::kNormal, 30},
                                             {Priority::kCritical, 90},
                                             {Priority::kNormal, 20},
                                             {Priority::kCritical, 80}}) {
    Push({.priority = priority, .deadline_ms = deadline});
  }
  for (const auto& [priority, deadline] :
       std::vector<std::pair<Priority, int>>{{Priority::kCritical, 80},
                                             {Priority::kCritical, 90},
                                             {Priority::kNormal, 20},
                                             {Priority::kNormal, 30},
                                             {Priority::kBatch, 1}}) {
    TakenBatch taken = queue_->Take(1, fixture_.clock.Now());
    ASSERT_EQ(taken.images.size(), 1U);
    const ClassifyRequest& request = taken.images[0].request->request();
    EXPECT_EQ(request.priority, priority);
    EXPECT_EQ(request.deadline, fixture_.clock.Now() + milliseconds(deadline));
    Finish(std::move(taken));
  }
}

TEST_F(ImageQueueTest, AFloodTakesNoMoreThanItsShare) {
  Push({.identity = "flood", .deadline_ms = 10, .images = 100});
  Push({.identity = "other", .deadline_ms = 900, .images = 20});
  const auto shares = Shares(30);
  EXPECT_NEAR(shares.at("flood"), 15, 1);
  EXPECT_NEAR(shares.at("other"), 15, 1);
}

TEST_F(ImageQueueTest, ACallerWhoComesLaterHasNoCreditForTheTimeBefore) {
  Push({.identity = "first", .images = 100});
  EXPECT_EQ(Shares(50).at("first"), 50);
  Push({.identity = "later", .images = 30});
  EXPECT_NEAR(Shares(20).at("later"), 10, 1);
}

TEST_F(ImageQueueTest, ACallerWhoComesAndGoesGainsNothing) {
  Push({.identity = "steady", .images = 100});
  int served = 0;
  for (int i = 0; i < 40; ++i) {
    Push({.identity = "gone", .deadline_ms = 10});
    served += TakeIdentities() == Names{"gone"} ? 1 : 0;
    // What is left of it waits no more.
    Push({.identity = "steady"});
  }
  EXPECT_NEAR(served, 20, 2);
}

TEST_F(ImageQueueTest, TheVersionsOfACallerGetEqualShares) {
  Push({.identity = "a", .deadline_ms = 10, .images = 60, .model = 0});
  Push({.identity = "a", .deadline_ms = 900, .images = 20, .model = 1});
  int second = 0;
  for (int i = 0; i < 20; ++i) {
    TakenBatch taken = queue_->Take(1, fixture_.clock.Now());
    second += taken.images[0].request->version() == models_[1] ? 1 : 0;
    Finish(std::move(taken));
  }
  EXPECT_NEAR(second, 10, 1);
}

TEST_F(ImageQueueTest, WhatMayWaitGetsASixteenth) {
  Push({.priority = Priority::kBatch, .images = 100});
  Push({.priority = Priority::kNormal, .images = 320});
  int patient = 0;
  for (int i = 0; i < 320; ++i) {
    TakenBatch taken = queue_->Take(1, fixture_.clock.Now());
    patient += taken.images[0].request->request().priority == Priority::kBatch;
    Finish(std::move(taken));
  }
  EXPECT_NEAR(patient, 320.0 / 17, 1.5);
}

TEST_F(ImageQueueTest, WithoutAFloorWhatMayWaitWaits) {
  queue_.emplace(ImageQueue::Options{.max_batch = 1, .floor = 0});
  Push({.identity = "patient", .priority = Priority::kBatch, .images = 10});
  Push({.identity = "a", .images = 100});
  EXPECT_EQ(Shares(100).count("patient"), 0U);
  EXPECT_EQ(Shares(10).at("patient"), 10);
}

TEST_F(ImageQueueTest, ABatchIsFilledWithOthersOfItsVersion) {
  queue_.emplace(ImageQueue::Options{.max_batch = 4});
  Push({.identity = "a", .deadline_ms = 100, .model = 0});
  Push({.identity = "b", .deadline_ms = 200, .model = 1});
  Push({.identity = "c", .priority = Priority::kBatch, .model = 0});
  EXPECT_EQ(TakeIdentities(), (Names{"a", "c"}));
  EXPECT_EQ(TakeIdentities(), (Names{"b"}));
}

TEST_F(ImageQueueTest, WhatNobodyWaitsForTakesNoRoomInABatch) {
  queue_.emplace(ImageQueue::Options{.max_batch = 2});
  const auto cancelled = std::make_shared<std::atomic<bool>>(true);
  Push({.identity = "late", .deadline_ms = 5});
  Push({.identity = "gone", .deadline_ms = 100, .cancelled = cancelled});
  Push({.identity = "a", .deadline_ms = 200});
  Push({.identity = "b", .deadline_ms = 300});
  fixture_.clock.Advance(milliseconds(5));
  EXPECT_EQ(TakeIdentities(), (Names{"a", "b"}));
  EXPECT_EQ(dropped_, 2U);
  EXPECT_EQ(answers_.front().Take().status().code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(queue_->empty());
}

TEST_F(ImageQueueTest, OnlyWhatIsDroppedIsTakenWhenNobodyWaits) {
  Push({.deadline_ms = 5, .images = 3});
  fixture_.clock.Advance(milliseconds(5));
  EXPECT_EQ(TakeIdentities(), Names{});
  EXPECT_EQ(dropped_, 3U);
  EXPECT_TRUE(queue_->empty());
}

}  // namespace
}  // namespace resnetd
