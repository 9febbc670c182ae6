#include "server/rpc/tls_credentials.h"

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpcpp/version_info.h>
#if __has_include(<grpc/credentials.h>)
#include <grpc/credentials.h>
#endif

#include <atomic>
#include <cstdint>
#include <string>

namespace resnetd {
namespace {

#if GRPC_CPP_VERSION_MAJOR == 1 && GRPC_CPP_VERSION_MINOR < 60
// What newer releases have as grpc::ServerCredentials: an owner of credentials
// of the C interface.
class OwnedCredentials : public grpc::ServerCredentials {
 public:
  ~OwnedCredentials() override { grpc_server_credentials_release(owned_); }
  OwnedCredentials(const OwnedCredentials&) = delete;
  OwnedCredentials& operator=(const OwnedCredentials&) = delete;

 protected:
  explicit OwnedCredentials(grpc_server_credentials* owned) : owned_(owned) {}

 private:
  int AddPortToServer(const std::string& address,
                      grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), owned_);
  }

  grpc_server_credentials* const owned_;
};
#else
using OwnedCredentials = grpc::ServerCredentials;
#endif

// gRPC's C++ credentials take files and watch them unchecked: half a pair on
// the disk would end every handshake. Its C interface asks, before each
// handshake, whether there is something new, which is then a checked pair.
class ReloadingCredentials final : public OwnedCredentials {
 public:
  // Fetch() is not called before AddPortToServer().
  explicit ReloadingCredentials(const TlsSource& source)
      : OwnedCredentials(grpc_ssl_server_credentials_create_with_options(
            grpc_ssl_server_credentials_create_options_using_config_fetcher(
                source.asks_clients()
                    ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                    : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE,
                Fetch, this))),
        source_(source) {}

  // Callers are told apart by CallRecord, whose errors carry details.
  void SetAuthMetadataProcessor(
      const std::shared_ptr<grpc::AuthMetadataProcessor>& /*processor*/)
      override {}

 private:
  // The first call is from AddPortToServer(), the others from gRPC's threads.
  static grpc_ssl_certificate_config_reload_status Fetch(
      void* self, grpc_ssl_server_certificate_config** config) {
    return static_cast<ReloadingCredentials*>(self)->Fetch(config);
  }

  grpc_ssl_certificate_config_reload_status Fetch(
      grpc_ssl_server_certificate_config** config) {
    // What a handshake that runs beside this one was given is given once.
    if (const std::uint64_t now = source_.generation();
        given_.exchange(now) == now) {
      return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    }
    const TlsMaterial material = source_.Get().first;
    const grpc_ssl_pem_key_cert_pair pair = {
        .private_key = material.key.c_str(),
        .cert_chain = material.certificates.c_str()};
    // gRPC wants authorities in any case; where clients are not asked it looks
    // at none, and any certificate will do.
    *config = grpc_ssl_server_certificate_config_create(
        source_.asks_clients() ? material.client_authorities.c_str()
                               : material.certificates.c_str(),
        &pair, 1);
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
  }

  const TlsSource& source_;
  // The generation that gRPC has; 0: none yet.
  std::atomic<std::uint64_t> given_{0};
};

}  // namespace

std::shared_ptr<grpc::ServerCredentials> TlsCredentials(
    const TlsSource& source) {
  return std::make_shared<ReloadingCredentials>(source);
}

}  // namespace resnetd
