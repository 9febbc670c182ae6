// A client of a name that stands for several servers, as a headless service of
// Kubernetes does.
#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/client.h"
#include "tests/support/fake_name_server.h"
#include "tests/unit/client/client_fixture.h"
#include "tests/unit/client/fake_server.h"

namespace resnetd::client {
namespace {

using std::chrono::steady_clock;

constexpr char kName[] = "resnetd.test";
// More than any step takes, on a machine that does other things too.
constexpr std::chrono::seconds kPatience(30);

std::string Address(std::size_t number) {
  return absl::StrCat("127.0.0.", number + 1);
}

class ClientSpreadTest : public testing::Test {
 protected:
  static constexpr std::size_t kServers = 4;

  // Servers 0 to 3 on addresses of their own and one port.
  void SetUp() override {
    ASSERT_TRUE(names_.is_listening());
    while (servers_.size() < kServers) {
      const int port = servers_.empty() ? 0 : servers_[0]->port();
      servers_.push_back(
          std::make_unique<test::FakeServer>(Address(servers_.size()), port));
      if (!servers_.back()->is_listening()) {
        servers_.clear();  // somebody else has that port there
      }
    }
  }

  void Name(const std::vector<std::size_t>& servers) {
    std::vector<std::string> addresses;
    for (const std::size_t server : servers) {
      addresses.push_back(Address(server));
    }
    names_.SetAddresses(addresses);
  }

  Client Connect() const {
    return Client::Create(
               {.server = absl::StrCat("dns://127.0.0.1:", names_.port(), "/",
                                       kName, ":", servers_[0]->port())})
        .value();
  }

  // Calls until each of `servers` has been called since; none may fail.
  testing::AssertionResult CallUntilAllAreCalled(
      Client& client, const std::vector<std::size_t>& servers) {
    std::vector<int> before;
    for (const std::size_t server : servers) {
      before.push_back(servers_[server]->calls());
    }
    const auto are_called = [&] {
      for (std::size_t i = 0; i < servers.size(); ++i) {
        if (servers_[servers[i]]->calls() == before[i]) {
          return false;
        }
      }
      return true;
    };
    const steady_clock::time_point end = steady_clock::now() + kPatience;
    while (!are_called()) {
      const absl::Status status = client.Classify(Pictures(1)).status();
      if (!status.ok()) {
        return testing::AssertionFailure() << status;
      }
      if (steady_clock::now() > end) {
        return testing::AssertionFailure() << "some are never called";
      }
    }
    return testing::AssertionSuccess();
  }

  FakeNameServer names_{kName};
  std::vector<std::unique_ptr<test::FakeServer>> servers_;
};

TEST_F(ClientSpreadTest, CallsGoToAllAddressesOfANameInTurns) {
  Name({0, 1, 2});
  Client client = Connect();
  ASSERT_TRUE(CallUntilAllAreCalled(client, {0, 1, 2}));
  // From now on each has a connection.
  std::vector<int> before;
  for (const auto& server : servers_) {
    before.push_back(server->calls());
  }
  constexpr int kEach = 10;
  for (int i = 0; i < 3 * kEach; ++i) {
    ASSERT_TRUE(client.Classify(Pictures(1)).ok());
  }
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(servers_[i]->calls() - before[i], kEach) << i;
  }
  EXPECT_EQ(servers_[3]->calls(), 0);
}

TEST_F(ClientSpreadTest, AServerInThePlaceOfAnotherOneIsFound) {
  Name({0, 1, 2});
  Client client = Connect();
  ASSERT_TRUE(CallUntilAllAreCalled(client, {0, 1, 2}));
  const int lookups = names_.lookups();
  Name({0, 1, 3});
  servers_[2].reset();
  // Far sooner than the half minute that gRPC would take by itself.
  const steady_clock::time_point begin = steady_clock::now();
  EXPECT_TRUE(CallUntilAllAreCalled(client, {0, 1, 3}));
  EXPECT_LT(steady_clock::now() - begin, std::chrono::seconds(15));
  EXPECT_GT(names_.lookups(), lookups);
}

TEST_F(ClientSpreadTest, ANameThatIsNotKnownYetIsAskedForAgain) {
  Client client = Connect();
  EXPECT_TRUE(absl::IsUnavailable(client.Classify(Pictures(1)).status()));
  Name({1});
  const steady_clock::time_point end = steady_clock::now() + kPatience;
  while (!client.Classify(Pictures(1)).ok() && steady_clock::now() < end) {
  }
  EXPECT_GT(servers_[1]->calls(), 0);
}

TEST_F(ClientSpreadTest, AllServersThatAreLeftTakeTheCallsOfThoseThatAreGone) {
  Name({0, 1, 2});
  Client client = Connect();
  ASSERT_TRUE(CallUntilAllAreCalled(client, {0, 1, 2}));
  servers_[0].reset();
  servers_[2].reset();
  for (int i = 0; i < 50; ++i) {
    EXPECT_TRUE(client.Classify(Pictures(1)).ok());
  }
  EXPECT_GE(servers_[1]->calls(), 50);
}

}  // namespace
}  // namespace resnetd::client
