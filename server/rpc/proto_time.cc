#include "server/rpc/proto_time.h"

namespace resnetd {

google::protobuf::Duration ToProto(Duration duration) {
  // Both parts get the sign of the whole, as the message demands.
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(duration);
  google::protobuf::Duration proto;
  proto.set_seconds(seconds.count());
  proto.set_nanos(static_cast<int>((duration - seconds).count()));
  return proto;
}

google::protobuf::Timestamp ToProto(
    std::chrono::system_clock::time_point time) {
  // Nanoseconds count forward from the second, also before 1970.
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const auto nanos =
      std::chrono::duration_cast<std::chrono::nanoseconds>(time - seconds);
  google::protobuf::Timestamp proto;
  proto.set_seconds(seconds.time_since_epoch().count());
  proto.set_nanos(static_cast<int>(nanos.count()));
  return proto;
}

}  // namespace resnetd
