#include "server/models/device_name.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "server/base/error.h"

namespace resnetd {
namespace {

using ::testing::HasSubstr;
using Kind = DeviceName::Kind;

TEST(DeviceNameTest, ReadsKindAndNumber) {
  struct Case {
    const char* name;
    Kind kind;
    std::optional<std::int64_t> number;
  };
  for (const Case& tested :
       {Case{"cpu", Kind::kCpu, std::nullopt},
        Case{"cuda", Kind::kCuda, std::nullopt}, Case{"cuda:0", Kind::kCuda, 0},
        Case{"cuda:15", Kind::kCuda, 15},
        Case{"fake", Kind::kFake, std::nullopt}, Case{"fake:0", Kind::kFake, 0},
        Case{"fake:999999999", Kind::kFake, 999'999'999}}) {
    const auto name = ParseDeviceName(tested.name);
    ASSERT_TRUE(name.ok()) << name.status();
    EXPECT_EQ(name->kind, tested.kind) << tested.name;
    EXPECT_EQ(name->number, tested.number) << tested.name;
  }
}

TEST(DeviceNameTest, RefusesEverythingElse) {
  for (const char* name :
       {"", "CPU", "cpu:0", "gpu", "cuda:", "cuda:-1", "cuda:+1", "cuda: 1",
        "cuda:1 ", "cuda:x", "cuda0", "cuda::1", "fake:1000000000", "npu"}) {
    const auto parsed = ParseDeviceName(name);
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument)
        << name;
    EXPECT_EQ(DetailsOf(parsed.status()).reason, "REQUEST_INVALID");
    EXPECT_THAT(std::string(parsed.status().message()),
                HasSubstr("known are cpu, cuda, cuda:N"));
  }
}

}  // namespace
}  // namespace resnetd
