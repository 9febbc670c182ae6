#include "server/rpc/proto_time.h"

#include <google/protobuf/util/time_util.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>

namespace resnetd {
namespace {

using google::protobuf::util::TimeUtil;

TEST(ProtoTimeTest, DurationsReadTheSameByProtobuf) {
  for (const std::int64_t nanoseconds :
       {std::int64_t{0}, std::int64_t{1}, std::int64_t{-1},
        std::int64_t{999'999'999}, std::int64_t{1'000'000'000},
        std::int64_t{-1'500'000'000}, std::int64_t{90'061'000'000'007}}) {
    const auto proto = ToProto(Duration(nanoseconds));
    EXPECT_EQ(TimeUtil::DurationToNanoseconds(proto), nanoseconds);
    EXPECT_LT(std::abs(proto.nanos()), 1'000'000'000);
  }
}

TEST(ProtoTimeTest, TimestampsReadTheSameByProtobuf) {
  for (const std::int64_t nanoseconds :
       {std::int64_t{0}, std::int64_t{1}, std::int64_t{-1},
        std::int64_t{1'700'000'000'123'456'789}}) {
    const std::chrono::system_clock::time_point time{
        std::chrono::nanoseconds(nanoseconds)};
    const auto proto = ToProto(time);
    EXPECT_EQ(TimeUtil::TimestampToNanoseconds(proto), nanoseconds);
    EXPECT_GE(proto.nanos(), 0);
  }
}

}  // namespace
}  // namespace resnetd
