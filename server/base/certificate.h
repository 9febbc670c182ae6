#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/base/secret_file.h"

namespace resnetd {

// Text in PEM form and what the errors call it, e.g. "--tls-cert".
struct PemText {
  std::string origin;
  std::string text;
};

// A bundle of all public authorities has a quarter of this.
inline constexpr std::size_t kMaxPemBytes = 1U << 20U;

// The file that a person named by `flag`. Errors of ReadNamedFile().
absl::StatusOr<PemText> ReadPem(absl::string_view flag, const std::string& path,
                                Secrecy secrecy);

// What the first certificate of a chain says.
struct CertificateFacts {
  // The common name; empty: it has none.
  std::string common_name = {};
  // DNS names and URIs it is for, e.g. "spiffe://cluster/ns/a/sa/b".
  std::vector<std::string> names = {};
  std::chrono::system_clock::time_point not_before;
  std::chrono::system_clock::time_point not_after;
};

// Errors of both checks are INVALID_ARGUMENT (REQUEST_INVALID) in plain words,
// for whoever named the files: what is wrong, and what to change. They hold
// nothing of a key.

// The chain and the private key that a server or a client proves itself with.
// Errors: no certificate, no key, a key behind a passphrase, one too short for
// OpenSSL's security level 2 (RSA under 2048 bits), one of another certificate;
// a certificate that has expired, or is not valid yet.
absl::StatusOr<CertificateFacts> CheckKeyPair(
    const PemText& chain, const PemText& key,
    std::chrono::system_clock::time_point now);

// The authorities that others' certificates are checked against: one or more,
// at least one of them valid now.
absl::Status CheckAuthorities(const PemText& authorities,
                              std::chrono::system_clock::time_point now);

// "2026-01-31 12:00:00 UTC".
std::string FormatUtc(std::chrono::system_clock::time_point time);

}  // namespace resnetd
