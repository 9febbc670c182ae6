#include "server/rpc/tls_credentials.h"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/certificates.h"
#include "tests/unit/rpc/rpc_fixture.h"

namespace resnetd {
namespace {

class TlsCredentialsTest : public RpcTest {
 protected:
  static TlsMaterial MaterialOf(const TestCertificate& one,
                                const std::string& client_authorities = {}) {
    return {.certificates = one.certificate,
            .key = one.key,
            .client_authorities = client_authorities};
  }

  void ListenWith(const TlsSource& source,
                  const AccessControl* access = nullptr) {
    GrpcServerOptions options = LoopbackOptions();
    options.tls = &source;
    options.access = access;
    ListenReady(options);
  }

  // One call over a connection of its own.
  grpc::Status CallOver(const grpc::SslCredentialsOptions& tls,
                        const std::string& name = "localhost") const {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    arguments.SetSslTargetNameOverride(name);
    const auto channel = grpc::CreateCustomChannel(
        absl::StrCat("ipv4:127.0.0.1:", server_->port()),
        grpc::SslCredentials(tls), arguments);
    grpc::ClientContext context;
    LimitTime(context);
    v1::GetServerInfoResponse response;
    return v1::ServerService::NewStub(channel)->GetServerInfo(
        &context, v1::GetServerInfoRequest(), &response);
  }
  grpc::Status CallTrusting(const std::string& authorities,
                            const std::string& name = "localhost") const {
    return CallOver({.pem_root_certs = authorities}, name);
  }
};

TEST_F(TlsCredentialsTest, ServesWhoBelievesItsAuthorityAndNobodyElse) {
  const TestAuthority authority("ca");
  const TlsSource source(MaterialOf(authority.Issue()));
  ListenWith(source);
  EXPECT_TRUE(CallTrusting(authority.certificate()).ok());
  EXPECT_EQ(CallTrusting(TestAuthority("other").certificate()).error_code(),
            grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(CallTrusting(authority.certificate(), "elsewhere").error_code(),
            grpc::StatusCode::UNAVAILABLE);
  // Plaintext, as RpcTest speaks it.
  grpc::ClientContext context;
  LimitTime(context);
  v1::GetServerInfoResponse response;
  EXPECT_EQ(server_info_->GetServerInfo(&context, {}, &response).error_code(),
            grpc::StatusCode::UNAVAILABLE);
  // None of them disturbed the others.
  EXPECT_TRUE(CallTrusting(authority.certificate()).ok());
}

TEST_F(TlsCredentialsTest, NewConnectionsGetTheNewCertificateOldOnesGoOn) {
  const TestAuthority before("before");
  const TestAuthority after("after");
  TlsSource source(MaterialOf(before.Issue()));
  ListenWith(source);
  // One connection, which calls all the while.
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetSslTargetNameOverride("localhost");
  const auto channel = grpc::CreateCustomChannel(
      absl::StrCat("ipv4:127.0.0.1:", server_->port()),
      grpc::SslCredentials({.pem_root_certs = before.certificate()}),
      arguments);
  const auto stub = v1::ServerService::NewStub(channel);
  std::atomic<bool> is_over{false};
  std::atomic<int> calls{0};
  std::atomic<int> failed{0};
  std::thread caller([&] {
    while (!is_over) {
      grpc::ClientContext context;
      LimitTime(context);
      v1::GetServerInfoResponse response;
      failed += stub->GetServerInfo(&context, {}, &response).ok() ? 0 : 1;
      ++calls;
    }
  });
  // The connection stands.
  while (calls < 1) {
    std::this_thread::yield();
  }
  for (int i = 0; i < 5; ++i) {
    source.Replace(MaterialOf(after.Issue()));
    EXPECT_TRUE(CallTrusting(after.certificate()).ok());
    EXPECT_FALSE(CallTrusting(before.certificate()).ok());
    source.Replace(MaterialOf(before.Issue()));
    EXPECT_TRUE(CallTrusting(before.certificate()).ok());
  }
  // It goes on with the certificate it was made with.
  const int before_last = calls;
  while (calls < before_last + 5) {
    std::this_thread::yield();
  }
  is_over = true;
  caller.join();
  EXPECT_EQ(failed, 0);
}

TEST_F(TlsCredentialsTest, ClientsAreKnownByTheirCertificates) {
  const TestAuthority authority("ca");
  const TlsSource source(
      MaterialOf(authority.Issue(), authority.certificate()));
  const AccessControl access(AccessList(
      {{.name = "edge",
        .role = Role::kViewer,
        .certificate = "spiffe://cluster/edge"},
       {.name = "camera", .role = Role::kClassifier, .certificate = "cam-1"}}));
  ListenWith(source, &access);
  const auto call_as = [&](const TestCertificate& client) {
    return CallOver({.pem_root_certs = authority.certificate(),
                     .pem_private_key = client.key,
                     .pem_cert_chain = client.certificate});
  };
  EXPECT_TRUE(call_as(authority.Issue({.common_name = "x",
                                       .names = {"URI:spiffe://cluster/edge"}}))
                  .ok());
  EXPECT_TRUE(
      call_as(authority.Issue({.common_name = "cam-1", .names = {}})).ok());
  const grpc::Status unknown =
      call_as(authority.Issue({.common_name = "eve", .names = {}}));
  EXPECT_EQ(unknown.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(ReasonOf(unknown), "CREDENTIALS_WRONG");
  // The transport lets none of these in.
  const TestAuthority foreign("foreign");
  EXPECT_EQ(call_as(foreign.Issue({.common_name = "cam-1"})).error_code(),
            grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(call_as(authority.Issue({.common_name = "cam-1",
                                     .begin = std::chrono::hours(-3),
                                     .end = std::chrono::hours(-1)}))
                .error_code(),
            grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(CallTrusting(authority.certificate()).error_code(),
            grpc::StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace resnetd
