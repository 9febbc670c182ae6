#include "server/app/credential_files.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/app/access_file.h"
#include "server/base/log.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"

namespace resnetd {
namespace {

constexpr std::size_t kMaxShownPath = 256;

std::vector<FileStamp> StampsOf(const std::vector<std::string>& paths) {
  std::vector<FileStamp> stamps;
  stamps.reserve(paths.size());
  for (const std::string& path : paths) {
    stamps.push_back(StampOf(path));
  }
  return stamps;
}

}  // namespace

CredentialFiles::CredentialFiles(const Config& config, const Clock& clock,
                                 CredentialMetrics& metrics)
    : config_(config),
      clock_(clock),
      metrics_(metrics),
      looked_(clock.WallNow()) {
  if (!config_.tls_cert.empty()) {
    tls_files_.paths = {config_.tls_cert, config_.tls_key};
    if (!config_.tls_client_ca.empty()) {
      tls_files_.paths.push_back(config_.tls_client_ca);
    }
  }
  if (!config_.tokens.empty()) {
    token_files_.paths = {config_.tokens};
  }
}

absl::StatusOr<std::unique_ptr<CredentialFiles>> CredentialFiles::Load(
    const Config& config, const Clock& clock, CredentialMetrics& metrics) {
  std::unique_ptr<CredentialFiles> files(
      new CredentialFiles(config, clock, metrics));
  // Before they are read: a change while they are is seen later.
  Look(files->tls_files_);
  Look(files->token_files_);
  if (!config.tls_cert.empty()) {
    ASSIGN_OR_RETURN(TlsMaterial material, files->ReadTls());
    files->tls_.emplace(std::move(material));
    metrics.InForce(CredentialKind::kCertificate);
    metrics.SetExpiry(CredentialKind::kCertificate, files->facts_.not_after);
    Log(LogLevel::kInfo, "TLS is on",
        {{"certificate", files->facts_.common_name},
         {"not_after", FormatUtc(files->facts_.not_after)},
         {"client_certificates",
          files->tls_->asks_clients() ? "required" : "not asked for"}});
  }
  if (!config.tokens.empty()) {
    ASSIGN_OR_RETURN(AccessList list, files->ReadTokens());
    files->access_.emplace(std::move(list));
    metrics.InForce(CredentialKind::kTokens);
  } else if (!config.tls_client_ca.empty()) {
    files->access_.emplace();
    Log(LogLevel::kWarning,
        "--tls-client-ca without --tokens: every client with a certificate "
        "may do everything");
  }
  return files;
}

void CredentialFiles::Look(Watched& watched) {
  watched.read = StampsOf(watched.paths);
  watched.seen = watched.read;
}

bool CredentialFiles::HasSettled(Watched& watched) {
  std::vector<FileStamp> now = StampsOf(watched.paths);
  const bool is_still = now == watched.seen;
  watched.seen = now;
  if (!is_still || now == watched.read) {
    return false;
  }
  watched.read = std::move(now);
  return true;
}

bool CredentialFiles::Refresh() {
  const WallTime before = std::exchange(looked_, clock_.WallNow());
  // Of the list that was in force until now.
  const bool has_ended = access_ && access_->EndsBetween(before, looked_);
  RefreshTls();
  return RefreshTokens() || has_ended;
}

void CredentialFiles::RefreshTls() {
  if (!HasSettled(tls_files_)) {
    return;
  }
  absl::StatusOr<TlsMaterial> material = ReadTls();
  const absl::Status outcome = material.status();
  if (outcome.ok()) {
    tls_->Replace(*std::move(material));
    metrics_.SetExpiry(CredentialKind::kCertificate, facts_.not_after);
  }
  Report(CredentialKind::kCertificate, outcome);
}

bool CredentialFiles::RefreshTokens() {
  if (!HasSettled(token_files_)) {
    return false;
  }
  absl::StatusOr<AccessList> list = ReadTokens();
  const absl::Status outcome = list.status();
  if (outcome.ok()) {
    access_->Replace(*std::move(list));
  }
  Report(CredentialKind::kTokens, outcome);
  return outcome.ok();
}

absl::StatusOr<TlsMaterial> CredentialFiles::ReadTls() {
  const auto now = clock_.WallNow();
  ASSIGN_OR_RETURN(PemText chain,
                   ReadPem("--tls-cert", config_.tls_cert, Secrecy::kPublic));
  ASSIGN_OR_RETURN(PemText key,
                   ReadPem("--tls-key", config_.tls_key, Secrecy::kSecret));
  ASSIGN_OR_RETURN(CertificateFacts facts, CheckKeyPair(chain, key, now));
  TlsMaterial material{.certificates = std::move(chain.text),
                       .key = std::move(key.text)};
  if (!config_.tls_client_ca.empty()) {
    ASSIGN_OR_RETURN(
        PemText authorities,
        ReadPem("--tls-client-ca", config_.tls_client_ca, Secrecy::kPublic));
    RETURN_IF_ERROR(CheckAuthorities(authorities, now));
    material.client_authorities = std::move(authorities.text);
  }
  facts_ = std::move(facts);
  return material;
}

absl::StatusOr<AccessList> CredentialFiles::ReadTokens() const {
  ASSIGN_OR_RETURN(const std::string text,
                   ReadNamedFile("--tokens", config_.tokens,
                                 kMaxAccessFileBytes, Secrecy::kSecret));
  ASSIGN_OR_RETURN(
      std::vector<Grant> grants,
      ParseAccessFile(text, absl::StrCat("--tokens ", Quoted(config_.tokens,
                                                             kMaxShownPath))));
  if (grants.empty()) {
    Log(LogLevel::kWarning, "--tokens lets nobody in: it has no entry");
  }
  return AccessList(std::move(grants));
}

void CredentialFiles::Report(CredentialKind kind,
                             const absl::Status& outcome) const {
  metrics_.Reloaded(kind, outcome);
  const char* const what = kind == CredentialKind::kTokens ? "tokens" : "tls";
  if (outcome.ok()) {
    Log(LogLevel::kInfo, "credentials were read again", {{"what", what}});
  } else {
    Log(LogLevel::kError,
        "changed credentials cannot be used: what was in force stays",
        {{"what", what}, {"error", std::string(outcome.message())}});
  }
}

}  // namespace resnetd
