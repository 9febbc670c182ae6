#include "server/models/device_name.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_join.h"
#include "server/base/error.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
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

TEST(DeviceNamesTest, AreSeveralGpusOrOneDevice) {
  EXPECT_THAT(*ParseDeviceNames("cpu"), ElementsAre("cpu"));
  EXPECT_THAT(*ParseDeviceNames("cuda:1"), ElementsAre("cuda:1"));
  EXPECT_THAT(*ParseDeviceNames("cuda,cuda:2,cuda:1"),
              ElementsAre("cuda", "cuda:2", "cuda:1"));
  EXPECT_THAT(*ParseDeviceNames("fake,fake:3,fake"),
              ElementsAre("fake", "fake:3", "fake"));
}

TEST(DeviceNamesTest, WhatCannotServeTogetherIsRefused) {
  struct Case {
    const char* names;
    const char* why;
  };
  for (const Case& tested :
       {Case{"cuda,cuda:0", "name the GPU 0 twice"},
        Case{"cuda:3,cuda:1,cuda:3", "name the GPU 3 twice"},
        Case{"cuda,cpu", "cannot serve together"},
        Case{"cpu,cpu", "cannot serve together"},
        Case{"fake,cuda", "cannot serve together"}, Case{"", "is unknown"},
        Case{"cuda,", "is unknown"}, Case{",cuda", "is unknown"},
        Case{"cuda, cuda:1", "is unknown"}}) {
    const auto parsed = ParseDeviceNames(tested.names);
    EXPECT_EQ(DetailsOf(parsed.status()).reason, "REQUEST_INVALID")
        << tested.names;
    EXPECT_THAT(std::string(parsed.status().message()), HasSubstr(tested.why));
  }
}

TEST(DeviceNamesTest, HaveALimit) {
  std::vector<std::string> names(kMostDevices - 1, "fake");
  EXPECT_TRUE(ParseDeviceNames(absl::StrJoin(names, ",")).ok());
  names.emplace_back("fake");
  EXPECT_TRUE(ParseDeviceNames(absl::StrJoin(names, ",")).ok());
  names.emplace_back("fake");
  EXPECT_EQ(
      DetailsOf(ParseDeviceNames(absl::StrJoin(names, ",")).status()).reason,
      "LIMIT_EXCEEDED");
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
