// Many threads change, read, collect and verify one store. ThreadSanitizer runs
// this, too.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <latch>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "server/base/thread.h"
#include "tests/support/seeded_random.h"
#include "tests/unit/store/store_fixture.h"

namespace resnetd {
namespace {

TEST(StoreThreadsTest, MutationsHappenOneAfterTheOtherAndReadsSeeThemWhole) {
  OpenedStore opened({.collect_grace = Duration(0)});
  Store& store = *opened;
  constexpr int kThreads = 4;
  constexpr int kSteps = 60;
  PublishNumber(store, "shared", 0);
  PublishNumber(store, "shared", 1);
  std::atomic<int> moves{0};
  std::latch begin(kThreads + 2);
  std::atomic<int> running{kThreads};
  std::vector<Thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back(absl::StrCat("change-", t), [&, t] {
      begin.arrive_and_wait();
      SeededRandom random(static_cast<std::uint64_t>(t));
      const std::string mine = absl::StrCat("m", t);
      for (int i = 0; i < kSteps; ++i) {
        // All together: the alias goes to and fro by compare-and-swap.
        const AliasRow now = Must(store.GetAlias(Model("shared"), "stable"));
        AliasMove move = MoveTo("shared", 3 - now.version.value);
        move.etag = EtagOf(now);
        const auto moved = store.MoveAlias(move, {.method = "SetAlias"});
        if (moved.ok()) {
          ++moves;
          EXPECT_EQ(moved->generation, now.generation + 1);
        } else {
          EXPECT_EQ(DetailsOf(moved.status()).reason, "ETAG_MISMATCH");
        }
        // Each for itself: blobs that others have and that are collected.
        const Published published =
            PublishNumber(store, mine, static_cast<int>(random.Below(3)));
        EXPECT_TRUE(store.ReadBlob(published.version.weights, 1000).ok());
        if (published.version.version.value > 1) {
          EXPECT_TRUE(
              store.MoveAlias(MoveTo(mine, published.version.version.value), {})
                  .ok());
        }
        for (const VersionRow& row : Must(store.ListVersions(Model(mine)))) {
          // All but the one that answers.
          store.DeleteVersion(Model(mine), row.version, "", {})
              .status()
              .IgnoreError();
        }
      }
      --running;
    });
  }
  threads.emplace_back("collect", [&] {
    begin.arrive_and_wait();
    while (running > 0) {
      EXPECT_TRUE(store.Collect().ok());
    }
  });
  threads.emplace_back("verify", [&] {
    begin.arrive_and_wait();
    while (running > 0) {
      for (const Finding& finding : Must(store.Verify())) {
        ADD_FAILURE() << finding.text;
      }
      Must(store.Stats());
    }
  });
  for (Thread& thread : threads) {
    thread.Join();
  }
  EXPECT_EQ(Must(store.GetAlias(Model("shared"), "stable")).generation,
            1 + moves);
  EXPECT_TRUE(Must(store.Verify()).empty());
}

TEST(StoreThreadsTest, OneKeyIsCarriedOutOnceHoweverManySendIt) {
  OpenedStore opened;
  Store& store = *opened;
  constexpr int kThreads = 8;
  const NewVersion version = VersionOf(store, "a", 1);
  std::latch begin(kThreads);
  std::vector<Thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back(absl::StrCat("send-", t), [&] {
      begin.arrive_and_wait();
      for (int i = 0; i < 20; ++i) {
        const Published answer =
            Must(store.Publish(version, {.method = "ImportVersion",
                                         .request_id = "one",
                                         .request_hash = "hash"}));
        EXPECT_EQ(answer.version.version.value, 1);
        EXPECT_TRUE(answer.created);
      }
    });
  }
  for (Thread& thread : threads) {
    thread.Join();
  }
  EXPECT_EQ(Must(store.ListAudit(0, 99)).size(), 1);
  EXPECT_EQ(Must(store.LastEvent()), 2);
}

}  // namespace
}  // namespace resnetd
