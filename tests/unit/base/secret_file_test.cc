#include "server/base/secret_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "server/base/certificate.h"
#include "tests/support/temp_dir.h"

namespace resnetd {
namespace {

using testing::HasSubstr;

constexpr std::size_t kMany = 1000;

class SecretFileTest : public testing::Test {
 protected:
  std::string Write(const std::string& text, mode_t mode) const {
    const std::string path = folder_.File("secret");
    std::ofstream(path) << text;
    EXPECT_EQ(chmod(path.c_str(), mode), 0);
    return path;
  }
  static absl::StatusOr<std::string> Read(const std::string& path,
                                          std::size_t max_bytes = kMany) {
    return ReadNamedFile("--tls-key", path, max_bytes, Secrecy::kSecret);
  }
  static std::string ErrorOf(const std::string& path) {
    const auto text = Read(path);
    EXPECT_EQ(text.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(text.status().message());
  }

  TempDir folder_;
};

TEST_F(SecretFileTest, ReadsWhatItsOwnerAloneCanRead) {
  EXPECT_EQ(*Read(Write("x\n", 0600)), "x\n");
  EXPECT_EQ(*Read(Write("y", 0400)), "y");
  EXPECT_EQ(*Read(Write("", 0600)), "");
}

TEST_F(SecretFileTest, RefusesWhatOthersCanReadOrWrite) {
  for (const mode_t mode : {0644U, 0604U, 0602U, 0620U, 0660U, 0610U}) {
    EXPECT_THAT(ErrorOf(Write("x", mode)), HasSubstr("chmod")) << mode;
  }
}

TEST_F(SecretFileTest, TheGroupMayReadWhatRootOwns) {
  const std::string path = Write("x", 0440);
  // What a container mounts and who runs the test decide the owner.
  EXPECT_EQ(Read(path).ok(), geteuid() == 0);
}

TEST_F(SecretFileTest, WhatIsNoSecretMayBeReadByAll) {
  const std::string path = Write("x", 0644);
  EXPECT_EQ(*ReadNamedFile("--tls-cert", path, kMany, Secrecy::kPublic), "x");
}

TEST_F(SecretFileTest, RefusesOneByteTooMany) {
  const std::string path = Write("12345", 0600);
  EXPECT_EQ(*Read(path, 6), "12345");
  EXPECT_EQ(*Read(path, 5), "12345");
  EXPECT_THAT(std::string(Read(path, 4).status().message()),
              HasSubstr("has more than 4 bytes"));
}

TEST_F(SecretFileTest, APemFileHasAtMostAMebibyteAndIsCalledByItsFlag) {
  for (const std::size_t bytes : {kMaxPemBytes - 1, kMaxPemBytes}) {
    const std::string path = folder_.Write("ca", std::string(bytes, 'x'));
    const auto pem = ReadPem("--tls-client-ca", path, Secrecy::kPublic);
    ASSERT_TRUE(pem.ok()) << pem.status();
    EXPECT_EQ(pem->text.size(), bytes);
    EXPECT_EQ(pem->origin, "--tls-client-ca \"" + path + "\"");
  }
  const std::string path =
      folder_.Write("ca", std::string(kMaxPemBytes + 1, 'x'));
  EXPECT_EQ(ReadPem("--tls-client-ca", path, Secrecy::kPublic).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(SecretFileTest, RefusesWhatIsNoFile) {
  EXPECT_THAT(ErrorOf(folder_.File("none")), HasSubstr("does not exist"));
  EXPECT_THAT(ErrorOf(folder_.path()), HasSubstr("is no regular file"));
  const std::string pipe = folder_.File("pipe");
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THAT(ErrorOf(pipe), HasSubstr("is no regular file"));
}

TEST_F(SecretFileTest, AStampTellsAChangeOfContentOfLinkAndOfMode) {
  const std::string path = Write("x", 0600);
  const FileStamp first = StampOf(path);
  EXPECT_TRUE(first.exists);
  EXPECT_EQ(StampOf(path), first);
  EXPECT_FALSE(StampOf(folder_.File("none")).exists);
  Write("xy", 0600);
  const FileStamp longer = StampOf(path);
  EXPECT_FALSE(longer == first);
  // As mounted secrets change: the link names another file.
  const std::string link = folder_.File("link");
  std::filesystem::create_symlink("secret", link);
  EXPECT_EQ(StampOf(link), longer);
  std::ofstream(folder_.File("other")) << "xy";
  std::filesystem::remove(link);
  std::filesystem::create_symlink("other", link);
  EXPECT_FALSE(StampOf(link) == longer);
}

}  // namespace
}  // namespace resnetd
