#include "server/app/access_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

namespace resnetd {
namespace {

using testing::AllOf;
using testing::HasSubstr;

absl::Status With(const std::function<void(Config&)>& change) {
  Config config;
  change(config);
  return ValidateAccess(config);
}

std::string ErrorWith(const std::function<void(Config&)>& change) {
  const absl::Status status = With(change);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

TEST(ValidateAccessTest, TheDefaultsAreTheLoopbackInPlaintext) {
  EXPECT_TRUE(With([](Config&) {}).ok());
}

TEST(ValidateAccessTest, PlaintextBeyondTheLoopbackIsAskedForByName) {
  for (const char* const listen :
       {":8001", "0.0.0.0:8001", "[::]:8001", "10.0.0.1:8001", "8001",
        "gpu-box:8001", "128.0.0.1:1", "localhost.example:1"}) {
    EXPECT_THAT(
        ErrorWith([&](Config& c) { c.listen = listen; }),
        AllOf(HasSubstr("--insecure-plaintext"), HasSubstr("--tls-cert")))
        << listen;
    EXPECT_TRUE(With([&](Config& c) {
                  c.listen = listen;
                  c.insecure_plaintext = true;
                }).ok())
        << listen;
    EXPECT_TRUE(With([&](Config& c) {
                  c.listen = listen;
                  c.tls_cert = "c";
                  c.tls_key = "k";
                }).ok())
        << listen;
  }
  for (const char* const listen :
       {"localhost:1", "127.0.0.1:0", "127.9.9.9:1", "[::1]:8001"}) {
    EXPECT_TRUE(With([&](Config& c) { c.listen = listen; }).ok()) << listen;
  }
}

TEST(ValidateAccessTest, ACertificateNeedsItsKey) {
  EXPECT_THAT(ErrorWith([](Config& c) { c.tls_cert = "c"; }),
              HasSubstr("--tls-cert needs --tls-key"));
  EXPECT_THAT(ErrorWith([](Config& c) { c.tls_key = "k"; }),
              HasSubstr("--tls-key needs --tls-cert"));
  EXPECT_THAT(ErrorWith([](Config& c) { c.tls_client_ca = "a"; }),
              HasSubstr("--tls-client-ca needs --tls-cert"));
}

TEST(ValidateAccessTest, TokensNeverTravelReadable) {
  EXPECT_THAT(ErrorWith([](Config& c) {
                c.listen = ":1";
                c.insecure_plaintext = true;
                c.tokens = "t";
              }),
              HasSubstr("--tokens needs --tls-cert"));
  EXPECT_TRUE(With([](Config& c) { c.tokens = "t"; }).ok());
}

TEST(ValidateAccessTest, ARegistryOnAnotherMachineIsSpokenToOverTls) {
  const auto replica = [](Config& c) {
    c.roles = "serve";
    c.registry = "registry:8001";
  };
  EXPECT_THAT(ErrorWith(replica), AllOf(HasSubstr("--registry-ca"),
                                        HasSubstr("--insecure-plaintext")));
  EXPECT_TRUE(With([&](Config& c) {
                replica(c);
                c.insecure_plaintext = true;
              }).ok());
  EXPECT_TRUE(With([&](Config& c) {
                replica(c);
                c.registry_ca = "ca";
                c.registry_token_file = "t";
                c.registry_server_name = "registry";
              }).ok());
  EXPECT_THAT(ErrorWith([&](Config& c) {
                replica(c);
                c.insecure_plaintext = true;
                c.registry_token_file = "t";
              }),
              HasSubstr("--registry-token-file needs --registry-ca"));
  EXPECT_THAT(ErrorWith([&](Config& c) {
                replica(c);
                c.registry_cert = "c";
                c.registry_key = "k";
              }),
              HasSubstr("need --registry-ca"));
  EXPECT_THAT(ErrorWith([&](Config& c) {
                replica(c);
                c.registry_ca = "ca";
                c.registry_key = "k";
              }),
              HasSubstr("--registry-key needs --registry-cert"));
  EXPECT_THAT(ErrorWith([](Config& c) { c.registry_ca = "ca"; }),
              HasSubstr("--registry-ca needs --registry "));
}

}  // namespace
}  // namespace resnetd
