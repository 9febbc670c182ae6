#include "server/base/certificate.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <ctime>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/status_macros.h"

namespace resnetd {
namespace {

using WallTime = std::chrono::system_clock::time_point;

// Of OpenSSL's security level 2, Debian's default: with less, every handshake
// would fail.
constexpr int kLeastSecurityBits = 112;
// A bundle of a distribution has some 150.
constexpr int kMaxAuthorities = 10'000;

// Frees what OpenSSL made.
struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

absl::Status Invalid(absl::string_view origin, absl::string_view text) {
  return Error(absl::StatusCode::kInvalidArgument, Reason::kRequestInvalid,
               absl::StrCat(origin, " ", text));
}

Owned<BIO> Reader(const PemText& pem) {
  return Owned<BIO>(
      BIO_new_mem_buf(pem.text.data(), static_cast<int>(pem.text.size())));
}

// The next one; null: there is none.
Owned<X509> NextCertificate(BIO& in) {
  Owned<X509> certificate(PEM_read_bio_X509(&in, nullptr, nullptr, nullptr));
  // The end of the text is an error to OpenSSL, and errors wait in the thread.
  ERR_clear_error();
  return certificate;
}

absl::StatusOr<WallTime> ToTime(const ASN1_TIME& time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(&time, &parts) != 1) {
    return absl::InvalidArgumentError("no time");
  }
  return WallTime(std::chrono::seconds(timegm(&parts)));
}

absl::StatusOr<CertificateFacts> ReadFacts(X509& certificate,
                                           absl::string_view origin) {
  const auto begin = ToTime(*X509_get0_notBefore(&certificate));
  const auto end = ToTime(*X509_get0_notAfter(&certificate));
  if (!begin.ok() || !end.ok()) {
    return Invalid(origin, "holds a certificate without a valid time");
  }
  CertificateFacts facts{.not_before = *begin, .not_after = *end};
  char name[256] = {};
  if (X509_NAME_get_text_by_NID(X509_get_subject_name(&certificate),
                                NID_commonName, name, sizeof(name)) > 0) {
    facts.common_name = name;
  }
  const Owned<GENERAL_NAMES> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)));
  const int count = names == nullptr ? 0 : sk_GENERAL_NAME_num(names.get());
  for (int i = 0; i < count; ++i) {
    const GENERAL_NAME* const one = sk_GENERAL_NAME_value(names.get(), i);
    if (one->type != GEN_DNS && one->type != GEN_URI) {
      continue;
    }
    // Both are of this type in the union.
    const ASN1_IA5STRING* const text = one->d.ia5;
    facts.names.emplace_back(
        reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
        static_cast<std::size_t>(ASN1_STRING_length(text)));
  }
  ERR_clear_error();
  return facts;
}

absl::Status CheckTime(const CertificateFacts& facts, absl::string_view origin,
                       WallTime now) {
  if (now > facts.not_after) {
    return Invalid(origin,
                   absl::StrCat("expired on ", FormatUtc(facts.not_after),
                                ": renew the certificate"));
  }
  if (now < facts.not_before) {
    return Invalid(
        origin,
        absl::StrCat("is not valid before ", FormatUtc(facts.not_before),
                     ": is the clock of this machine right? It says ",
                     FormatUtc(now)));
  }
  return absl::OkStatus();
}

// Asked for when a key is encrypted: remembers that, and has none to give.
int NoPassphrase(char* /*out*/, int /*size*/, int /*writing*/, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

absl::StatusOr<Owned<EVP_PKEY>> ReadKey(const PemText& pem) {
  bool is_encrypted = false;
  const Owned<BIO> in = Reader(pem);
  Owned<EVP_PKEY> key(
      PEM_read_bio_PrivateKey(in.get(), nullptr, NoPassphrase, &is_encrypted));
  ERR_clear_error();
  if (is_encrypted) {
    return Invalid(pem.origin,
                   "is protected by a passphrase, which nobody can enter here: "
                   "write it without one (openssl pkey -in KEY -out NEW)");
  }
  if (key == nullptr) {
    return Invalid(pem.origin, "holds no private key in PEM form");
  }
  return key;
}

}  // namespace

std::string FormatUtc(WallTime time) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", absl::FromChrono(time),
                          absl::UTCTimeZone());
}

absl::StatusOr<PemText> ReadPem(absl::string_view flag, const std::string& path,
                                Secrecy secrecy) {
  ASSIGN_OR_RETURN(std::string text,
                   ReadNamedFile(flag, path, kMaxPemBytes, secrecy));
  return PemText{.origin = absl::StrCat(flag, " ", Quoted(path, 256)),
                 .text = std::move(text)};
}

absl::StatusOr<CertificateFacts> CheckKeyPair(const PemText& chain,
                                              const PemText& key,
                                              WallTime now) {
  const Owned<BIO> in = Reader(chain);
  const Owned<X509> certificate = NextCertificate(*in);
  if (certificate == nullptr) {
    return Invalid(chain.origin, "holds no certificate in PEM form");
  }
  ASSIGN_OR_RETURN(const Owned<EVP_PKEY> private_key, ReadKey(key));
  const bool fits =
      X509_check_private_key(certificate.get(), private_key.get()) == 1;
  ERR_clear_error();
  if (!fits) {
    return Invalid(
        key.origin,
        absl::StrCat("is not the key of the first certificate in ",
                     chain.origin,
                     ": only one of both was renewed, or the server's own "
                     "certificate does not come first"));
  }
  if (const int bits = EVP_PKEY_get_security_bits(private_key.get());
      bits < kLeastSecurityBits) {
    return Invalid(
        key.origin,
        absl::StrCat("is too short: ", EVP_PKEY_get_bits(private_key.get()),
                     " bits; make one of RSA with 2048 bits or "
                     "more, or of an elliptic curve"));
  }
  ASSIGN_OR_RETURN(CertificateFacts facts,
                   ReadFacts(*certificate, chain.origin));
  RETURN_IF_ERROR(CheckTime(facts, chain.origin, now));
  return facts;
}

absl::Status CheckAuthorities(const PemText& authorities, WallTime now) {
  const Owned<BIO> in = Reader(authorities);
  absl::Status problem =
      Invalid(authorities.origin, "holds no certificate in PEM form");
  for (int i = 0; i < kMaxAuthorities; ++i) {
    const Owned<X509> certificate = NextCertificate(*in);
    if (certificate == nullptr) {
      return problem;
    }
    ASSIGN_OR_RETURN(const CertificateFacts facts,
                     ReadFacts(*certificate, authorities.origin));
    problem = CheckTime(facts, authorities.origin, now);
    if (problem.ok()) {
      return absl::OkStatus();
    }
  }
  return problem;
}

}  // namespace resnetd
