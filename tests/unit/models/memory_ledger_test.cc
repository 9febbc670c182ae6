#include "server/models/memory_ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <latch>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/base/error.h"
#include "server/base/thread.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

Evictable Used(std::int64_t bytes, int at, bool requested = false) {
  return {.bytes = bytes,
          .last_used = SteadyTime(std::chrono::seconds(at)),
          .requested = requested};
}

TEST(ChooseEvictionsTest, FreesNothingWhereThereIsRoom) {
  EXPECT_THAT(ChooseEvictions(10, 90, 100, {Used(50, 1)}), IsEmpty());
  EXPECT_THAT(ChooseEvictions(1000, 90, 0, {Used(50, 1)}), IsEmpty());
}

TEST(ChooseEvictionsTest, FreesTheLeastRecentlyUsedAndNoMoreThanNeeded) {
  const std::vector<Evictable> three = {Used(10, 3), Used(20, 1), Used(30, 2)};
  EXPECT_THAT(ChooseEvictions(30, 90, 100, three), ElementsAre(1));
  EXPECT_THAT(ChooseEvictions(31, 90, 100, three), ElementsAre(1, 2));
  EXPECT_THAT(ChooseEvictions(60, 90, 100, three), ElementsAre(1, 2));
  EXPECT_THAT(ChooseEvictions(70, 90, 100, three), ElementsAre(1, 2, 0));
}

TEST(ChooseEvictionsTest, FreesNothingInVain) {
  EXPECT_THAT(ChooseEvictions(71, 90, 100, {Used(60, 1)}), IsEmpty());
  EXPECT_THAT(ChooseEvictions(70, 90, 100, {Used(60, 1)}), ElementsAre(0));
  EXPECT_THAT(ChooseEvictions(11, 90, 100, {}), IsEmpty());
}

TEST(ChooseEvictionsTest, LeavesWhatSomebodyAskedFor) {
  EXPECT_THAT(ChooseEvictions(30, 90, 100, {Used(50, 1, true), Used(20, 2)}),
              ElementsAre(1));
  EXPECT_THAT(ChooseEvictions(31, 90, 100, {Used(50, 1, true), Used(20, 2)}),
              IsEmpty());
}

TEST(MemoryLedgerTest, AdmitsUpToItsLimit) {
  for (const auto& [bytes, admitted] :
       std::vector<std::pair<std::int64_t, bool>>{
           {99, true}, {100, true}, {101, false}}) {
    MemoryLedger ledger(100);
    EXPECT_EQ(ledger.Admit(bytes).ok(), admitted) << bytes;
  }
}

TEST(MemoryLedgerTest, RefusesWithTheFigures) {
  MemoryLedger ledger(100);
  const auto first = ledger.Admit(70).value();
  const absl::Status status = ledger.Admit(31).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  const ErrorDetails details = DetailsOf(status);
  EXPECT_EQ(details.reason, "MEMORY_ADMISSION");
  EXPECT_THAT(details.metadata,
              ElementsAre(Pair("needed", "31"), Pair("free", "30"),
                          Pair("limit", "100")));
  EXPECT_TRUE(ledger.Admit(30).ok());
}

TEST(MemoryLedgerTest, AdmitsEverythingWithoutALimit) {
  MemoryLedger ledger(0);
  EXPECT_TRUE(ledger.Admit(std::int64_t{1} << 60).ok());
}

TEST(MemoryLedgerTest, TakesALoadThatFailedOutOfTheBooks) {
  MemoryLedger ledger(100);
  {
    const auto loading = ledger.Admit(100).value();
    EXPECT_EQ(ledger.use(), (MemoryUse{.loading = 100}));
  }
  EXPECT_EQ(ledger.use(), MemoryUse());
}

TEST(MemoryLedgerTest, KeepsWhatWasTakenUntilItIsReleased) {
  MemoryLedger ledger(100);
  const MemoryUse taken{.weights = 80, .activations = 40};
  ledger.Admit(100).value()->Settle(taken);
  EXPECT_EQ(ledger.use(), taken);
  // More than the limit: nothing more is admitted, and nothing is negative.
  const absl::Status status = ledger.Admit(1).status();
  EXPECT_THAT(DetailsOf(status).metadata[1], Pair("free", "0"));
  ledger.Release(taken);
  EXPECT_EQ(ledger.use(), MemoryUse());
}

TEST(MemoryLedgerTest, WhatTakesLessOrMoreThanBeforeIsRestated) {
  MemoryLedger ledger(100);
  const MemoryUse before{.weights = 60, .activations = 20};
  const MemoryUse smaller{.weights = 15, .activations = 20};
  ledger.Admit(80).value()->Settle(before);
  ledger.Restate(before, smaller);
  EXPECT_EQ(ledger.use(), smaller);
  EXPECT_TRUE(ledger.Admit(65).ok());
  const MemoryUse beyond{.weights = 120, .activations = 20};
  ledger.Restate(smaller, beyond);
  EXPECT_EQ(ledger.use(), beyond);
  EXPECT_FALSE(ledger.Admit(1).ok());
}

TEST(MemoryLedgerTest, WaitsForRoomUntilItIsThere) {
  MemoryLedger ledger(100);
  const MemoryUse taken{.weights = 100};
  ledger.Admit(100).value()->Settle(taken);
  std::latch waiting(1);
  {
    const Thread waiter("wait", [&] {
      waiting.count_down();
      ledger.WaitForRoom(100, std::chrono::hours(1));
      EXPECT_TRUE(ledger.Admit(100).ok());
    });
    waiting.wait();
    ledger.Release(taken);
  }
}

TEST(MemoryLedgerTest, WaitsNoLongerThanItMay) {
  MemoryLedger ledger(100);
  const auto loading = ledger.Admit(100).value();
  ledger.WaitForRoom(1, Duration::zero());
  EXPECT_FALSE(ledger.Admit(1).ok());
}

}  // namespace
}  // namespace resnetd
