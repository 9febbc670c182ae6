#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/base/mutex.h"

namespace resnetd {

// What a caller may do; resnetd.v1.Role says what each is for.
enum class Role { kViewer, kClassifier, kTrainer, kOperator, kReplica };

// "viewer", "classifier", "trainer", "operator", "replica".
absl::string_view RoleName(Role role);
// Nothing: there is no role of this name.
std::optional<Role> ParseRole(absl::string_view name);
// Whether who has the role `has` may do what needs `needed`.
bool Includes(Role has, Role needed);

// Who is let in, and as what. By a token, or by the certificate that the
// connection was made with: exactly one of both is set.
struct Grant {
  // For limits, the audit and the log. Several grants may have one name and
  // role: the old token and the new one, while clients change over.
  std::string name;
  Role role = Role::kViewer;
  // SHA-256 of the token, lower-case hex.
  std::string token_sha256 = {};
  // A DNS name, a URI or the common name of the certificate.
  std::string certificate = {};
  // From then on it counts no more.
  std::optional<std::chrono::system_clock::time_point> not_after = {};
};

// What a call brought.
struct Credentials {
  // Values of the metadata "authorization".
  std::vector<absl::string_view> authorization = {};
  // Of the client's certificate, which the transport has verified: its URIs,
  // DNS names and, last, its common name. Empty: it has none.
  std::vector<std::string> certificate_names = {};
};

// Credentials without their secret: what is kept of a call, to ask again
// whether it may go on. A plain value.
struct Proof {
  // Of the token, lower-case hex; empty: the certificate decides.
  std::string token_sha256 = {};
  std::vector<std::string> certificate_names = {};
};

// Who calls.
struct Principal {
  std::string name;
  Role role = Role::kViewer;
};

// What `credentials` prove. UNAUTHENTICATED: CREDENTIALS_MISSING,
// CREDENTIALS_WRONG for what can be nobody's. No text says anything of the
// token.
absl::StatusOr<Proof> ProofOf(Credentials credentials);

// Who may call: what is granted, and who a call's credentials belong to.
// Immutable.
class AccessList {
 public:
  explicit AccessList(std::vector<Grant> grants) : grants_(std::move(grants)) {}

  // A token decides alone, where there is one; else the certificate does.
  // Takes the same time for every wrong token.
  // UNAUTHENTICATED: CREDENTIALS_WRONG, CREDENTIALS_EXPIRED, and of the
  // credentials also the errors of ProofOf().
  absl::StatusOr<Principal> IdentifyProof(
      const Proof& proof, std::chrono::system_clock::time_point now) const;
  absl::StatusOr<Principal> Identify(
      const Credentials& credentials,
      std::chrono::system_clock::time_point now) const;

  // Whether some grant ends after `from`, and at `to` or before.
  bool EndsBetween(std::chrono::system_clock::time_point from,
                   std::chrono::system_clock::time_point to) const;

 private:
  absl::StatusOr<Principal> OfToken(
      absl::string_view sha256,
      std::chrono::system_clock::time_point now) const;
  absl::StatusOr<Principal> OfCertificate(
      const std::vector<std::string>& names,
      std::chrono::system_clock::time_point now) const;

  const std::vector<Grant> grants_;
};

// The AccessList in force, which may be replaced while calls come in.
// Thread-safe.
class AccessControl {
 public:
  // Without a list, every client with a certificate that the transport let in
  // is an operator of that name.
  AccessControl() = default;
  explicit AccessControl(AccessList list)
      : list_(std::make_shared<const AccessList>(std::move(list))) {}

  void Replace(AccessList list) ABSL_LOCKS_EXCLUDED(mutex_);
  // As AccessList has them.
  absl::StatusOr<Principal> IdentifyProof(
      const Proof& proof, std::chrono::system_clock::time_point now) const
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<Principal> Identify(const Credentials& credentials,
                                     std::chrono::system_clock::time_point now)
      const ABSL_LOCKS_EXCLUDED(mutex_);
  bool EndsBetween(std::chrono::system_clock::time_point from,
                   std::chrono::system_clock::time_point to) const
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // Null: there is none.
  std::shared_ptr<const AccessList> list() const ABSL_LOCKS_EXCLUDED(mutex_);

  mutable Mutex mutex_;
  std::shared_ptr<const AccessList> list_ ABSL_GUARDED_BY(mutex_);
};

// PERMISSION_DENIED (ROLE_MISSING), unless the role of `principal` includes
// what the method needs; nobody may call a method that needs none.
absl::Status CheckRole(const Principal& principal, absl::string_view method,
                       std::optional<Role> needed);

}  // namespace resnetd
