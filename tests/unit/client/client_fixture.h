#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "client/client.h"
#include "tests/unit/client/fake_server.h"

namespace resnetd::client {

// Clients of a server in the test's own process. `Fake` has an address().
template <typename Fake = test::FakeServer>
class ClientFixture : public testing::Test {
 protected:
  // With the fake as its server, unless the options name another one.
  Client ConnectWith(ClientOptions options) const {
    if (options.server == ClientOptions{}.server) {
      options.server = fake_.address();
    }
    return Client::Create(options).value();
  }
  // Every kind of call within `timeout`.
  Client Connect(
      std::chrono::nanoseconds timeout = std::chrono::seconds(30)) const {
    return ConnectWith({.timeout = timeout, .long_timeout = timeout});
  }

  Fake fake_;
};

// `count` pictures "aaa...", "bbb...", and so on.
inline ClassifyRequest Pictures(std::size_t count,
                                std::size_t bytes_each = 10) {
  ClassifyRequest request;
  for (std::size_t i = 0; i < count; ++i) {
    request.images.emplace_back(
        EncodedImage{std::string(bytes_each, static_cast<char>('a' + i))});
  }
  return request;
}

// Of a file with these bytes.
inline ImportRequest ImportOf(const std::string& bytes,
                              const std::string& model = "cats") {
  return {.model = model,
          .sha256 = test::DigestOf(bytes),
          .size_bytes = static_cast<std::int64_t>(bytes.size())};
}

}  // namespace resnetd::client
