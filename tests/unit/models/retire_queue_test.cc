#include "server/models/retire_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "server/base/thread.h"
#include "tests/support/fake_model.h"

namespace resnetd {
namespace {

// A model that says on which thread it was destroyed.
class Witness final : public Model {
 public:
  explicit Witness(std::thread::id& destroyed_on)
      : destroyed_on_(destroyed_on) {}
  ~Witness() override { destroyed_on_ = std::this_thread::get_id(); }
  absl::StatusOr<std::vector<float>> Logits(
      absl::Span<const Pixels* const> /*batch*/) const override {
    return absl::UnimplementedError("not asked");
  }
  std::string precision() const override { return "fp32"; }
  std::string backend() const override { return "fake"; }
  std::int64_t resident_bytes() const override { return 0; }

 private:
  std::thread::id& destroyed_on_;
};

ServedVersion Watched(std::thread::id& destroyed_on) {
  return {.facts = FakeFacts(),
          .model = std::make_unique<Witness>(destroyed_on),
          .load_time = {}};
}

TEST(RetireQueueTest, FreesOnItsOwnThreadWhoeverDropsTheLastHandle) {
  std::thread::id destroyed_on;
  std::thread::id told_on;
  std::latch freed(1);
  RetireQueue queue;
  ModelHandle handle = queue.Guard(Watched(destroyed_on), [&] {
    told_on = std::this_thread::get_id();
    freed.count_down();
  });
  EXPECT_EQ(handle->facts.name.text(), "fake");
  std::thread::id dropped_on;
  {
    Thread dropper("drop",
                   [&, copy = std::exchange(handle, nullptr)]() mutable {
                     dropped_on = std::this_thread::get_id();
                     copy.reset();
                   });
    dropper.Join();
  }
  freed.wait();
  EXPECT_NE(destroyed_on, std::thread::id());
  EXPECT_NE(destroyed_on, dropped_on);
  EXPECT_NE(destroyed_on, std::this_thread::get_id());
  EXPECT_EQ(told_on, destroyed_on);
}

TEST(RetireQueueTest, KeepsAVersionWhileACopyOfItsHandleIsHeld) {
  std::thread::id destroyed_on;
  std::atomic<bool> told = false;
  ModelHandle copy;
  {
    RetireQueue queue;
    copy = queue.Guard(Watched(destroyed_on), [&] { told.store(true); });
  }
  // The queue is gone and freed all it was given.
  EXPECT_EQ(destroyed_on, std::thread::id());
  copy.reset();
  EXPECT_EQ(destroyed_on, std::this_thread::get_id());
  EXPECT_FALSE(told.load());
}

TEST(RetireQueueTest, FreesWhatIsListedBeforeItEnds) {
  constexpr std::size_t kVersions = 100;
  std::vector<std::thread::id> destroyed_on(kVersions);
  std::atomic<std::size_t> told = 0;
  {
    RetireQueue queue;
    for (std::thread::id& on : destroyed_on) {
      (void)queue.Guard(Watched(on), [&] { told.fetch_add(1); });
    }
  }
  EXPECT_EQ(told.load(), kVersions);
  for (const std::thread::id& on : destroyed_on) {
    EXPECT_NE(on, std::thread::id());
    EXPECT_NE(on, std::this_thread::get_id());
  }
}

TEST(RetireQueueTest, TakesVersionsFromManyThreads) {
  constexpr int kThreads = 4;
  constexpr int kEach = 200;
  std::atomic<int> told = 0;
  {
    RetireQueue queue;
    std::latch start(kThreads);
    std::vector<Thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back("drop", [&] {
        start.arrive_and_wait();
        for (int n = 0; n < kEach; ++n) {
          const VersionFacts facts = FakeFacts();
          (void)queue.Guard({.facts = facts,
                             .model = std::make_unique<FakeModel>(facts),
                             .load_time = {}},
                            [&] { told.fetch_add(1); });
        }
      });
    }
    threads.clear();
  }
  EXPECT_EQ(told.load(), kThreads * kEach);
}

}  // namespace
}  // namespace resnetd
