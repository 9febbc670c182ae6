#pragma once

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include <chrono>

#include "server/base/clock.h"

namespace resnetd {

// Any duration of ours fits: 64 bits of nanoseconds are 292 years.
google::protobuf::Duration ToProto(Duration duration);
google::protobuf::Timestamp ToProto(std::chrono::system_clock::time_point time);

}  // namespace resnetd
