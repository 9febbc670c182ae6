#pragma once

#include <array>
#include <functional>
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

namespace resnetd {

// Told when credentials were read again, of what: "tls" or "tokens". Each may
// be empty.
struct CredentialEvents {
  std::function<void(absl::string_view what, bool is_ok)> reloaded = {};
  // When the certificate in force ends.
  std::function<void(std::chrono::system_clock::time_point)> certificate_ends =
      {};
};

// What the settings say of who may call: certificate, key, authorities of
// clients and tokens, read at start and again when a file changes. What cannot
// be used is logged, and what was in force stays.
//
// Load() and Refresh() from one thread at a time; what tls() and access() give
// is thread-safe.
class CredentialFiles {
 public:
  // INVALID_ARGUMENT: a file cannot be read or used; the text says which, why,
  // and what to change. The clock outlives it.
  static absl::StatusOr<std::unique_ptr<CredentialFiles>> Load(
      const Config& config, const Clock& clock, CredentialEvents events);

  // Null: plaintext.
  const TlsSource* tls() const { return tls_ ? &*tls_ : nullptr; }
  // Null: nobody is asked.
  const AccessControl* access() const { return access_ ? &*access_ : nullptr; }

  // Reads again what has changed since, once it stood still between two calls:
  // files are not replaced all at once.
  void Refresh();

 private:
  // Files that are read together, and how they looked.
  struct Watched {
    std::vector<std::string> paths = {};
    // Of the last reading, and of the last look.
    std::vector<FileStamp> read = {};
    std::vector<FileStamp> seen = {};
  };

  CredentialFiles(const Config& config, const Clock& clock,
                  CredentialEvents events);
  static void Look(Watched& watched);
  static bool HasSettled(Watched& watched);
  absl::StatusOr<TlsMaterial> ReadTls();
  absl::StatusOr<AccessList> ReadTokens() const;
  void TellEnd() const;
  void Report(absl::string_view what, const absl::Status& outcome) const;

  const Config config_;
  const Clock& clock_;
  const CredentialEvents events_;
  Watched tls_files_;
  Watched token_files_;
  // Of the certificate read last.
  CertificateFacts facts_{};
  std::optional<TlsSource> tls_;
  std::optional<AccessControl> access_;
};

}  // namespace resnetd
