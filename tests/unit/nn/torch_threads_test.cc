#include "server/nn/torch_threads.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <latch>
#include <thread>

namespace resnetd {
namespace {

TEST(TorchThreadsTest, SetsTheNumberOfTheCallingThread) {
  std::thread([] {
    UseThreads(3);
    EXPECT_EQ(at::get_num_threads(), 3);
    UseThreads(1);
    EXPECT_EQ(at::get_num_threads(), 1);
  }).join();
}

// A trainer and a serving worker, each with a number of its own.
TEST(TorchThreadsTest, LeavesOtherThreadsTheirNumber) {
  std::latch serving_is_set(1);
  std::latch training_is_set(1);
  std::thread serving([&] {
    UseThreads(2);
    serving_is_set.count_down();
    training_is_set.wait();
    EXPECT_EQ(at::get_num_threads(), 2);
  });
  std::thread training([&] {
    serving_is_set.wait();
    UseThreads(1);
    EXPECT_EQ(at::get_num_threads(), 1);
    training_is_set.count_down();
  });
  serving.join();
  training.join();
}

}  // namespace
}  // namespace resnetd
