#include "client/credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <string>

#include "client/error_info.h"
#include "tests/support/certificates.h"
#include "tests/support/temp_dir.h"

namespace resnetd::client {
namespace {

using testing::HasSubstr;

class MakeSecurityTest : public testing::Test {
 protected:
  std::string Put(const std::string& name, const std::string& text,
                  mode_t mode = 0600) const {
    const std::string path = folder_.File(name);
    std::ofstream(path) << text;
    EXPECT_EQ(chmod(path.c_str(), mode), 0);
    return path;
  }
  static absl::StatusOr<ChannelSecurity> For(const SecurityOptions& options,
                                             const char* server) {
    return MakeSecurity(options, ParseTarget(server).value());
  }
  static std::string ErrorFor(const SecurityOptions& options,
                              const char* server = "localhost:1") {
    const absl::Status error = For(options, server).status();
    EXPECT_EQ(error.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(ErrorInfoOf(error).reason, kReasonBadCredentials);
    return std::string(error.message());
  }

  TempDir folder_;
  TestAuthority authority_{"ca"};
};

TEST_F(MakeSecurityTest, WithoutOptionsItIsPlaintext) {
  const auto security = For({}, "remote:1");
  ASSERT_TRUE(security.ok());
  EXPECT_FALSE(security->is_tls);
}

TEST_F(MakeSecurityTest, AnyOfCaCertificateAndTlsIsTls) {
  EXPECT_TRUE(For({.tls = true}, "remote:1")->is_tls);
  EXPECT_TRUE(For({.ca_file = Put("ca", authority_.certificate())}, "remote:1")
                  ->is_tls);
  const TestCertificate own = authority_.Issue();
  EXPECT_TRUE(For({.certificate_file = Put("cert", own.certificate),
                   .key_file = Put("key", own.key)},
                  "remote:1")
                  ->is_tls);
}

TEST_F(MakeSecurityTest, ATokenInPlaintextGoesToThisMachineAlone) {
  const std::string file = Put("token", "t\n");
  for (const char* const local :
       {"localhost:1", "127.0.0.1:1", "[::1]:1", "unix:/run/x.sock"}) {
    EXPECT_TRUE(For({.token_file = file}, local).ok()) << local;
  }
  for (const char* const remote :
       {"gpu-box:1", "10.0.0.1:1", "dns:///h:1", "localhost:1,gpu-box:1"}) {
    EXPECT_THAT(ErrorFor({.token_file = file}, remote), HasSubstr("needs TLS"))
        << remote;
  }
  EXPECT_TRUE(For({.tls = true, .token_file = file}, "gpu-box:1").ok());
}

TEST_F(MakeSecurityTest, RefusesATokenThatIsNoneAndSaysNothingOfIt) {
  EXPECT_THAT(ErrorFor({.token_file = Put("empty", "\n")}),
              HasSubstr("holds no token"));
  const std::string two = ErrorFor({.token_file = Put("two", "canary lines")});
  EXPECT_THAT(two, HasSubstr("holds no token"));
  EXPECT_THAT(two, testing::Not(HasSubstr("canary")));
  EXPECT_THAT(ErrorFor({.token_file = Put("open", "t", 0644)}),
              HasSubstr("mode 0644"));
  EXPECT_THAT(ErrorFor({.token_file = folder_.File("none")}),
              HasSubstr("does not exist"));
  EXPECT_THAT(ErrorFor({.token_file = Put("token", "t"), .token = "t"}),
              HasSubstr("one of both"));
  EXPECT_TRUE(For({.token = "t"}, "localhost:1").ok());
}

TEST_F(MakeSecurityTest, RefusesFilesThatCannotBeUsed) {
  const TestCertificate own = authority_.Issue();
  const std::string cert = Put("cert", own.certificate);
  const std::string key = Put("key", own.key);
  EXPECT_THAT(ErrorFor({.certificate_file = cert}), HasSubstr("together"));
  EXPECT_THAT(ErrorFor({.key_file = key}), HasSubstr("together"));
  EXPECT_THAT(ErrorFor({.certificate_file = cert,
                        .key_file = Put("other", authority_.Issue().key)}),
              HasSubstr("is not the key"));
  EXPECT_THAT(ErrorFor({.ca_file = folder_.File("none")}),
              HasSubstr("does not exist"));
  EXPECT_THAT(ErrorFor({.ca_file = Put("text", "text")}),
              HasSubstr("no certificate"));
}

TEST_F(MakeSecurityTest, AListNeedsTheNameThatItsCertificatesShare) {
  EXPECT_THAT(ErrorFor({.tls = true}, "a:1,b:1"), HasSubstr("--server-name"));
  EXPECT_EQ(For({.tls = true, .server_name = "fleet"}, "a:1,b:1")->server_name,
            "fleet");
  EXPECT_THAT(ErrorFor({.server_name = "fleet"}), HasSubstr("needs TLS"));
}

}  // namespace
}  // namespace resnetd::client
