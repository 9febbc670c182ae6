#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace resnetd {

// A certificate and its key, PEM.
struct TestCertificate {
  std::string certificate;
  std::string key;
};

struct TestSubject {
  std::string common_name = "server";
  // As OpenSSL writes them: "DNS:localhost", "URI:spiffe://a/b",
  // "IP:127.0.0.1".
  std::vector<std::string> names = {"DNS:localhost", "IP:127.0.0.1"};
  // From now on.
  std::chrono::seconds begin = std::chrono::hours(-1);
  std::chrono::seconds end = std::chrono::hours(24);
  // 0: an elliptic curve; else RSA of so many bits.
  int rsa_bits = 0;
};

// A certificate authority of a test: real certificates, made on the spot. Ends
// the process when OpenSSL cannot.
class TestAuthority {
 public:
  explicit TestAuthority(const std::string& name);

  const std::string& certificate() const { return own_.certificate; }
  TestCertificate Issue(const TestSubject& subject = {}) const;

 private:
  TestCertificate own_;
};

}  // namespace resnetd
