#include "client/cli/replica_wait.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "server/base/mutex.h"

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

// Lets nobody through until so many have come.
class Meeting {
 public:
  void Await(std::size_t count) {
    const MutexLock lock(mutex_);
    ++here_;
    changed_.NotifyAll();
    while (here_ < count) {
      changed_.Wait(mutex_);
    }
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::size_t here_ ABSL_GUARDED_BY(mutex_) = 0;
};

TEST(ReplicaWaitTest, AsksAllAtOnceAndKeepsTheirOrder) {
  // One after the other would hang.
  Meeting meeting;
  const std::vector<std::string> servers = {"a", "b", "c"};
  const auto views = AskEach(servers, [&](const std::string& server) {
    meeting.Await(servers.size());
    return server == "b" ? Silent(server) : Serving(server, 7);
  });
  EXPECT_EQ(FollowText(views, kStable), "2 of 3 replicas serve net@7");
  EXPECT_EQ(BehindText(views, kStable), "b did not say: it is away");
  EXPECT_EQ(views[2].server, "c");
}

TEST(ReplicaWaitTest, AsksEachOnceHoweverManyThereAre) {
  for (const std::size_t count :
       {std::size_t{0}, std::size_t{1}, kAskedAtOnce - 1, kAskedAtOnce,
        kAskedAtOnce + 1, 3 * kAskedAtOnce}) {
    std::vector<std::string> servers;
    for (std::size_t i = 0; i < count; ++i) {
      servers.push_back(absl::StrCat("r", i));
    }
    std::atomic<std::size_t> asked{0};
    const auto views = AskEach(servers, [&](const std::string& server) {
      ++asked;
      return Serving(server, 7);
    });
    EXPECT_EQ(asked.load(), count);
    ASSERT_EQ(views.size(), count);
    for (std::size_t i = 0; i < count; ++i) {
      EXPECT_EQ(views[i].server, servers[i]);
    }
  }
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
