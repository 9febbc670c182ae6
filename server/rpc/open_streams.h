#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace resnetd {

// One connection to a server of gRPC in this process.
struct OpenStreams {
  // As a call of it names its peer.
  std::string peer;
  // As the transport counts them: those included that no handler has seen yet,
  // and those that the client has given up but the server not yet let go.
  std::int64_t streams = 0;
};

// Calls of all servers of this process that the transport has begun and that
// did not end: those included that no handler has seen yet. It may be some that
// ended without one, too, so that only its growth says something. 33 us of a
// core, however many connections there are (./dev bench streams).
// Thread-safe.
std::int64_t CallsBegunAndNotEnded();

// Reads how many streams connections have open, as channelz knows it: 15 to 33
// us of a core for each (./dev bench streams). Not thread-safe.
class OpenStreamsReader {
 public:
  // `at_once`: connections of one Next(), for each server of the process.
  explicit OpenStreamsReader(int at_once = 500) : at_once_(at_once) {}

  // The next ones, without those that have no stream open; after the last it
  // begins anew.
  std::vector<OpenStreams> Next();

  // Whether Next() begins with the first one: all were read.
  bool is_at_start() const { return next_ == 0; }

 private:
  const int at_once_;
  // The lowest number of those that come next.
  std::int64_t next_ = 0;
};

}  // namespace resnetd
