#include "server/nn/device_executor.h"

#include <c10/util/Exception.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "server/base/error.h"
#include "tests/unit/nn/scripted_stream.h"

namespace resnetd {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class DeviceExecutorTest : public testing::Test {
 protected:
  absl::Status RunNothing() {
    return executor_.Run("try", [](DeviceStream&) { return absl::OkStatus(); });
  }
  absl::Status RunWhatFails() {
    return executor_.Run("try", [](DeviceStream&) -> absl::Status {
      TORCH_CHECK(false, "an illegal access at 0xdead");
    });
  }

  const std::shared_ptr<DeviceScript> script_ =
      std::make_shared<DeviceScript>();
  std::atomic<int> told_ = 0;
  DeviceExecutor executor_{std::make_unique<ScriptedStream>(script_), "gpu",
                           [this] { ++told_; }};
};

TEST_F(DeviceExecutorTest, RunsEverythingOnOneThreadOfItsOwn) {
  std::set<std::thread::id> threads;
  {
    std::vector<std::jthread> callers;
    for (int i = 0; i < 4; ++i) {
      callers.emplace_back([&] {
        for (int round = 0; round < 20; ++round) {
          // One at a time, so that the set needs no lock.
          EXPECT_TRUE(executor_
                          .Run("try",
                               [&](DeviceStream&) {
                                 threads.insert(std::this_thread::get_id());
                                 return absl::OkStatus();
                               })
                          .ok());
        }
      });
    }
  }
  EXPECT_EQ(threads.size(), 1U);
  EXPECT_FALSE(threads.contains(std::this_thread::get_id()));
}

TEST_F(DeviceExecutorTest, PassesOnWhatTheWorkSays) {
  const absl::Status status = executor_.Run(
      "try", [](DeviceStream&) { return absl::NotFoundError("gone"); });
  EXPECT_EQ(status, absl::NotFoundError("gone"));
}

TEST_F(DeviceExecutorTest, AFailureOfADeviceThatStillWorksIsOneOfTheBatch) {
  const absl::Status status = RunWhatFails();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), Not(HasSubstr("0xdead")));
  EXPECT_FALSE(executor_.broken());
  EXPECT_TRUE(RunNothing().ok());
  EXPECT_EQ(told_, 0);
}

TEST_F(DeviceExecutorTest, AFailureOfABrokenDeviceEndsItForGood) {
  script_->works = false;
  const absl::Status status = RunWhatFails();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(DetailsOf(status).reason, "BACKEND_UNAVAILABLE");
  EXPECT_TRUE(executor_.broken());
  script_->works = true;
  EXPECT_EQ(RunNothing().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(RunWhatFails().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(told_, 1);
}

TEST_F(DeviceExecutorTest, WantOfMemoryNeverMeansThatTheDeviceIsBroken) {
  script_->works = false;
  const absl::Status status = executor_.Run("try", [](DeviceStream&) {
    throw c10::OutOfMemoryError({__func__, __FILE__, __LINE__}, "no memory");
    return absl::OkStatus();
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_FALSE(executor_.broken());
}

TEST_F(DeviceExecutorTest, WhatComesToLightInAWaitIsJudgedToo) {
  std::unique_ptr<StreamEvent> event;
  ASSERT_TRUE(executor_
                  .Run("try",
                       [&](DeviceStream& stream) {
                         event = stream.Mark();
                         return absl::OkStatus();
                       })
                  .ok());
  EXPECT_TRUE(executor_.Wait("try", *event).ok());
  script_->fails_on_wait = true;
  EXPECT_EQ(executor_.Wait("try", *event).code(), absl::StatusCode::kInternal);
  EXPECT_FALSE(executor_.broken());
  script_->works = false;
  EXPECT_EQ(executor_.Wait("try", *event).code(),
            absl::StatusCode::kUnavailable);
  EXPECT_TRUE(executor_.broken());
  EXPECT_EQ(told_, 1);
}

}  // namespace
}  // namespace resnetd
