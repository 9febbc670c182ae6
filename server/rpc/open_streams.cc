#include "server/rpc/open_streams.h"

#include <grpc/grpc.h>
#include <grpc/support/alloc.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/numbers.h"

namespace resnetd {
namespace {

using Json = nlohmann::json;

// Some hundred connections with their names take some ten kilobytes.
constexpr std::size_t kMaxTextBytes = std::size_t{1} << 20U;

// What gRPC says, in a text that it made and that is to be freed. Null: it says
// nothing, no JSON, or more than was asked for.
Json Read(char* text) {
  const std::unique_ptr<char, decltype(&gpr_free)> owner(text, &gpr_free);
  if (text == nullptr) {
    return nullptr;
  }
  const std::size_t size = strnlen(text, kMaxTextBytes + 1);
  if (size > kMaxTextBytes) {
    return nullptr;
  }
  Json json =
      Json::parse(text, text + size, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) {
    return nullptr;
  }
  return json;
}

// Null: there is no such member, or it is no object.
const Json& MemberOf(const Json& object, const char* name) {
  static const Json none;
  const auto at = object.find(name);
  return at == object.end() ? none : *at;
}

std::string TextOf(const Json& object, const char* name) {
  const Json& value = MemberOf(object, name);
  return value.is_string() ? value.get<std::string>() : "";
}

// Protobuf's JSON has numbers of 64 bits as texts, and leaves 0 out.
std::int64_t NumberOf(const Json& object, const char* name) {
  std::int64_t number = 0;
  return absl::SimpleAtoi(TextOf(object, name), &number) ? number : 0;
}

std::int64_t StreamsOf(std::int64_t socket) {
  const Json json = Read(grpc_channelz_get_socket(socket));
  const Json& data = MemberOf(MemberOf(json, "socket"), "data");
  return NumberOf(data, "streamsStarted") - NumberOf(data, "streamsSucceeded") -
         NumberOf(data, "streamsFailed");
}

Json Servers() { return Read(grpc_channelz_get_servers(0)); }

}  // namespace

std::int64_t CallsBegunAndNotEnded() {
  std::int64_t calls = 0;
  const Json json = Servers();
  for (const Json& server : MemberOf(json, "server")) {
    const Json& data = MemberOf(server, "data");
    calls += NumberOf(data, "callsStarted") - NumberOf(data, "callsSucceeded") -
             NumberOf(data, "callsFailed");
  }
  return calls;
}

std::vector<OpenStreams> OpenStreamsReader::Next() {
  constexpr std::int64_t kNone = std::numeric_limits<std::int64_t>::max();
  std::vector<OpenStreams> found;
  const std::int64_t first = std::exchange(next_, kNone);
  const Json servers = Servers();
  for (const Json& server : MemberOf(servers, "server")) {
    const Json json = Read(grpc_channelz_get_server_sockets(
        NumberOf(MemberOf(server, "ref"), "serverId"), first, at_once_));
    const Json& sockets = MemberOf(json, "socketRef");
    std::int64_t last = 0;
    for (const Json& socket : sockets) {
      last = NumberOf(socket, "socketId");
      const std::int64_t streams = StreamsOf(last);
      if (streams > 0) {
        // "chttp2 ipv4:127.0.0.1:51234"
        const std::string name = TextOf(socket, "name");
        found.push_back(
            {.peer = name.substr(name.find(' ') + 1), .streams = streams});
      }
    }
    if (sockets.size() == static_cast<std::size_t>(at_once_)) {
      next_ = std::min(next_, last + 1);
    }
  }
  if (next_ == kNone) {
    next_ = 0;
  }
  return found;
}

}  // namespace resnetd
