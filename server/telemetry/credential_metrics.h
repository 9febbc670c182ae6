#pragma once

#include <memory>

#include "absl/status/status.h"
#include "server/base/clock.h"

namespace prometheus {
class Registry;
}  // namespace prometheus

namespace resnetd {

// What is read from files to say who talks to whom: the listener's certificate
// with its key and the authorities of clients; the list of tokens.
enum class CredentialKind { kCertificate, kTokens };

// The metrics of credentials. A kind has series from InForce() on: what a
// server does without is absent, not 0. Thread-safe.
class CredentialMetrics {
 public:
  // The registry outlives the metrics.
  static std::unique_ptr<CredentialMetrics> Create(
      prometheus::Registry& registry);
  virtual ~CredentialMetrics() = default;

  // Was read when the server started.
  virtual void InForce(CredentialKind kind) = 0;
  // Changed and was read again: OK, or why it cannot be used and what was there
  // before stays in force.
  virtual void Reloaded(CredentialKind kind, const absl::Status& outcome) = 0;
  // When what is in force ends.
  virtual void SetExpiry(CredentialKind kind, WallTime at) = 0;
};

// Forgets everything, for tests of other modules.
CredentialMetrics& NullCredentialMetrics();

}  // namespace resnetd
