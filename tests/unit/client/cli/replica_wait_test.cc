#include "client/cli/replica_wait.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace resnetd::cli {
namespace {

const client::Alias kStable = {.name = "models/net/aliases/stable",
                               .version = 7};

ReplicaView Serving(const std::string& server, std::int64_t version) {
  return {.server = server, .version = version};
}

ReplicaView Silent(const std::string& server) {
  return {.server = server, .error = absl::UnavailableError("it is away")};
}

TEST(ReplicaWaitTest, IsOverWhenEveryReplicaServesTheVersion) {
  EXPECT_TRUE(AllFollow({Serving("a", 7)}, kStable));
  EXPECT_TRUE(AllFollow({Serving("a", 7), Serving("b", 7)}, kStable));
  // A name that has no address yet stands for replicas that are to come.
  EXPECT_FALSE(AllFollow({}, kStable));
  EXPECT_FALSE(AllFollow({Serving("a", 7), Serving("b", 6)}, kStable));
  EXPECT_FALSE(AllFollow({Serving("a", 7), Serving("b", 8)}, kStable));
  EXPECT_FALSE(AllFollow({Serving("a", 7), Serving("b", 0)}, kStable));
  EXPECT_FALSE(AllFollow({Serving("a", 7), Silent("b")}, kStable));
}

TEST(ReplicaWaitTest, SaysHowManyFollow) {
  EXPECT_EQ(FollowText({Serving("a", 7)}, kStable),
            "1 of 1 replica serves net@7");
  EXPECT_EQ(
      FollowText({Serving("a", 7), Serving("b", 6), Silent("c")}, kStable),
      "1 of 3 replicas serve net@7");
}

TEST(ReplicaWaitTest, SaysWhoIsBehindAndWhy) {
  EXPECT_EQ(BehindText({Serving("a", 7)}, kStable), "");
  EXPECT_EQ(BehindText({Serving("a", 7), Serving("b:1", 6), Silent("c:1"),
                        Serving("d:1", 0)},
                       kStable),
            "b:1 serves net@6; c:1 did not say: it is away; d:1 has no stable "
            "of net");
  EXPECT_EQ(BehindText({Serving("a", 1), Serving("b", 2), Serving("c", 3),
                        Serving("d", 7), Serving("e", 5), Silent("f")},
                       kStable),
            "a serves net@1; b serves net@2; c serves net@3; and 2 more");
}

TEST(ReplicaWaitTest, TellsProgramsTheSame) {
  const Json json = ReplicasJson({Serving("a:1", 7), Silent("b:1")});
  EXPECT_EQ(json[0].dump(), R"({"server":"a:1","version":7})");
  EXPECT_EQ(json[1]["version"], 0);
  EXPECT_EQ(json[1]["error"]["code"], "UNAVAILABLE");
  EXPECT_EQ(json[1]["error"]["message"], "it is away");
}

}  // namespace
}  // namespace resnetd::cli
