#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/app/config.h"
#include "server/base/certificate.h"
#include "server/base/clock.h"
#include "server/base/secret_file.h"
#include "server/rpc/access.h"
#include "server/rpc/tls_source.h"
#include "server/telemetry/credential_metrics.h"

namespace resnetd {

// What the settings say of who may call: certificate, key, authorities of
// clients and tokens, read at start and again when a file changes. What cannot
// be used is logged, and what was in force stays.
//
// The metrics have what was read, what could not be used, and when the
// certificate ends.
//
// Load() and Refresh() from one thread at a time; what tls() and access() give
// is thread-safe.
class CredentialFiles {
 public:
  // INVALID_ARGUMENT: a file cannot be read or used; the text says which, why,
  // and what to change. Clock and metrics outlive it.
  static absl::StatusOr<std::unique_ptr<CredentialFiles>> Load(
      const Config& config, const Clock& clock, CredentialMetrics& metrics);

  // Null: plaintext.
  const TlsSource* tls() const { return tls_ ? &*tls_ : nullptr; }
  // Null: nobody is asked.
  const AccessControl* access() const { return access_ ? &*access_ : nullptr; }

  // Reads again what has changed since, once it stood still between two calls:
  // files are not replaced all at once. True: some may call no more, or less,
  // who might at the last look: a grant was taken back, shrank or ended.
  bool Refresh();

 private:
  // Files that are read together, and how they looked.
  struct Watched {
    std::vector<std::string> paths = {};
    // Of the last reading, and of the last look.
    std::vector<FileStamp> read = {};
    std::vector<FileStamp> seen = {};
  };

  CredentialFiles(const Config& config, const Clock& clock,
                  CredentialMetrics& metrics);
  static void Look(Watched& watched);
  static bool HasSettled(Watched& watched);
  absl::StatusOr<TlsMaterial> ReadTls();
  absl::StatusOr<AccessList> ReadTokens() const;
  void RefreshTls();
  // True: there is another list.
  bool RefreshTokens();
  void Report(CredentialKind kind, const absl::Status& outcome) const;

  const Config config_;
  const Clock& clock_;
  CredentialMetrics& metrics_;
  Watched tls_files_;
  Watched token_files_;
  // Of the certificate read last.
  CertificateFacts facts_{};
  // Of the last look.
  WallTime looked_;
  std::optional<TlsSource> tls_;
  std::optional<AccessControl> access_;
};

}  // namespace resnetd
