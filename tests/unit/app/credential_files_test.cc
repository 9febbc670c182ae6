#include "server/app/credential_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "server/base/bytes.h"
#include "server/base/sha256.h"
#include "tests/support/certificates.h"
#include "tests/support/temp_dir.h"

namespace resnetd {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Remembers what it was told.
class SeenMetrics final : public CredentialMetrics {
 public:
  void InForce(CredentialKind kind) override { in_force_.push_back(kind); }
  void Reloaded(CredentialKind kind, const absl::Status& outcome) override {
    reloads_.emplace_back(kind, outcome.code());
  }
  void SetExpiry(CredentialKind kind, WallTime at) override {
    EXPECT_EQ(kind, CredentialKind::kCertificate);
    ends_.push_back(at);
  }

  std::vector<CredentialKind> in_force_;
  std::vector<std::pair<CredentialKind, absl::StatusCode>> reloads_;
  std::vector<WallTime> ends_;
};

// The real time, which certificates are made for, and so much later.
class LaterClock final : public Clock {
 public:
  SteadyTime Now() const override { return RealClock().Now(); }
  WallTime WallNow() const override { return RealClock().WallNow() + later_; }
  void Advance(std::chrono::hours hours) { later_ += hours; }

 private:
  std::chrono::hours later_{0};
};

constexpr std::pair kNewPair(CredentialKind::kCertificate,
                             absl::StatusCode::kOk);
constexpr std::pair kBrokenPair(CredentialKind::kCertificate,
                                absl::StatusCode::kInvalidArgument);
constexpr std::pair kNewTokens(CredentialKind::kTokens, absl::StatusCode::kOk);
constexpr std::pair kBrokenTokens(CredentialKind::kTokens,
                                  absl::StatusCode::kInvalidArgument);

class CredentialFilesTest : public testing::Test {
 protected:
  // Replaces a file at once, as those do who renew certificates.
  std::string Put(const std::string& name, const std::string& text) const {
    const std::string fresh = folder_.File(name + ".new");
    std::ofstream(fresh) << text;
    EXPECT_EQ(chmod(fresh.c_str(), 0600), 0);
    std::filesystem::rename(fresh, folder_.File(name));
    return folder_.File(name);
  }
  TestCertificate PutPair(const TestCertificate& one) {
    config_.tls_cert = Put("cert", one.certificate);
    config_.tls_key = Put("key", one.key);
    return one;
  }
  void PutToken(const std::string& token, const std::string& more = "") {
    config_.tokens = Put(
        "tokens",
        absl::StrCat("[[token]]\nname = \"x\"\nrole = \"viewer\"\n",
                     "sha256 = \"", Sha256Hex(AsBytes(token)), "\"\n", more));
  }

  void Load() {
    auto files = CredentialFiles::Load(config_, clock_, metrics_);
    ASSERT_TRUE(files.ok()) << files.status();
    files_ = *std::move(files);
  }
  std::string LoadError() const {
    const auto files =
        CredentialFiles::Load(config_, clock_, NullCredentialMetrics());
    EXPECT_EQ(files.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(files.status().message());
  }
  // A change counts when it stood still between two looks.
  bool RefreshTwice() const {
    const bool first = files_->Refresh();
    return files_->Refresh() || first;
  }
  bool Knows(const std::string& token) const {
    const std::string bearer = absl::StrCat("Bearer ", token);
    return files_->access()
        ->Identify({.authorization = {bearer}}, clock_.WallNow())
        .ok();
  }

  TempDir folder_;
  Config config_;
  TestAuthority authority_{"ca"};
  std::unique_ptr<CredentialFiles> files_;
  LaterClock clock_;
  SeenMetrics metrics_;
};

TEST_F(CredentialFilesTest, WithoutSettingsThereIsNeither) {
  Load();
  EXPECT_EQ(files_->tls(), nullptr);
  EXPECT_EQ(files_->access(), nullptr);
  RefreshTwice();
  EXPECT_THAT(metrics_.reloads_, IsEmpty());
}

TEST_F(CredentialFilesTest, ANewPairIsTakenOnceItStandsStill) {
  PutPair(authority_.Issue());
  Load();
  EXPECT_THAT(metrics_.in_force_, ElementsAre(CredentialKind::kCertificate));
  EXPECT_EQ(metrics_.ends_.size(), 1U);
  const TestCertificate next = authority_.Issue();
  Put("cert", next.certificate);
  files_->Refresh();
  // The key comes later: half a pair is not read.
  Put("key", next.key);
  files_->Refresh();
  EXPECT_THAT(metrics_.reloads_, IsEmpty());
  files_->Refresh();
  EXPECT_THAT(metrics_.reloads_, ElementsAre(kNewPair));
  EXPECT_EQ(files_->tls()->Get().first.certificates, next.certificate);
  EXPECT_EQ(files_->tls()->Get().first.key, next.key);
  EXPECT_EQ(metrics_.ends_.size(), 2U);
  RefreshTwice();
  EXPECT_EQ(metrics_.reloads_.size(), 1U);
}

TEST_F(CredentialFilesTest, ABrokenPairLeavesTheOldOneAndIsToldOnce) {
  const TestCertificate first = PutPair(authority_.Issue());
  Load();
  Put("cert", authority_.Issue().certificate);
  RefreshTwice();
  RefreshTwice();
  EXPECT_THAT(metrics_.reloads_, ElementsAre(kBrokenPair));
  EXPECT_EQ(files_->tls()->Get().first.certificates, first.certificate);
  EXPECT_EQ(files_->tls()->generation(), 1U);
  // Mended.
  const TestCertificate good = authority_.Issue();
  Put("cert", good.certificate);
  Put("key", good.key);
  RefreshTwice();
  EXPECT_THAT(metrics_.reloads_, ElementsAre(kBrokenPair, kNewPair));
  EXPECT_EQ(files_->tls()->Get().first.certificates, good.certificate);
}

TEST_F(CredentialFilesTest, AFileThatGoesAwayLeavesWhatWasInForce) {
  PutPair(authority_.Issue());
  PutToken("t");
  Load();
  std::filesystem::remove(config_.tls_key);
  std::filesystem::remove(config_.tokens);
  RefreshTwice();
  EXPECT_THAT(metrics_.reloads_, ElementsAre(kBrokenPair, kBrokenTokens));
  EXPECT_TRUE(Knows("t"));
  EXPECT_EQ(files_->tls()->generation(), 1U);
}

TEST_F(CredentialFilesTest, TokensAreRotatedWhileTheServerRuns) {
  PutToken("first");
  Load();
  EXPECT_TRUE(Knows("first"));
  PutToken("second");
  RefreshTwice();
  EXPECT_FALSE(Knows("first"));
  EXPECT_TRUE(Knows("second"));
  Put("tokens", "[[token]]\n");
  RefreshTwice();
  EXPECT_TRUE(Knows("second"));
  EXPECT_THAT(metrics_.reloads_, ElementsAre(kNewTokens, kBrokenTokens));
}

TEST_F(CredentialFilesTest, SaysWhenWhoMayCallHasChanged) {
  PutPair(authority_.Issue());
  PutToken("first");
  Load();
  EXPECT_FALSE(RefreshTwice());
  // Another certificate takes nothing from anybody.
  PutPair(authority_.Issue());
  EXPECT_FALSE(RefreshTwice());
  PutToken("second");
  EXPECT_TRUE(RefreshTwice());
  EXPECT_FALSE(RefreshTwice());
  Put("tokens", "[[token]]\n");
  EXPECT_FALSE(RefreshTwice());
}

TEST_F(CredentialFilesTest, AGrantThatEndsIsAChangeOfWhoMayCall) {
  // In an hour or two.
  const std::string end = absl::FormatTime(
      "%Y-%m-%dT%H:%M:%SZ",
      absl::FromChrono(clock_.WallNow() + std::chrono::minutes(90)),
      absl::UTCTimeZone());
  PutToken("t", absl::StrCat("not_after = ", end, "\n"));
  Load();
  clock_.Advance(std::chrono::hours(1));
  EXPECT_FALSE(files_->Refresh());
  clock_.Advance(std::chrono::hours(1));
  EXPECT_TRUE(files_->Refresh());
  EXPECT_FALSE(Knows("t"));
  EXPECT_FALSE(files_->Refresh());
}

TEST_F(CredentialFilesTest, AStartWithoutUsableFilesIsRefused) {
  PutPair(authority_.Issue());
  config_.tls_client_ca = folder_.File("none");
  EXPECT_THAT(LoadError(), HasSubstr("--tls-client-ca"));
  config_.tls_client_ca = Put("ca", "no pem");
  EXPECT_THAT(LoadError(), HasSubstr("holds no certificate in PEM form"));
  config_.tls_client_ca = Put("ca", authority_.certificate());
  Put("key", authority_.Issue().key);
  EXPECT_THAT(LoadError(), HasSubstr("is not the key"));
  chmod(config_.tls_key.c_str(), 0644);
  EXPECT_THAT(LoadError(), HasSubstr("mode 0644"));
  std::filesystem::remove(config_.tls_cert);
  EXPECT_THAT(LoadError(), HasSubstr("does not exist"));
}

TEST_F(CredentialFilesTest, CertificatesOfClientsAloneLetTheirOwnersDoAll) {
  PutPair(authority_.Issue());
  config_.tls_client_ca = Put("ca", authority_.certificate());
  Load();
  EXPECT_TRUE(files_->tls()->asks_clients());
  const auto alice = files_->access()->Identify(
      {.certificate_names = {"alice"}}, clock_.WallNow());
  ASSERT_TRUE(alice.ok());
  EXPECT_EQ(alice->role, Role::kOperator);
}

}  // namespace
}  // namespace resnetd
