#include "server/nn/device_health.h"

#include <gtest/gtest.h>

#include "absl/status/status.h"
#include "server/base/error.h"

namespace resnetd {
namespace {

absl::Status OfCode(absl::StatusCode code) {
  return Error(code, Reason::kInternal, "what the work says");
}

TEST(DeviceHealthTest, OnlyAFailureOfTheLibraryMakesItAskTheDevice) {
  int asked = 0;
  DeviceHealth health(
      [&asked] {
        ++asked;
        return true;
      },
      nullptr);
  for (const absl::StatusCode code :
       {absl::StatusCode::kInvalidArgument, absl::StatusCode::kUnavailable,
        absl::StatusCode::kResourceExhausted, absl::StatusCode::kUnknown}) {
    EXPECT_EQ(health.Judge(OfCode(code)), OfCode(code));
  }
  EXPECT_TRUE(health.Judge(absl::OkStatus()).ok());
  EXPECT_EQ(asked, 0);
  EXPECT_EQ(health.Judge(OfCode(absl::StatusCode::kInternal)),
            OfCode(absl::StatusCode::kInternal));
  EXPECT_EQ(asked, 1);
  EXPECT_FALSE(health.broken());
}

TEST(DeviceHealthTest, ADeviceThatDoesNotComputeIsBrokenAndTellsItOnce) {
  int told = 0;
  DeviceHealth health([] { return false; }, [&told] { ++told; });
  for (int i = 0; i < 2; ++i) {
    const absl::Status status =
        health.Judge(OfCode(absl::StatusCode::kInternal));
    EXPECT_EQ(status, DeviceHealth::BrokenError());
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(DetailsOf(status).reason, "BACKEND_UNAVAILABLE");
  }
  EXPECT_TRUE(health.broken());
  EXPECT_EQ(told, 1);
}

TEST(DeviceHealthTest, NobodyNeedsToBeTold) {
  DeviceHealth health([] { return false; }, nullptr);
  EXPECT_TRUE(
      absl::IsUnavailable(health.Judge(OfCode(absl::StatusCode::kInternal))));
}

}  // namespace
}  // namespace resnetd
