#include "tests/support/certificates.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstdlib>
#include <memory>

namespace resnetd {
namespace {

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

void Require(bool done) {
  if (!done) {
    std::abort();
  }
}

std::string TextOf(BIO& bio) {
  const char* data = nullptr;
  const auto size = BIO_get_mem_data(&bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

std::string PemOf(X509& certificate) {
  const Owned<BIO> out(BIO_new(BIO_s_mem()));
  Require(PEM_write_bio_X509(out.get(), &certificate) == 1);
  return TextOf(*out);
}

std::string PemOf(EVP_PKEY& key) {
  const Owned<BIO> out(BIO_new(BIO_s_mem()));
  Require(PEM_write_bio_PrivateKey(out.get(), &key, nullptr, nullptr, 0,
                                   nullptr, nullptr) == 1);
  return TextOf(*out);
}

Owned<EVP_PKEY> NewKey(int rsa_bits) {
  Owned<EVP_PKEY> key(rsa_bits == 0
                          ? EVP_EC_gen("P-256")
                          : EVP_RSA_gen(static_cast<unsigned>(rsa_bits)));
  Require(key != nullptr);
  return key;
}

void AddExtension(X509& certificate, X509& issuer, int kind,
                  const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, &issuer, &certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension =
      X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
  Require(extension != nullptr &&
          X509_add_ext(&certificate, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

// What all certificates have; the issuer may be the certificate itself.
Owned<X509> NewCertificate(const TestSubject& subject, EVP_PKEY& key) {
  static int serial = 1;
  Owned<X509> certificate(X509_new());
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()),
                  subject.begin.count());
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), subject.end.count());
  X509_set_pubkey(certificate.get(), &key);
  X509_NAME_add_entry_by_txt(
      X509_get_subject_name(certificate.get()), "CN", MBSTRING_ASC,
      reinterpret_cast<const unsigned char*>(subject.common_name.c_str()), -1,
      -1, 0);
  return certificate;
}

}  // namespace

TestAuthority::TestAuthority(const std::string& name) {
  const Owned<EVP_PKEY> key = NewKey(0);
  const Owned<X509> certificate =
      NewCertificate({.common_name = name, .names = {}}, *key);
  X509_set_issuer_name(certificate.get(),
                       X509_get_subject_name(certificate.get()));
  AddExtension(*certificate, *certificate, NID_basic_constraints,
               "critical,CA:TRUE");
  AddExtension(*certificate, *certificate, NID_key_usage,
               "critical,keyCertSign,cRLSign");
  Require(X509_sign(certificate.get(), key.get(), EVP_sha256()) != 0);
  own_ = {.certificate = PemOf(*certificate), .key = PemOf(*key)};
}

TestCertificate TestAuthority::Issue(const TestSubject& subject) const {
  const Owned<BIO> certificate_in(BIO_new_mem_buf(
      own_.certificate.data(), static_cast<int>(own_.certificate.size())));
  const Owned<X509> issuer(
      PEM_read_bio_X509(certificate_in.get(), nullptr, nullptr, nullptr));
  const Owned<BIO> key_in(
      BIO_new_mem_buf(own_.key.data(), static_cast<int>(own_.key.size())));
  const Owned<EVP_PKEY> issuer_key(
      PEM_read_bio_PrivateKey(key_in.get(), nullptr, nullptr, nullptr));
  const Owned<EVP_PKEY> key = NewKey(subject.rsa_bits);
  const Owned<X509> certificate = NewCertificate(subject, *key);
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(issuer.get()));
  std::string names;
  for (const std::string& name : subject.names) {
    names += (names.empty() ? "" : ",") + name;
  }
  if (!names.empty()) {
    AddExtension(*certificate, *issuer, NID_subject_alt_name, names);
  }
  Require(X509_sign(certificate.get(), issuer_key.get(), EVP_sha256()) != 0);
  return {.certificate = PemOf(*certificate), .key = PemOf(*key)};
}

}  // namespace resnetd
