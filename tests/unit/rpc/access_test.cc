#include "server/rpc/access.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/bytes.h"
#include "server/base/error.h"
#include "server/base/sha256.h"

namespace resnetd {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr char kToken[] = "resnetd_0123456789abcdef";
constexpr char kOldToken[] = "resnetd_fedcba9876543210";
constexpr std::chrono::system_clock::time_point kNow{
    std::chrono::hours(400000)};

std::string DigestOf(absl::string_view token) {
  return Sha256Hex(AsBytes(token));
}

AccessList List() {
  return AccessList({{.name = "ci",
                      .role = Role::kTrainer,
                      .token_sha256 = DigestOf(kToken),
                      .not_after = kNow + std::chrono::seconds(1)},
                     {.name = "old",
                      .role = Role::kOperator,
                      .token_sha256 = DigestOf(kOldToken),
                      .not_after = kNow},
                     {.name = "edge",
                      .role = Role::kClassifier,
                      .certificate = "spiffe://x/edge"}});
}

absl::StatusOr<Principal> With(std::vector<absl::string_view> authorization,
                               std::vector<std::string> names = {}) {
  return List().Identify({.authorization = std::move(authorization),
                          .certificate_names = std::move(names)},
                         kNow);
}

std::string ReasonOf(const absl::StatusOr<Principal>& principal) {
  EXPECT_EQ(principal.status().code(), absl::StatusCode::kUnauthenticated);
  EXPECT_THAT(std::string(principal.status().message()),
              Not(HasSubstr("0123456789abcdef")));
  return DetailsOf(principal.status()).reason;
}

TEST(AccessListTest, KnowsATokenByItsDigest) {
  const std::string bearer = absl::StrCat("Bearer ", kToken);
  for (const std::string& form : {bearer, absl::StrCat("bearer ", kToken),
                                  absl::StrCat("BEARER ", kToken)}) {
    const auto principal = With({form});
    ASSERT_TRUE(principal.ok()) << principal.status();
    EXPECT_EQ(principal->name, "ci");
    EXPECT_EQ(principal->role, Role::kTrainer);
  }
}

TEST(AccessListTest, RefusesEveryOtherToken) {
  for (const std::string& wrong :
       {std::string("Bearer "), std::string("Bearer x"), std::string("Bearer"),
        absl::StrCat("Bearer ", kToken, "x"),
        absl::StrCat("Bearer ", kToken, " "), absl::StrCat("Basic ", kToken),
        std::string(kToken), absl::StrCat("Bearer  ", kToken),
        // The digest is in a file: it must not be as good as the token.
        absl::StrCat("Bearer ", DigestOf(kToken)),
        absl::StrCat("Bearer ", std::string(100'000, 'x'))}) {
    EXPECT_EQ(ReasonOf(With({wrong})), "CREDENTIALS_WRONG") << wrong.size();
  }
  const std::string bearer = absl::StrCat("Bearer ", kToken);
  EXPECT_EQ(ReasonOf(With({bearer, bearer})), "CREDENTIALS_WRONG");
}

TEST(AccessListTest, AGrantEndsToTheInstant) {
  const auto old = With({absl::StrCat("Bearer ", kOldToken)});
  EXPECT_EQ(ReasonOf(old), "CREDENTIALS_EXPIRED");
  EXPECT_THAT(std::string(old.status().message()), HasSubstr("ended on 2"));
}

TEST(AccessListTest, AsksForCredentialsWhereThereAreNone) {
  EXPECT_EQ(ReasonOf(With({})), "CREDENTIALS_MISSING");
}

TEST(AccessListTest, KnowsACertificateByAnyOfItsNames) {
  const auto edge = With({}, {"spiffe://x/other", "spiffe://x/edge"});
  ASSERT_TRUE(edge.ok()) << edge.status();
  EXPECT_EQ(edge->name, "edge");
  EXPECT_EQ(ReasonOf(With({}, {"eve"})), "CREDENTIALS_WRONG");
}

TEST(AccessListTest, AWrongTokenIsNotMadeGoodByACertificate) {
  EXPECT_EQ(ReasonOf(With({"Bearer x"}, {"spiffe://x/edge"})),
            "CREDENTIALS_WRONG");
}

TEST(AccessListTest, NobodyIsLetInByAnEmptyDigestOrName) {
  const AccessList list({{.name = "odd", .role = Role::kOperator}});
  EXPECT_FALSE(list.Identify({.authorization = {"Bearer "}}, kNow).ok());
  EXPECT_FALSE(list.Identify({.certificate_names = {""}}, kNow).ok());
  // More bytes than a token has digest to nothing.
  const std::string long_token =
      absl::StrCat("Bearer ", std::string(2000, 'x'));
  EXPECT_FALSE(list.Identify({.authorization = {long_token}}, kNow).ok());
}

TEST(AccessControlTest, AReplacedListCountsFromTheNextCallOn) {
  AccessControl access(List());
  const std::string bearer = absl::StrCat("Bearer ", kToken);
  const Credentials credentials = {.authorization = {bearer}};
  EXPECT_TRUE(access.Identify(credentials, kNow).ok());
  access.Replace(AccessList({}));
  EXPECT_EQ(ReasonOf(access.Identify(credentials, kNow)), "CREDENTIALS_WRONG");
  access.Replace(List());
  EXPECT_TRUE(access.Identify(credentials, kNow).ok());
}

TEST(AccessListTest, AProofIsWorthWhatItsCredentialsWere) {
  const std::string bearer = absl::StrCat("Bearer ", kToken);
  const auto proof = ProofOf({.authorization = {bearer}});
  ASSERT_TRUE(proof.ok()) << proof.status();
  EXPECT_EQ(proof->token_sha256, DigestOf(kToken));
  EXPECT_EQ(List().IdentifyProof(*proof, kNow)->name, "ci");
  const auto edge = ProofOf({.certificate_names = {"spiffe://x/edge"}});
  EXPECT_EQ(List().IdentifyProof(*edge, kNow)->name, "edge");
  EXPECT_EQ(DetailsOf(ProofOf({}).status()).reason, "CREDENTIALS_MISSING");
}

TEST(AccessListTest, KnowsWhenAGrantEnds) {
  // One ends now, another in a second.
  const auto second = std::chrono::seconds(1);
  EXPECT_FALSE(List().EndsBetween(kNow - 2 * second, kNow - second));
  EXPECT_TRUE(List().EndsBetween(kNow - second, kNow));
  EXPECT_FALSE(List().EndsBetween(kNow, kNow));
  EXPECT_TRUE(List().EndsBetween(kNow, kNow + second));
  EXPECT_FALSE(List().EndsBetween(kNow + second, kNow + 2 * second));
}

TEST(AccessControlTest, WithoutAListACertificateIsAnOperator) {
  const AccessControl access;
  const auto alice =
      access.Identify({.certificate_names = {"alice", "a"}}, kNow);
  ASSERT_TRUE(alice.ok());
  EXPECT_EQ(alice->name, "alice");
  EXPECT_EQ(alice->role, Role::kOperator);
  EXPECT_EQ(ReasonOf(access.Identify({}, kNow)), "CREDENTIALS_MISSING");
  EXPECT_EQ(access.IdentifyProof({.certificate_names = {"bob"}}, kNow)->name,
            "bob");
  EXPECT_FALSE(access.EndsBetween(kNow, kNow + std::chrono::hours(1)));
}

TEST(RoleTest, EachIncludesWhatTheProtosSay) {
  constexpr Role kAll[] = {Role::kViewer, Role::kClassifier, Role::kTrainer,
                           Role::kOperator, Role::kReplica};
  // Rows: who has; columns in the order of kAll: what is needed.
  const std::vector<std::pair<Role, std::string>> expected = {
      {Role::kViewer, "1----"},
      {Role::kClassifier, "11---"},
      {Role::kTrainer, "111--"},
      {Role::kOperator, "11111"},
      {Role::kReplica, "1---1"}};
  for (const auto& [has, row] : expected) {
    std::string found;
    for (const Role needed : kAll) {
      found += Includes(has, needed) ? '1' : '-';
    }
    EXPECT_EQ(found, row) << RoleName(has);
  }
}

TEST(RoleTest, NamesAreReadAsTheyAreWritten) {
  for (const Role role : {Role::kViewer, Role::kClassifier, Role::kTrainer,
                          Role::kOperator, Role::kReplica}) {
    EXPECT_EQ(ParseRole(RoleName(role)), role);
  }
  EXPECT_EQ(ParseRole("admin"), std::nullopt);
  EXPECT_EQ(ParseRole(""), std::nullopt);
}

TEST(CheckRoleTest, TellsWhatIsMissing) {
  const Principal looker = {.name = "looker", .role = Role::kViewer};
  EXPECT_TRUE(CheckRole(looker, "GetModel", Role::kViewer).ok());
  const absl::Status refused = CheckRole(looker, "SetAlias", Role::kOperator);
  EXPECT_EQ(refused.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(DetailsOf(refused).reason, "ROLE_MISSING");
  EXPECT_EQ(std::string(refused.message()),
            "\"looker\" has the role viewer; SetAlias needs operator");
}

TEST(CheckRoleTest, AMethodWithoutARoleIsForNobody) {
  const Principal root = {.name = "root", .role = Role::kOperator};
  EXPECT_EQ(CheckRole(root, "New", std::nullopt).code(),
            absl::StatusCode::kPermissionDenied);
}

}  // namespace
}  // namespace resnetd
