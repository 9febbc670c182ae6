#include "server/rpc/access.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/base/bytes.h"
#include "server/base/certificate.h"
#include "server/base/error.h"
#include "server/base/quote.h"
#include "server/base/sha256.h"
#include "server/base/status_macros.h"

namespace resnetd {
namespace {

using WallTime = std::chrono::system_clock::time_point;

constexpr std::array<std::pair<Role, absl::string_view>, 5> kRoles = {{
    {Role::kViewer, "viewer"},
    {Role::kClassifier, "classifier"},
    {Role::kTrainer, "trainer"},
    {Role::kOperator, "operator"},
    {Role::kReplica, "replica"},
}};

// Ours have 51 bytes; those of others may be longer.
constexpr std::size_t kMaxTokenBytes = 1024;

absl::Status Refused(Reason reason, absl::string_view text) {
  return Error(absl::StatusCode::kUnauthenticated, reason, text);
}

absl::Status UnknownToken() {
  return Refused(Reason::kCredentialsWrong,
                 "the token is not one that this server knows");
}

// Looks at every byte, so that its time tells nothing of where two differ.
bool EqualInConstantTime(absl::string_view a, absl::string_view b) {
  if (a.size() != b.size()) {
    return false;
  }
  volatile unsigned char difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference = static_cast<unsigned char>(
        difference | static_cast<unsigned char>(a[i] ^ b[i]));
  }
  return difference == 0;
}

absl::StatusOr<Principal> PrincipalOf(const Grant& grant, WallTime now) {
  if (grant.not_after && now >= *grant.not_after) {
    const std::string when = FormatUtc(*grant.not_after);
    return Error(absl::StatusCode::kUnauthenticated,
                 Reason::kCredentialsExpired,
                 absl::StrCat("what was granted to ", Quoted(grant.name),
                              " ended on ", when,
                              ": ask the operator for a new token"))
        .Metadata("not_after", when);
  }
  return Principal{.name = grant.name, .role = grant.role};
}

// Without a list.
absl::StatusOr<Principal> OfAnyCertificate(
    const std::vector<std::string>& names) {
  if (names.empty()) {
    return Refused(Reason::kCredentialsMissing,
                   "the client's certificate has no name");
  }
  return Principal{.name = names.front(), .role = Role::kOperator};
}

}  // namespace

absl::string_view RoleName(Role role) {
  for (const auto& [known, name] : kRoles) {
    if (known == role) {
      return name;
    }
  }
  return "";
}

std::optional<Role> ParseRole(absl::string_view name) {
  for (const auto& [role, known] : kRoles) {
    if (known == name) {
      return role;
    }
  }
  return std::nullopt;
}

bool Includes(Role has, Role needed) {
  switch (has) {
    case Role::kOperator:
      return true;
    case Role::kReplica:
      return needed == Role::kReplica || needed == Role::kViewer;
    case Role::kTrainer:
      return needed == Role::kTrainer || Includes(Role::kClassifier, needed);
    case Role::kClassifier:
      return needed == Role::kClassifier || Includes(Role::kViewer, needed);
    case Role::kViewer:
      return needed == Role::kViewer;
  }
  return false;
}

absl::StatusOr<Proof> ProofOf(Credentials credentials) {
  if (credentials.authorization.size() > 1) {
    return Refused(Reason::kCredentialsWrong,
                   "the call brings more than one authorization");
  }
  Proof proof = {.certificate_names = std::move(credentials.certificate_names)};
  if (credentials.authorization.empty()) {
    if (proof.certificate_names.empty()) {
      return Refused(Reason::kCredentialsMissing,
                     "the server asks for credentials: send a token as "
                     "metadata \"authorization: Bearer TOKEN\" (resnetctl "
                     "--token-file)");
    }
    return proof;
  }
  constexpr absl::string_view kScheme = "bearer ";
  const absl::string_view authorization = credentials.authorization.front();
  if (!absl::StartsWithIgnoreCase(authorization, kScheme)) {
    return Refused(Reason::kCredentialsWrong,
                   "the authorization is not of the form \"Bearer TOKEN\"");
  }
  const absl::string_view token = authorization.substr(kScheme.size());
  if (token.size() > kMaxTokenBytes) {
    return UnknownToken();
  }
  proof.token_sha256 = Sha256Hex(AsBytes(token));
  return proof;
}

absl::StatusOr<Principal> AccessList::Identify(const Credentials& credentials,
                                               WallTime now) const {
  ASSIGN_OR_RETURN(const Proof proof, ProofOf(credentials));
  return IdentifyProof(proof, now);
}

absl::StatusOr<Principal> AccessList::IdentifyProof(const Proof& proof,
                                                    WallTime now) const {
  return proof.token_sha256.empty()
             ? OfCertificate(proof.certificate_names, now)
             : OfToken(proof.token_sha256, now);
}

bool AccessList::EndsBetween(WallTime from, WallTime to) const {
  return std::any_of(grants_.begin(), grants_.end(), [&](const Grant& grant) {
    return grant.not_after && *grant.not_after > from && *grant.not_after <= to;
  });
}

absl::StatusOr<Principal> AccessList::OfToken(absl::string_view sha256,
                                              WallTime now) const {
  const Grant* found = nullptr;
  for (const Grant& grant : grants_) {
    if (!grant.token_sha256.empty() &&
        EqualInConstantTime(grant.token_sha256, sha256)) {
      found = &grant;
    }
  }
  if (found == nullptr) {
    return UnknownToken();
  }
  return PrincipalOf(*found, now);
}

absl::StatusOr<Principal> AccessList::OfCertificate(
    const std::vector<std::string>& names, WallTime now) const {
  for (const std::string& name : names) {
    for (const Grant& grant : grants_) {
      if (!grant.certificate.empty() && grant.certificate == name) {
        return PrincipalOf(grant, now);
      }
    }
  }
  return Refused(Reason::kCredentialsWrong,
                 absl::StrCat("nothing is granted to the certificate of ",
                              Quoted(names.front())));
}

void AccessControl::Replace(AccessList list) {
  auto next = std::make_shared<const AccessList>(std::move(list));
  const MutexLock lock(mutex_);
  list_.swap(next);
}

std::shared_ptr<const AccessList> AccessControl::list() const {
  const MutexLock lock(mutex_);
  return list_;
}

absl::StatusOr<Principal> AccessControl::Identify(
    const Credentials& credentials, WallTime now) const {
  const auto list = this->list();
  return list == nullptr ? OfAnyCertificate(credentials.certificate_names)
                         : list->Identify(credentials, now);
}

absl::StatusOr<Principal> AccessControl::IdentifyProof(const Proof& proof,
                                                       WallTime now) const {
  const auto list = this->list();
  return list == nullptr ? OfAnyCertificate(proof.certificate_names)
                         : list->IdentifyProof(proof, now);
}

bool AccessControl::EndsBetween(WallTime from, WallTime to) const {
  const auto list = this->list();
  return list != nullptr && list->EndsBetween(from, to);
}

absl::Status CheckRole(const Principal& principal, absl::string_view method,
                       std::optional<Role> needed) {
  if (needed && Includes(principal.role, *needed)) {
    return absl::OkStatus();
  }
  const absl::string_view wanted = needed ? RoleName(*needed) : "none";
  return Error(absl::StatusCode::kPermissionDenied, Reason::kRoleMissing,
               absl::StrCat(Quoted(principal.name), " has the role ",
                            RoleName(principal.role), "; ", method, " needs ",
                            wanted))
      .Metadata("principal", principal.name)
      .Metadata("role", RoleName(principal.role))
      .Metadata("required_role", wanted)
      .Metadata("method", method);
}

}  // namespace resnetd
