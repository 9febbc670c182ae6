#include "client/credentials.h"

#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "client/error_info.h"
#include "server/base/certificate.h"
#include "server/base/mutex.h"
#include "server/base/quote.h"
#include "server/base/secret_file.h"
#include "server/base/status_macros.h"

namespace resnetd::client {
namespace {

constexpr std::size_t kMaxTokenBytes = 4096;
constexpr unsigned int kWatchSeconds = 5;

absl::Status Bad(absl::string_view text) {
  return ClientError(absl::StatusCode::kInvalidArgument, kReasonBadCredentials,
                     text);
}

absl::StatusOr<PemText> ReadFile(absl::string_view what,
                                 const std::string& path, Secrecy secrecy) {
  absl::StatusOr<PemText> pem = ReadPem(what, path, secrecy);
  return pem.ok() ? std::move(pem) : Bad(pem.status().message());
}

absl::StatusOr<std::string> CheckToken(absl::string_view text,
                                       absl::string_view origin) {
  const absl::string_view token = absl::StripAsciiWhitespace(text);
  if (token.empty() || !std::all_of(token.begin(), token.end(), [](char c) {
        return c > ' ' && c < '\x7f';
      })) {
    return Bad(
        absl::StrCat(origin, " holds no token: one line of visible ASCII"));
  }
  return std::string(token);
}

absl::StatusOr<std::string> ReadToken(const std::string& path) {
  const absl::StatusOr<std::string> text =
      ReadNamedFile("token file", path, kMaxTokenBytes, Secrecy::kSecret);
  if (!text.ok()) {
    return Bad(text.status().message());
  }
  return CheckToken(*text, absl::StrCat("token file ", Quoted(path, 256)));
}

// Puts the token into each call. Thread-safe.
class TokenPlugin final : public grpc::MetadataCredentialsPlugin {
 public:
  // An empty path: the token never changes.
  TokenPlugin(std::string path, std::string token)
      : path_(std::move(path)),
        stamp_(StampOf(path_)),
        token_(std::move(token)) {}

  bool IsBlocking() const override { return false; }
  const char* GetType() const override { return "resnetd-token"; }
  grpc::string DebugString() override { return "resnetd-token"; }

  grpc::Status GetMetadata(
      grpc::string_ref /*service_url*/, grpc::string_ref /*method_name*/,
      const grpc::AuthContext& /*channel_auth_context*/,
      std::multimap<grpc::string, grpc::string>* metadata) override
      ABSL_LOCKS_EXCLUDED(mutex_) {
    metadata->emplace("authorization", absl::StrCat("Bearer ", Token()));
    return grpc::Status::OK;
  }

 private:
  std::string Token() ABSL_LOCKS_EXCLUDED(mutex_) {
    const MutexLock lock(mutex_);
    if (path_.empty()) {
      return token_;
    }
    // A file that is away, or half written, leaves the token as it was.
    if (const FileStamp stamp = StampOf(path_); !(stamp == stamp_)) {
      if (absl::StatusOr<std::string> token = ReadToken(path_); token.ok()) {
        token_ = *std::move(token);
        stamp_ = stamp;
      }
    }
    return token_;
  }

  const std::string path_;
  Mutex mutex_;
  FileStamp stamp_ ABSL_GUARDED_BY(mutex_);
  std::string token_ ABSL_GUARDED_BY(mutex_);
};

// Nothing: no token is asked for.
absl::StatusOr<std::unique_ptr<TokenPlugin>> MakeToken(
    const SecurityOptions& options) {
  if (options.token_file.empty() && options.token.empty()) {
    return nullptr;
  }
  if (!options.token_file.empty() && !options.token.empty()) {
    return Bad("a token and a token file are given: one of both is enough");
  }
  ASSIGN_OR_RETURN(std::string token,
                   options.token_file.empty()
                       ? CheckToken(options.token, "the token given")
                       : ReadToken(options.token_file));
  return std::make_unique<TokenPlugin>(options.token_file, std::move(token));
}

absl::Status CheckFiles(const SecurityOptions& options) {
  const auto now = std::chrono::system_clock::now();
  if (options.certificate_file.empty() != options.key_file.empty()) {
    return Bad("a client's certificate and its key are given together");
  }
  if (!options.ca_file.empty()) {
    ASSIGN_OR_RETURN(const PemText ca,
                     ReadFile("CA file", options.ca_file, Secrecy::kPublic));
    if (const absl::Status status = CheckAuthorities(ca, now); !status.ok()) {
      return Bad(status.message());
    }
  }
  if (options.certificate_file.empty()) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(
      const PemText chain,
      ReadFile("certificate file", options.certificate_file, Secrecy::kPublic));
  ASSIGN_OR_RETURN(const PemText key,
                   ReadFile("key file", options.key_file, Secrecy::kSecret));
  const absl::Status status = CheckKeyPair(chain, key, now).status();
  return status.ok() ? status : Bad(status.message());
}

// Files are watched by gRPC, so that a client that lives longer than its
// certificate goes on with the next one.
std::shared_ptr<grpc::ChannelCredentials> MakeTls(
    const SecurityOptions& options) {
  if (options.ca_file.empty() && options.certificate_file.empty()) {
    return grpc::SslCredentials({});
  }
  grpc::experimental::TlsChannelCredentialsOptions tls;
  tls.set_certificate_provider(
      std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
          options.key_file, options.certificate_file, options.ca_file,
          kWatchSeconds));
  if (!options.ca_file.empty()) {
    tls.watch_root_certs();
  }
  if (!options.certificate_file.empty()) {
    tls.watch_identity_key_cert_pairs();
  }
  return grpc::experimental::TlsCredentials(tls);
}

}  // namespace

absl::StatusOr<ChannelSecurity> MakeSecurity(const SecurityOptions& options,
                                             const Target& target) {
  ASSIGN_OR_RETURN(std::unique_ptr<TokenPlugin> token, MakeToken(options));
  ChannelSecurity security{.credentials = {},
                           .server_name = options.server_name,
                           .is_tls = options.uses_tls()};
  if (security.is_tls) {
    RETURN_IF_ERROR(CheckFiles(options));
    if (target.list.size() > 1 && options.server_name.empty()) {
      return Bad(absl::StrCat("the certificates of ", target.shown,
                              " need a name in common, given as the server "
                              "name (--server-name)"));
    }
    security.credentials = MakeTls(options);
    if (token != nullptr) {
      security.credentials = grpc::CompositeChannelCredentials(
          security.credentials,
          grpc::MetadataCredentialsFromPlugin(std::move(token)));
    }
    return security;
  }
  if (!options.server_name.empty()) {
    return Bad("a server name needs TLS, which checks it");
  }
  if (token == nullptr) {
    return Plaintext();
  }
  if (!target.local) {
    return Bad(absl::StrCat("a token for ", target.shown,
                            " needs TLS: in plaintext it is everybody's "
                            "(--tls, or --ca FILE)"));
  }
  // These look where a connection really goes, and refuse other machines.
  const auto local = grpc::experimental::LocalCredentials(
      absl::StartsWith(target.grpc, "unix") ? UDS : LOCAL_TCP);
  security.credentials = grpc::CompositeChannelCredentials(
      local, grpc::experimental::MetadataCredentialsFromPlugin(
                 std::move(token), GRPC_SECURITY_NONE));
  return security;
}

ChannelSecurity Plaintext() {
  return {.credentials = grpc::InsecureChannelCredentials(),
          .server_name = {},
          .is_tls = false};
}

}  // namespace resnetd::client
