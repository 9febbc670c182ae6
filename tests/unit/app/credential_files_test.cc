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
#include "server/base/bytes.h"
#include "server/base/sha256.h"
#include "tests/support/certificates.h"
#include "tests/support/temp_dir.h"

namespace resnetd {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

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
  void PutToken(const std::string& token) {
    config_.tokens =
        Put("tokens",
            absl::StrCat("[[token]]\nname = \"x\"\nrole = \"viewer\"\n",
                         "sha256 = \"", Sha256Hex(AsBytes(token)), "\"\n"));
  }

  void Load() {
    auto files = CredentialFiles::Load(
        config_, RealClock(),
        {.reloaded = [this](absl::string_view what,
                            bool is_ok) { reloads_.emplace_back(what, is_ok); },
         .certificate_ends =
             [this](std::chrono::system_clock::time_point) { ++ends_told_; }});
    ASSERT_TRUE(files.ok()) << files.status();
    files_ = *std::move(files);
  }
  std::string LoadError() const {
    const auto files = CredentialFiles::Load(config_, RealClock(), {});
    EXPECT_EQ(files.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(files.status().message());
  }
  // A change counts when it stood still between two looks.
  void RefreshTwice() const {
    files_->Refresh();
    files_->Refresh();
  }
  bool Knows(const std::string& token) const {
    const std::string bearer = absl::StrCat("Bearer ", token);
    return files_->access()
        ->Identify({.authorization = {bearer}}, RealClock().WallNow())
        .ok();
  }

  TempDir folder_;
  Config config_;
  TestAuthority authority_{"ca"};
  std::unique_ptr<CredentialFiles> files_;
  std::vector<std::pair<std::string, bool>> reloads_;
  int ends_told_ = 0;
};

TEST_F(CredentialFilesTest, WithoutSettingsThereIsNeither) {
  Load();
  EXPECT_EQ(files_->tls(), nullptr);
  EXPECT_EQ(files_->access(), nullptr);
  RefreshTwice();
  EXPECT_THAT(reloads_, IsEmpty());
}

TEST_F(CredentialFilesTest, ANewPairIsTakenOnceItStandsStill) {
  PutPair(authority_.Issue());
  Load();
  EXPECT_EQ(ends_told_, 1);
  const TestCertificate next = authority_.Issue();
  Put("cert", next.certificate);
  files_->Refresh();
  // The key comes later: half a pair is not read.
  Put("key", next.key);
  files_->Refresh();
  EXPECT_THAT(reloads_, IsEmpty());
  files_->Refresh();
  EXPECT_THAT(reloads_, ElementsAre(Pair("tls", true)));
  EXPECT_EQ(files_->tls()->Get().first.certificates, next.certificate);
  EXPECT_EQ(files_->tls()->Get().first.key, next.key);
  EXPECT_EQ(ends_told_, 2);
  RefreshTwice();
  EXPECT_EQ(reloads_.size(), 1U);
}

TEST_F(CredentialFilesTest, ABrokenPairLeavesTheOldOneAndIsToldOnce) {
  const TestCertificate first = PutPair(authority_.Issue());
  Load();
  Put("cert", authority_.Issue().certificate);
  RefreshTwice();
  RefreshTwice();
  EXPECT_THAT(reloads_, ElementsAre(Pair("tls", false)));
  EXPECT_EQ(files_->tls()->Get().first.certificates, first.certificate);
  EXPECT_EQ(files_->tls()->generation(), 1U);
  // Mended.
  const TestCertificate good = authority_.Issue();
  Put("cert", good.certificate);
  Put("key", good.key);
  RefreshTwice();
  EXPECT_THAT(reloads_, ElementsAre(Pair("tls", false), Pair("tls", true)));
  EXPECT_EQ(files_->tls()->Get().first.certificates, good.certificate);
}

TEST_F(CredentialFilesTest, AFileThatGoesAwayLeavesWhatWasInForce) {
  PutPair(authority_.Issue());
  PutToken("t");
  Load();
  std::filesystem::remove(config_.tls_key);
  std::filesystem::remove(config_.tokens);
  RefreshTwice();
  EXPECT_THAT(reloads_, ElementsAre(Pair("tls", false), Pair("tokens", false)));
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
  EXPECT_THAT(reloads_,
              ElementsAre(Pair("tokens", true), Pair("tokens", false)));
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
      {.certificate_names = {"alice"}}, RealClock().WallNow());
  ASSERT_TRUE(alice.ok());
  EXPECT_EQ(alice->role, Role::kOperator);
}

}  // namespace
}  // namespace resnetd
