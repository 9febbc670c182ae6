#include "server/telemetry/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/thread.h"
#include "tests/support/http_client.h"

namespace resnetd {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::unique_ptr<HttpServer> Start(HttpServer::Routes routes) {
  auto server =
      HttpServer::Start({.host = "127.0.0.1", .port = 0}, std::move(routes));
  EXPECT_TRUE(server.ok()) << server.status();
  return *std::move(server);
}

HttpServer::Routes TwoRoutes() {
  return {{"/livez",
           [](const RequestHeaders&) { return HttpReply{.body = "ok\n"}; }},
          {"/readyz", [](const RequestHeaders&) {
             return HttpReply{.status = 503, .body = "starting\n"};
           }}};
}

TEST(HttpServerTest, AnswersItsPaths) {
  const auto server = Start(TwoRoutes());
  const HttpAnswer live = HttpGet(server->port(), "/livez");
  EXPECT_EQ(live.status, 200);
  EXPECT_EQ(live.body, "ok\n");
  EXPECT_THAT(live.headers, HasSubstr("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(live.headers,
              HasSubstr("\r\nContent-Type: text/plain; charset=utf-8\r\n"));
  EXPECT_THAT(live.headers, HasSubstr("\r\nContent-Length: 3\r\n"));
  EXPECT_THAT(live.headers, HasSubstr("\r\nConnection: close\r\n"));
  const HttpAnswer ready = HttpGet(server->port(), "/readyz");
  EXPECT_EQ(ready.status, 503);
  EXPECT_EQ(ready.body, "starting\n");
}

TEST(HttpServerTest, IgnoresTheQuery) {
  const auto server = Start(TwoRoutes());
  EXPECT_EQ(HttpGet(server->port(), "/livez?verbose=1").status, 200);
}

TEST(HttpServerTest, AnswersHeadWithoutABody) {
  const auto server = Start(TwoRoutes());
  const HttpAnswer answer = HttpRequest(server->port(), "HEAD", "/livez");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "");
  EXPECT_THAT(answer.headers, HasSubstr("\r\nContent-Length: 3\r\n"));
}

TEST(HttpServerTest, RefusesOtherMethodsAndSaysWhichThereAre) {
  const auto server = Start(TwoRoutes());
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "PATCH"}) {
    for (const char* path : {"/livez", "/nothing"}) {
      const HttpAnswer answer = HttpRequest(server->port(), method, path);
      EXPECT_EQ(answer.status, 405) << method << path;
      EXPECT_THAT(answer.headers, HasSubstr("\r\nAllow: GET, HEAD\r\n"))
          << method << path;
    }
  }
}

TEST(HttpServerTest, RefusesUnknownPathsAndServesNoFiles) {
  const auto server = Start(TwoRoutes());
  for (const char* path :
       {"/", "/livez/", "/LIVEZ", "/livezz", "/etc/passwd", "/../etc/passwd",
        "/%2e%2e/etc/passwd", "/livez/../../etc/passwd", "/.htpasswd"}) {
    const HttpAnswer answer = HttpGet(server->port(), path);
    EXPECT_EQ(answer.status, 404) << path;
    EXPECT_EQ(answer.body, "no such path; there are /livez /readyz\n") << path;
  }
}

TEST(HttpServerTest, SurvivesRequestsThatAreNone) {
  const auto server = Start(TwoRoutes());
  for (const std::string& request :
       {std::string("\r\n\r\n"), std::string("hello\r\n\r\n"),
        std::string("GET\r\n\r\n"), std::string("GET /livez\r\n\r\n"),
        std::string("GET /livez HTTP/9.9\r\n\r\n"),
        std::string("GET /livez HTTP/1.1\r\nno colon\r\n\r\n"),
        std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", 13),
        std::string("GET /livez HTTP/1.1\r\nContent-Length: -1\r\n\r\n"),
        std::string(100, '\0') + "\r\n\r\n"}) {
    const HttpAnswer answer = ExchangeHttp(server->port(), request);
    EXPECT_NE(answer.status, 500) << request;
    EXPECT_THAT(answer.body, Not(HasSubstr("ivetweb"))) << request;
  }
  EXPECT_EQ(HttpGet(server->port(), "/livez").status, 200);
}

TEST(HttpServerTest, LimitsTheSizeOfARequest) {
  const auto server = Start(TwoRoutes());
  const auto with_header = [&](std::size_t bytes) {
    return ExchangeHttp(server->port(),
                        absl::StrCat("GET /livez HTTP/1.1\r\nX-Long: ",
                                     std::string(bytes, 'x'), "\r\n\r\n"))
        .status;
  };
  EXPECT_EQ(with_header(4096), 200);
  EXPECT_NE(with_header(100'000), 200);
  EXPECT_EQ(HttpGet(server->port(), "/livez").status, 200);
}

TEST(HttpServerTest, TakesALargeAnswer) {
  const std::string body(5'000'000, 'm');
  const auto server = Start({{"/metrics", [&body](const RequestHeaders&) {
                                return HttpReply{.body = body};
                              }}});
  EXPECT_EQ(HttpGet(server->port(), "/metrics").body, body);
}

TEST(HttpServerTest, TellsHandlersWhatTheCallerAccepts) {
  const auto server =
      Start({{"/echo", [](const RequestHeaders& headers) {
                return HttpReply{.body = "<" + headers.accept + ">"};
              }}});
  const auto echo = [&server](const std::string& header) {
    return ExchangeHttp(server->port(), "GET /echo HTTP/1.1\r\nHost: test\r\n" +
                                            header + "\r\n")
        .body;
  };
  EXPECT_EQ(echo("Accept: text/plain;q=0.5, */*\r\n"),
            "<text/plain;q=0.5, */*>");
  EXPECT_EQ(echo("accept: a/b\r\n"), "<a/b>");
  EXPECT_EQ(echo(""), "<>");
}

TEST(HttpServerTest, AnswersAnErrorWhenAHandlerThrows) {
  const auto server =
      Start({{"/throws", [](const RequestHeaders&) -> HttpReply {
                throw std::runtime_error("secret");
              }}});
  const HttpAnswer answer = HttpGet(server->port(), "/throws");
  EXPECT_EQ(answer.status, 500);
  EXPECT_THAT(answer.body, Not(HasSubstr("secret")));
}

TEST(HttpServerTest, AnswersManyCallersAtOnce) {
  std::atomic<int> answered = 0;
  const auto server = Start({{"/count", [&answered](const RequestHeaders&) {
                                ++answered;
                                return HttpReply{.body = "x"};
                              }}});
  {
    std::vector<Thread> callers;
    for (int i = 0; i < 8; ++i) {
      callers.emplace_back("caller", [&server] {
        for (int turn = 0; turn < 20; ++turn) {
          EXPECT_EQ(HttpGet(server->port(), "/count").status, 200);
        }
      });
    }
  }
  EXPECT_EQ(answered.load(), 160);
}

// As many stalled callers as there are threads: a probe is answered once they
// have had their time.
TEST(HttpServerTest, GivesStalledCallersUp) {
  const auto server = Start(TwoRoutes());
  std::vector<std::unique_ptr<LoopbackSocket>> stalled;
  for (int i = 0; i < 2; ++i) {
    stalled.push_back(std::make_unique<LoopbackSocket>(server->port()));
    stalled.back()->Send("GET /livez HTTP/1.1\r\nX-Slow: ");
  }
  EXPECT_EQ(HttpGet(server->port(), "/livez").status, 200);
}

TEST(HttpServerTest, NamesPortAndFlagWhenThePortIsInUse) {
  const auto first = Start(TwoRoutes());
  const auto second = HttpServer::Start(
      {.host = "127.0.0.1", .port = first->port()}, TwoRoutes());
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(std::string(second.status().message()),
            absl::StrCat("cannot listen for HTTP on port ", first->port(),
                         " (--http-listen): another program listens there; "
                         "stop it or choose another port"));
  EXPECT_EQ(HttpGet(first->port(), "/livez").status, 200);
}

TEST(HttpServerTest, RefusesPortsAndAddressesThatThereAreNot) {
  for (const int port : {-1, 65536}) {
    const auto server =
        HttpServer::Start({.host = "127.0.0.1", .port = port}, {});
    EXPECT_EQ(server.status().code(), absl::StatusCode::kUnavailable);
  }
  // TEST-NET-1 of RFC 5737: nobody's address.
  const auto server =
      HttpServer::Start({.host = "192.0.2.1", .port = 0}, TwoRoutes());
  EXPECT_EQ(server.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(server.status().message()),
              HasSubstr("this machine has no such address"));
  EXPECT_THAT(std::string(server.status().message()),
              Not(HasSubstr("192.0.2.1")));
}

TEST(HttpServerTest, ListensOnAllAddressesByDefault) {
  const auto server = HttpServer::Start({.host = "", .port = 0}, TwoRoutes());
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_GT((*server)->port(), 0);
  EXPECT_EQ(HttpGet((*server)->port(), "/livez").status, 200);
}

TEST(HttpServerTest, FreesThePortAtItsEnd) {
  auto server = Start(TwoRoutes());
  const int port = server->port();
  EXPECT_EQ(HttpGet(port, "/livez").status, 200);
  server.reset();
  EXPECT_FALSE(LoopbackSocket(port).connected());
  server = HttpServer::Start({.host = "127.0.0.1", .port = port}, TwoRoutes())
               .value();
  EXPECT_EQ(HttpGet(port, "/livez").status, 200);
}

}  // namespace
}  // namespace resnetd
