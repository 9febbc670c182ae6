#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace resnetd {

struct HttpReply {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

// What a handler may look at.
struct RequestHeaders {
  // The value of the header Accept; empty: there is none.
  std::string accept;
};

// The plaintext HTTP listener for probes and metrics: GET and HEAD on fixed
// paths (others get 404 with the list, other methods 405), no files, no
// parameters (a query is ignored), one request a connection.
//
// Two threads answer and one accepts; a handler must not block. A caller that
// stalls for 1 s loses its connection. Stops on destruction, within some 10 ms
// of the last answer. Thread-safe.
class HttpServer {
 public:
  // Paths, each with the function that answers it. Called from the listener's
  // threads, several at once.
  using Routes =
      std::map<std::string, std::function<HttpReply(const RequestHeaders&)>>;

  struct Options {
    // Host or address to listen on; empty: all, IPv4 and IPv6.
    std::string host;
    // 0: any free port, see port().
    int port = 8002;
  };

  // UNAVAILABLE: the port is in use or not allowed; the text names the port
  // and the flag.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(
      const Options& options, Routes routes);
  virtual ~HttpServer() = default;

  // The port it listens on.
  virtual int port() const = 0;
};

}  // namespace resnetd
