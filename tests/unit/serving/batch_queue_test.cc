#include "server/serving/batch_queue.h"

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <thread>

#include "tests/unit/serving/serving_fixture.h"

namespace resnetd {
namespace {

using std::chrono::milliseconds;

std::vector<std::size_t> IndicesOf(const std::vector<QueuedImage>& batch) {
  std::vector<std::size_t> indices;
  for (const QueuedImage& image : batch) {
    indices.push_back(image.index);
  }
  return indices;
}

// Finishes what a test took, so that no request is left unanswered.
void FinishAll(std::vector<QueuedImage> batch) {
  for (QueuedImage& image : batch) {
    image.request->Finish(image.index, Classification{});
  }
}

TEST(BatchQueueTest, HandsOutImagesInOrderUpToTheCap) {
  ServingFixture fixture;
  AnswerBox answer;
  BatchQueue queue({.max_batch = 4}, 1, fixture.clock);
  const auto request = fixture.Make(PixelRequest(6), answer);
  for (std::size_t i = 0; i < 6; ++i) {
    queue.Push(fixture.Decoded(request, i));
  }
  auto first = queue.NextBatch().images;
  EXPECT_EQ(IndicesOf(first), (std::vector<std::size_t>{0, 1, 2, 3}));
  auto second = queue.NextBatch().images;
  EXPECT_EQ(IndicesOf(second), (std::vector<std::size_t>{4, 5}));
  FinishAll(std::move(first));
  FinishAll(std::move(second));
}

TEST(BatchQueueTest, ServesTheMostUrgentFirst) {
  ServingFixture fixture;
  BatchQueue queue({.max_batch = 1}, 1, fixture.clock);
  std::vector<AnswerBox> answers(4);
  const auto push = [&](std::size_t i, Priority priority, int deadline_ms) {
    ClassifyRequest asked = PixelRequest(1);
    asked.priority = priority;
    asked.deadline = fixture.clock.Now() + milliseconds(deadline_ms);
    queue.Push(fixture.Decoded(fixture.Make(std::move(asked), answers[i]), 0));
  };
  push(0, Priority::kBatch, 10);
  push(1, Priority::kNormal, 30);
  push(2, Priority::kNormal, 20);
  push(3, Priority::kCritical, 90);
  for (const std::size_t expected : {3U, 2U, 1U, 0U}) {
    FinishAll(queue.NextBatch().images);
    EXPECT_TRUE(answers[expected].HasAnswer()) << expected;
  }
}

TEST(BatchQueueTest, NeverMixesTwoVersionsInABatch) {
  ServingFixture fixture;
  BatchQueue queue({.max_batch = 4}, 1, fixture.clock);
  std::vector<AnswerBox> answers(2);
  const auto old_request = fixture.Make(PixelRequest(2), answers[0]);
  fixture.version = FakeVersion(FakeFacts("fake", 10, 2));
  const auto new_request = fixture.Make(PixelRequest(2), answers[1]);
  queue.Push(fixture.Decoded(old_request, 0));
  queue.Push(fixture.Decoded(new_request, 0));
  queue.Push(fixture.Decoded(old_request, 1));
  queue.Push(fixture.Decoded(new_request, 1));
  for (int i = 0; i < 2; ++i) {
    auto batch = queue.NextBatch().images;
    ASSERT_EQ(batch.size(), 2U);
    EXPECT_EQ(batch[0].request, batch[1].request);
    FinishAll(std::move(batch));
  }
}

TEST(BatchQueueTest, HandsOutWhatIsLeftAfterCloseAndThenNothing) {
  ServingFixture fixture;
  AnswerBox answer;
  BatchQueue queue({.max_batch = 4}, 1, fixture.clock);
  queue.Push(fixture.Decoded(fixture.Make(PixelRequest(1), answer), 0));
  queue.Close();
  auto batch = queue.NextBatch().images;
  EXPECT_EQ(batch.size(), 1U);
  FinishAll(std::move(batch));
  EXPECT_TRUE(queue.NextBatch().images.empty());
}

TEST(BatchQueueTest, WakesAWorkerThatWaits) {
  ServingFixture fixture;
  AnswerBox answer;
  BatchQueue queue({.max_batch = 4}, 2, fixture.clock);
  auto taken =
      std::async(std::launch::async, [&] { return queue.NextBatch().images; });
  queue.Push(fixture.Decoded(fixture.Make(PixelRequest(1), answer), 0));
  auto batch = taken.get();
  EXPECT_EQ(batch.size(), 1U);
  FinishAll(std::move(batch));
}

class BatchQueueThreadsTest : public testing::TestWithParam<int> {};

TEST_P(BatchQueueThreadsTest, HandsOutEveryImageExactlyOnce) {
  constexpr int kPushers = 4;
  constexpr std::size_t kRequests = 50;
  constexpr std::size_t kImages = 5;
  ServingFixture fixture;
  const auto workers = static_cast<std::size_t>(GetParam());
  BatchQueue queue({.max_batch = 3}, workers, fixture.clock);
  std::vector<AnswerBox> answers(kPushers * kRequests);
  std::vector<std::thread> threads;
  std::atomic<std::size_t> seen{0};
  for (std::size_t w = 0; w < workers; ++w) {
    threads.emplace_back([&] {
      for (auto batch = queue.NextBatch().images; !batch.empty();
           batch = queue.NextBatch().images) {
        seen += batch.size();
        FinishAll(std::move(batch));
      }
    });
  }
  std::vector<std::thread> pushers;
  for (std::size_t p = 0; p < kPushers; ++p) {
    pushers.emplace_back([&, p] {
      for (std::size_t r = 0; r < kRequests; ++r) {
        const auto request =
            fixture.Make(PixelRequest(kImages), answers[p * kRequests + r]);
        for (std::size_t i = 0; i < kImages; ++i) {
          queue.Push(fixture.Decoded(request, i));
        }
      }
    });
  }
  for (std::thread& pusher : pushers) {
    pusher.join();
  }
  queue.Close();
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(seen.load(), kPushers * kRequests * kImages);
  for (AnswerBox& answer : answers) {
    EXPECT_TRUE(answer.Take().ok());
  }
  EXPECT_EQ(fixture.account.load().images, 0U);
}

INSTANTIATE_TEST_SUITE_P(Workers, BatchQueueThreadsTest, testing::Values(1, 4));

}  // namespace
}  // namespace resnetd
