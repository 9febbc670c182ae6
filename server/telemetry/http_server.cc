#include "server/telemetry/http_server.h"

#include <arpa/inet.h>
#include <civetweb.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <exception>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/base/clock.h"
#include "server/base/error.h"
#include "server/base/log.h"
#include "server/base/mutex.h"
#include "server/base/thread.h"

namespace resnetd {
namespace {

// Two callers at a time, a probe and a scrape; more wait their turn.
constexpr char kThreads[] = "2";
// A caller that stalls gives its thread back after this time; a kubelet waits
// 1 s for a probe and tries again.
constexpr char kTimeoutMs[] = "1000";
// Longest request line with headers; a probe or a scrape has some 500 bytes.
constexpr char kMaxRequestBytes[] = "8192";

absl::string_view ReasonPhrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    default:
      return status < 500 ? "Error" : "Server Error";
  }
}

void Send(mg_connection* connection, const HttpReply& reply, bool with_body,
          absl::string_view more_headers = "") {
  std::string text = absl::StrCat(
      "HTTP/1.1 ", reply.status, " ", ReasonPhrase(reply.status),
      "\r\nContent-Type: ", reply.content_type,
      "\r\nContent-Length: ", reply.body.size(),
      "\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n",
      more_headers, "Connection: close\r\n\r\n");
  if (with_body) {
    text += reply.body;
  }
  // A caller that has gone away is no error of ours.
  (void)mg_write(connection, text.data(), text.size());
}

// The callbacks of the C library. user_data is the Routes.

int BeginRequest(mg_connection* connection) {
  const mg_request_info* request = mg_get_request_info(connection);
  const auto& routes =
      *static_cast<const HttpServer::Routes*>(request->user_data);
  const absl::string_view method = request->request_method;
  const bool is_head = method == "HEAD";
  HttpReply reply;
  if (!is_head && method != "GET") {
    reply.status = 405;
    reply.body = "only GET and HEAD\n";
    Send(connection, reply, true, "Allow: GET, HEAD\r\n");
    return reply.status;
  }
  const auto route = routes.find(request->local_uri);
  if (route == routes.end()) {
    reply.status = 404;
    reply.body = "no such path; there are";
    for (const auto& [path, handler] : routes) {
      absl::StrAppend(&reply.body, " ", path);
    }
    reply.body += "\n";
  } else {
    try {
      const char* accept = mg_get_header(connection, "Accept");
      reply = route->second({.accept = accept == nullptr ? "" : accept});
    } catch (const std::exception&) {
      // Only memory can run out here; nothing may be thrown into C code.
      reply = {.status = 500, .body = "internal error\n"};
    }
  }
  Send(connection, reply, !is_head);
  return reply.status;
}

// Replaces the library's pages for requests that it cannot read.
int HttpError(mg_connection* connection, int status, const char* /*text*/) {
  const HttpReply reply = {
      .status = status,
      .body = absl::StrCat(status, " ", ReasonPhrase(status), "\n")};
  Send(connection, reply, true);
  return 0;
}

int LogMessage(const mg_connection* /*connection*/, const char* message) {
  Log(LogLevel::kDebug, "http listener", {{"library", message}});
  return 1;
}

// "8002" for all addresses, "127.0.0.1:8002", "[::1]:8002".
std::string ListenText(const HttpServer::Options& options) {
  if (options.host.empty()) {
    // "+" takes both families, and IPv4 alone where there is no IPv6.
    return absl::StrCat("+", options.port);
  }
  const bool is_v6 = absl::StrContains(options.host, ':') &&
                     !absl::StartsWith(options.host, "[");
  return absl::StrCat(is_v6 ? "[" : "", options.host, is_v6 ? "]:" : ":",
                      options.port);
}

// Calls `use` with a new socket for each address that `options` mean, and with
// the address. False when the host has none.
template <typename Use>
bool ForEachAddress(const HttpServer::Options& options, int flags,
                    const Use& use) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (getaddrinfo(options.host.empty() ? nullptr : options.host.c_str(),
                  absl::StrCat(options.port).c_str(), &hints, &found) != 0) {
    return false;
  }
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    const int descriptor = socket(
        at->ai_family, at->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor >= 0) {
      use(descriptor, *at);
      close(descriptor);
    }
  }
  freeaddrinfo(found);
  return true;
}

// Why nothing can listen there, by trying it; the library keeps the reason in
// a text of its own. 0: it could now.
int ListenErrno(const HttpServer::Options& options) {
  int result = 0;
  const bool found = ForEachAddress(
      options, AI_PASSIVE, [&result](int descriptor, const addrinfo& address) {
        const int on = 1;
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (result == 0 &&
            bind(descriptor, address.ai_addr, address.ai_addrlen) != 0) {
          result = errno;
        }
      });
  return found ? result : EADDRNOTAVAIL;
}

// Connects to the listener and hangs up.
void Knock(const HttpServer::Options& options) {
  // Without AI_PASSIVE no host means this machine.
  ForEachAddress(options, 0, [](int descriptor, const addrinfo& address) {
    (void)connect(descriptor, address.ai_addr, address.ai_addrlen);
  });
}

absl::Status CannotListen(const HttpServer::Options& options) {
  std::string why;
  switch (ListenErrno(options)) {
    case EADDRINUSE:
      why = "another program listens there; stop it or choose another port";
      break;
    case EACCES:
    case EPERM:
      why =
          "not allowed; ports below 1024 need a privilege, choose a higher "
          "one";
      break;
    case EADDRNOTAVAIL:
      why = "this machine has no such address";
      break;
    default:
      why = "the system refused it";
      break;
  }
  return Error(absl::StatusCode::kUnavailable, Reason::kBackendUnavailable,
               absl::StrCat("cannot listen for HTTP on port ", options.port,
                            " (--http-listen): ", why))
      .Metadata("port", absl::StrCat(options.port));
}

// Knocks at the door of a listener that is told to stop until it has. The
// library looks at its flag when somebody connects, else only every 2 s.
class Knocker {
 public:
  explicit Knocker(HttpServer::Options options)
      : options_(std::move(options)), thread_("http-stop", [this] { Run(); }) {}
  ~Knocker() {
    {
      const MutexLock lock(mutex_);
      stopped_ = true;
    }
    changed_.NotifyAll();
  }
  Knocker(const Knocker&) = delete;
  Knocker& operator=(const Knocker&) = delete;

 private:
  void Run() ABSL_LOCKS_EXCLUDED(mutex_) {
    constexpr auto kPause = std::chrono::milliseconds(5);
    while (true) {
      Knock(options_);
      const MutexLock lock(mutex_);
      if (!stopped_) {
        changed_.WaitUntil(mutex_, RealClock().Now() + kPause);
      }
      if (stopped_) {
        return;
      }
    }
  }

  const HttpServer::Options options_;
  Mutex mutex_;
  CondVar changed_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  Thread thread_;
};

class CivetServer final : public HttpServer {
 public:
  CivetServer(Options options, Routes routes)
      : options_(std::move(options)), routes_(std::move(routes)) {
    mg_init_library(MG_FEATURES_DEFAULT);
  }
  ~CivetServer() override {
    if (context_ != nullptr) {
      const Knocker knocker(options_);
      mg_stop(context_);  // Waits for the threads.
    }
    mg_exit_library();
  }

  // False when the library cannot listen.
  bool Listen() {
    const std::string listen = ListenText(options_);
    std::array<const char*, 17> settings = {"listening_ports",
                                            listen.c_str(),
                                            "num_threads",
                                            kThreads,
                                            "request_timeout_ms",
                                            kTimeoutMs,
                                            "max_request_size",
                                            kMaxRequestBytes,
                                            "enable_keep_alive",
                                            "no",
                                            "enable_directory_listing",
                                            "no",
                                            "connection_queue",
                                            "32",
                                            "tcp_nodelay",
                                            "1",
                                            nullptr};
    mg_callbacks callbacks{};
    callbacks.begin_request = BeginRequest;
    callbacks.http_error = HttpError;
    // No log_access: with one, the library calls localtime() from several
    // threads at once for a text that nobody reads.
    callbacks.log_message = LogMessage;
    context_ = mg_start(&callbacks, &routes_, settings.data());
    mg_server_port port{};
    if (context_ == nullptr || mg_get_server_ports(context_, 1, &port) != 1) {
      return false;
    }
    options_.port = port.port;
    return true;
  }

  int port() const override { return options_.port; }

 private:
  // The port is the real one once it listens.
  Options options_;
  Routes routes_;
  mg_context* context_ = nullptr;
};

}  // namespace

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(
    const Options& options, Routes routes) {
  auto server = std::make_unique<CivetServer>(options, std::move(routes));
  if (options.port < 0 || options.port > 65535 || !server->Listen()) {
    return CannotListen(options);
  }
  return server;
}

}  // namespace resnetd
