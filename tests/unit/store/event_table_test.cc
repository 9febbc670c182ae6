#include "server/store/event_table.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string>

#include "tests/unit/store/table_fixture.h"

namespace resnetd {
namespace {

class EventTableTest : public TableTest {
 protected:
  // An event at `second`.
  void Append(int second) {
    Head head = Must(ReadHead(*database_));
    Must(AppendEvent(*database_,
                     {.time = At(second),
                      .kind = EventKind::kAliasSet,
                      .model = Model("a"),
                      .version = VersionNumber{2},
                      .alias = "stable",
                      .previous = VersionNumber{1},
                      .generation = 4,
                      .weights = "w"},
                     head));
    Must(WriteHead(*database_, head));
  }
  void Expire(int before, std::int64_t keep) {
    Head head = Must(ReadHead(*database_));
    Must(ExpireEvents(*database_, At(before), keep, head));
    Must(WriteHead(*database_, head));
  }
  static WallTime At(int second) {
    return WallTime(std::chrono::seconds(second));
  }
  // "3-5": the sequences after `after`.
  std::string After(std::int64_t after, std::size_t limit = 100) {
    const auto events = ReadEvents(*database_, after, limit);
    if (!events.ok()) {
      return DetailsOf(events.status()).reason;
    }
    return events->empty() ? "none"
                           : absl::StrCat(events->front().sequence, "-",
                                          events->back().sequence);
  }
};

TEST_F(EventTableTest, GivesBackWhatWasWrittenInOrder) {
  for (int i = 1; i <= 5; ++i) {
    Append(i);
  }
  EXPECT_EQ(After(0), "1-5");
  EXPECT_EQ(After(-3), "1-5");
  EXPECT_EQ(After(2), "3-5");
  EXPECT_EQ(After(2, 2), "3-4");
  EXPECT_EQ(After(2, 0), "none");
  EXPECT_EQ(After(5), "none");
  EXPECT_EQ(After(6), "EVENTS_EXPIRED");
  const EventRow event = Must(ReadEvents(*database_, 1, 1)).front();
  EXPECT_EQ(event.time, At(2));
  EXPECT_EQ(event.kind, EventKind::kAliasSet);
  EXPECT_EQ(event.model, Model("a"));
  EXPECT_EQ(event.version, VersionNumber{2});
  EXPECT_EQ(event.alias, "stable");
  EXPECT_EQ(event.previous, VersionNumber{1});
  EXPECT_EQ(event.generation, 4);
  EXPECT_EQ(event.weights, "w");
}

TEST_F(EventTableTest, OldOnesExpireButTheNewestStay) {
  for (int i = 1; i <= 10; ++i) {
    Append(i);
  }
  Expire(5, 100);
  EXPECT_EQ(After(0), "1-10");
  Expire(1, 0);
  EXPECT_EQ(After(0), "1-10");
  Expire(5, 7);
  EXPECT_EQ(After(0), "EVENTS_EXPIRED");
  EXPECT_EQ(After(2), "EVENTS_EXPIRED");
  EXPECT_EQ(After(3), "4-10");
  Expire(8, 1);
  EXPECT_EQ(After(7), "8-10");
  EXPECT_TRUE(CheckEventTable(*database_).ok());
  const auto details =
      DetailsOf(ReadEvents(*database_, 0, 1).status()).metadata;
  ASSERT_EQ(details.size(), 1);
  EXPECT_EQ(details[0].second, "8");
}

TEST_F(EventTableTest, NumbersGoOnWhenAllExpired) {
  Append(1);
  Append(2);
  Expire(100, 0);
  EXPECT_EQ(After(2), "none");
  EXPECT_TRUE(CheckEventTable(*database_).ok());
  Append(3);
  EXPECT_EQ(After(2), "3-3");
}

// A clock that was set back makes an early event the youngest.
TEST_F(EventTableTest, AnEventThatIsYoungKeepsThoseAfterIt) {
  Append(100);
  Append(1);
  Append(2);
  Expire(50, 0);
  EXPECT_EQ(After(0), "1-3");
}

TEST_F(EventTableTest, EveryChangedColumnAndMissingRowIsNoticed) {
  for (const std::string change :
       {"UPDATE events SET time_us = 9 WHERE sequence = 2",
        "UPDATE events SET kind = 1 WHERE sequence = 2",
        "UPDATE events SET model = 'b' WHERE sequence = 2",
        "UPDATE events SET version = 1 WHERE sequence = 2",
        "UPDATE events SET alias = 'b' WHERE sequence = 2",
        "UPDATE events SET previous = NULL WHERE sequence = 2",
        "UPDATE events SET generation = 9 WHERE sequence = 2",
        "UPDATE events SET weights = 'b' WHERE sequence = 2",
        "UPDATE events SET seal = 'b' WHERE sequence = 2",
        "UPDATE events SET sequence = 7 WHERE sequence = 3",
        "DELETE FROM events WHERE sequence = 1",
        "DELETE FROM events WHERE sequence = 2",
        "DELETE FROM events WHERE sequence = 3"}) {
    Sql("SAVEPOINT before");
    for (int i = 1; i <= 3; ++i) {
      Append(i);
    }
    EXPECT_TRUE(CheckEventTable(*database_).ok());
    Sql(change);
    EXPECT_TRUE(IsDamage(CheckEventTable(*database_))) << change;
    EXPECT_EQ(After(0), "STORE_CORRUPT") << change;
    Sql("ROLLBACK TO before");
  }
}

}  // namespace
}  // namespace resnetd
