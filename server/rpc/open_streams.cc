#include "server/rpc/open_streams.h"

#include <grpc/grpc.h>
#include <grpc/support/alloc.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace resnetd {
namespace {

// A text that gRPC made and that is to be freed.
std::string Taken(char* text) {
  std::string copy(text == nullptr ? "" : text);
  gpr_free(text);
  return copy;
}

// The values of `key` in JSON as gRPC writes it, without spaces. They are
// numbers and addresses: nothing in them is escaped.
std::vector<std::string> ValuesOf(absl::string_view json,
                                  absl::string_view key) {
  const std::string before = absl::StrCat("\"", key, "\":\"");
  std::vector<std::string> values;
  for (std::size_t at = json.find(before); at != absl::string_view::npos;
       at = json.find(before, at)) {
    at += before.size();
    const std::size_t end = std::min(json.find('"', at), json.size());
    values.emplace_back(json.substr(at, end - at));
  }
  return values;
}

std::int64_t NumberOf(absl::string_view text) {
  std::int64_t number = 0;
  return absl::SimpleAtoi(text, &number) ? number : 0;
}

// 0 is left out by gRPC.
std::int64_t NumberOf(absl::string_view json, absl::string_view key) {
  const std::vector<std::string> values = ValuesOf(json, key);
  return values.empty() ? 0 : NumberOf(values.front());
}

std::int64_t StreamsOf(std::int64_t socket) {
  const std::string json = Taken(grpc_channelz_get_socket(socket));
  return NumberOf(json, "streamsStarted") - NumberOf(json, "streamsSucceeded") -
         NumberOf(json, "streamsFailed");
}

}  // namespace

std::vector<OpenStreams> OpenStreamsReader::Next() {
  constexpr std::int64_t kNone = std::numeric_limits<std::int64_t>::max();
  std::vector<OpenStreams> found;
  const std::int64_t first = std::exchange(next_, kNone);
  for (const std::string& server :
       ValuesOf(Taken(grpc_channelz_get_servers(0)), "serverId")) {
    const std::string json = Taken(
        grpc_channelz_get_server_sockets(NumberOf(server), first, at_once_));
    const std::vector<std::string> ids = ValuesOf(json, "socketId");
    // "chttp2 ipv4:127.0.0.1:51234"
    const std::vector<std::string> names = ValuesOf(json, "name");
    for (std::size_t i = 0; i < std::min(ids.size(), names.size()); ++i) {
      const std::int64_t streams = StreamsOf(NumberOf(ids[i]));
      if (streams > 0) {
        found.push_back({.peer = names[i].substr(names[i].find(' ') + 1),
                         .streams = streams});
      }
    }
    if (ids.size() == static_cast<std::size_t>(at_once_)) {
      next_ = std::min(next_, NumberOf(ids.back()) + 1);
    }
  }
  if (next_ == kNone) {
    next_ = 0;
  }
  return found;
}

}  // namespace resnetd
