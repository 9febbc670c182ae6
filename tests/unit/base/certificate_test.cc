#include "server/base/certificate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <chrono>
#include <string>

#include "tests/support/certificates.h"

namespace resnetd {
namespace {

using std::chrono::hours;
using std::chrono::system_clock;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

PemText Chain(const std::string& text) {
  return {.origin = "--tls-cert", .text = text};
}
PemText Key(const std::string& text) {
  return {.origin = "--tls-key", .text = text};
}

std::string ErrorOf(const std::string& chain, const std::string& key,
                    system_clock::time_point now = system_clock::now()) {
  const auto facts = CheckKeyPair(Chain(chain), Key(key), now);
  EXPECT_EQ(facts.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(facts.status().message());
}

TEST(CheckKeyPairTest, TellsWhatTheCertificateSays) {
  const TestCertificate one = TestAuthority("ca").Issue(
      {.common_name = "resnetd",
       .names = {"DNS:a.example", "URI:spiffe://x/y", "IP:127.0.0.1"}});
  const auto facts =
      CheckKeyPair(Chain(one.certificate), Key(one.key), system_clock::now());
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_EQ(facts->common_name, "resnetd");
  EXPECT_THAT(facts->names, ElementsAre("a.example", "spiffe://x/y"));
  EXPECT_LT(facts->not_before, system_clock::now());
  EXPECT_GT(facts->not_after, system_clock::now() + hours(23));
}

TEST(CheckKeyPairTest, RefusesTheKeyOfAnotherCertificate) {
  const TestAuthority authority("ca");
  const std::string error =
      ErrorOf(authority.Issue().certificate, authority.Issue().key);
  EXPECT_THAT(error, HasSubstr("--tls-key is not the key of"));
  EXPECT_THAT(error, HasSubstr("--tls-cert"));
}

TEST(CheckKeyPairTest, RefusesWhatIsNoPem) {
  const TestCertificate one = TestAuthority("ca").Issue();
  EXPECT_THAT(ErrorOf("text", one.key),
              HasSubstr("--tls-cert holds no certificate"));
  EXPECT_THAT(ErrorOf("", one.key), HasSubstr("holds no certificate"));
  EXPECT_THAT(ErrorOf(one.certificate, "text"),
              HasSubstr("--tls-key holds no private key"));
  // The files were mixed up.
  EXPECT_THAT(ErrorOf(one.key, one.certificate),
              HasSubstr("holds no certificate"));
}

TEST(CheckKeyPairTest, RefusesACertificateOutOfItsTimeToTheSecond) {
  const auto issued = system_clock::now();
  const TestCertificate one =
      TestAuthority("ca").Issue({.begin = hours(-1), .end = hours(1)});
  const auto at = [&](system_clock::time_point now) {
    return CheckKeyPair(Chain(one.certificate), Key(one.key), now).status();
  };
  EXPECT_TRUE(at(issued + std::chrono::minutes(59)).ok());
  EXPECT_THAT(std::string(at(issued + std::chrono::minutes(61)).message()),
              HasSubstr("--tls-cert expired on 2"));
  EXPECT_TRUE(at(issued - std::chrono::minutes(59)).ok());
  EXPECT_THAT(std::string(at(issued - std::chrono::minutes(61)).message()),
              HasSubstr("is not valid before 2"));
}

TEST(CheckKeyPairTest, RefusesAKeyThatEveryHandshakeWouldRefuse) {
  const TestAuthority authority("ca");
  const TestCertificate weak = authority.Issue({.rsa_bits = 1024});
  EXPECT_THAT(ErrorOf(weak.certificate, weak.key),
              HasSubstr("is too short: 1024 bits"));
  const TestCertificate good = authority.Issue({.rsa_bits = 2048});
  EXPECT_TRUE(
      CheckKeyPair(Chain(good.certificate), Key(good.key), system_clock::now())
          .ok());
}

TEST(CheckKeyPairTest, RefusesAKeyBehindAPassphrase) {
  const TestCertificate one = TestAuthority("ca").Issue();
  BIO* const in =
      BIO_new_mem_buf(one.key.data(), static_cast<int>(one.key.size()));
  EVP_PKEY* const key = PEM_read_bio_PrivateKey(in, nullptr, nullptr, nullptr);
  BIO* const out = BIO_new(BIO_s_mem());
  std::string phrase = "secret";
  ASSERT_EQ(PEM_write_bio_PrivateKey(
                out, key, EVP_aes_128_cbc(),
                reinterpret_cast<unsigned char*>(phrase.data()),
                static_cast<int>(phrase.size()), nullptr, nullptr),
            1);
  const char* data = nullptr;
  const auto size = static_cast<std::size_t>(BIO_get_mem_data(out, &data));
  const std::string locked(data, size);
  BIO_free(in);
  BIO_free(out);
  EVP_PKEY_free(key);
  EXPECT_THAT(ErrorOf(one.certificate, locked), HasSubstr("by a passphrase"));
}

TEST(CheckKeyPairTest, NoErrorHoldsAnythingOfTheKey) {
  const TestAuthority authority("ca");
  const std::string key = authority.Issue().key;
  const std::string error = ErrorOf(authority.Issue().certificate, key);
  // The second line of PEM is the beginning of the key itself.
  EXPECT_THAT(error, Not(HasSubstr(key.substr(key.find('\n') + 1, 16))));
}

TEST(CheckAuthoritiesTest, TakesABundleWithOneThatIsValid) {
  const auto now = system_clock::now();
  const std::string valid = TestAuthority("a").certificate();
  const std::string old = TestAuthority("b")
                              .Issue({.begin = hours(-9), .end = hours(-1)})
                              .certificate;
  EXPECT_TRUE(CheckAuthorities({.origin = "ca", .text = valid}, now).ok());
  EXPECT_TRUE(
      CheckAuthorities({.origin = "ca", .text = old + valid}, now).ok());
  EXPECT_THAT(
      std::string(
          CheckAuthorities({.origin = "ca", .text = old}, now).message()),
      HasSubstr("ca expired on"));
  EXPECT_THAT(
      std::string(
          CheckAuthorities({.origin = "ca", .text = ""}, now).message()),
      HasSubstr("ca holds no certificate"));
}

TEST(FormatUtcTest, IsReadByPeople) {
  EXPECT_EQ(FormatUtc(system_clock::time_point(std::chrono::seconds(0))),
            "1970-01-01 00:00:00 UTC");
}

}  // namespace
}  // namespace resnetd
