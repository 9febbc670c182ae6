#include "server/app/access_settings.h"

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "server/app/endpoint.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"

namespace resnetd {
namespace {

absl::Status Wrong(const std::string& text) {
  return Error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
               text);
}

// Each needs the other.
absl::Status ValidatePair(const char* cert_flag, const std::string& cert,
                          const char* key_flag, const std::string& key) {
  if (cert.empty() == key.empty()) {
    return absl::OkStatus();
  }
  return Wrong(key.empty()
                   ? absl::StrCat(cert_flag, " needs ", key_flag,
                                  " FILE, the private key of the certificate")
                   : absl::StrCat(key_flag, " needs ", cert_flag,
                                  " FILE, the certificate of the key"));
}

absl::Status ValidateListener(const Config& config) {
  RETURN_IF_ERROR(
      ValidatePair("--tls-cert", config.tls_cert, "--tls-key", config.tls_key));
  if (!config.tls_client_ca.empty() && config.tls_cert.empty()) {
    return Wrong(
        "--tls-client-ca needs --tls-cert and --tls-key: clients show "
        "certificates over TLS alone");
  }
  ASSIGN_OR_RETURN(const Endpoint listen,
                   ParseEndpoint("--listen", config.listen));
  if (!config.tls_cert.empty() || IsLoopback(listen)) {
    return absl::OkStatus();
  }
  const std::string where =
      absl::StrCat("--listen ", Quoted(config.listen),
                   " is reached by others than this machine: ");
  if (!config.tokens.empty()) {
    return Wrong(absl::StrCat(
        where,
        "--tokens needs --tls-cert FILE --tls-key FILE there, as tokens in "
        "plaintext are everybody's; --insecure-plaintext does not allow that"));
  }
  if (!config.insecure_plaintext) {
    return Wrong(absl::StrCat(
        where,
        "give --tls-cert FILE --tls-key FILE for TLS, or say "
        "--insecure-plaintext where the network is trusted; --listen "
        "localhost:PORT needs neither"));
  }
  return absl::OkStatus();
}

absl::Status ValidateRegistry(const Config& config) {
  const bool has_ca = !config.registry_ca.empty();
  for (const auto& [flag, value] :
       {std::pair{"--registry-ca", &config.registry_ca},
        std::pair{"--registry-cert", &config.registry_cert},
        std::pair{"--registry-key", &config.registry_key},
        std::pair{"--registry-token-file", &config.registry_token_file},
        std::pair{"--registry-server-name", &config.registry_server_name}}) {
    if (!value->empty() && config.registry.empty()) {
      return Wrong(absl::StrCat(flag, " needs --registry HOST:PORT"));
    }
  }
  if (config.registry.empty()) {
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(ValidatePair("--registry-cert", config.registry_cert,
                               "--registry-key", config.registry_key));
  if (!has_ca &&
      !(config.registry_cert + config.registry_server_name).empty()) {
    return Wrong(
        "--registry-cert and --registry-server-name need --registry-ca FILE, "
        "which turns TLS on");
  }
  ASSIGN_OR_RETURN(const Endpoint registry,
                   ParseEndpoint("--registry", config.registry));
  if (has_ca || IsLoopback(registry)) {
    return absl::OkStatus();
  }
  if (!config.registry_token_file.empty()) {
    return Wrong(
        "--registry-token-file needs --registry-ca FILE: a token in plaintext "
        "is everybody's");
  }
  if (!config.insecure_plaintext) {
    return Wrong(absl::StrCat(
        "--registry ", Quoted(config.registry),
        " is another machine: give --registry-ca FILE for TLS, or say "
        "--insecure-plaintext where the network is trusted"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidateAccess(const Config& config) {
  RETURN_IF_ERROR(ValidateListener(config));
  return ValidateRegistry(config);
}

}  // namespace resnetd
