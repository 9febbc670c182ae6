#include "server/store/pack_table.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/unit/store/table_fixture.h"

namespace resnetd {
namespace {

using PackTableTest = TableTest;

PackRow PackAt(std::int64_t dataset, std::int64_t number) {
  return {.dataset = dataset,
          .number = number,
          .digest = std::string(64, static_cast<char>('a' + number)),
          .bytes = 10 * number};
}

TEST_F(PackTableTest, GivesBackWhatWasWritten) {
  for (const auto& [dataset, number] : {std::pair(1, 2), {1, 1}, {2, 1}}) {
    Must(InsertPack(*database_, PackAt(dataset, number)));
  }
  const auto packs = Must(ListPacks(*database_, 1));
  ASSERT_EQ(packs.size(), 2);
  EXPECT_EQ(packs[0].number, 1);
  EXPECT_EQ(packs[1].digest, PackAt(1, 2).digest);
  EXPECT_EQ(packs[1].bytes, 20);
  EXPECT_EQ(Must(FindPack(*database_, 1, PackAt(1, 2).digest))->number, 2);
  EXPECT_FALSE(Must(FindPack(*database_, 2, PackAt(1, 2).digest)));
  Must(RemovePacks(*database_, 1));
  EXPECT_TRUE(Must(ListPacks(*database_, 1)).empty());
  EXPECT_EQ(Must(ListPacks(*database_, 2)).size(), 1);
}

TEST_F(PackTableTest, ADatasetHasEachPackOnce) {
  Must(InsertPack(*database_, PackAt(1, 1)));
  PackRow twice = PackAt(1, 1);
  twice.number = 2;
  EXPECT_FALSE(InsertPack(*database_, twice).ok());
}

TEST_F(PackTableTest, EveryChangedColumnIsNoticed) {
  for (const std::string change :
       {"pack = 9", "digest = 'x'", "bytes = 9", "seal = 'x'"}) {
    Sql("SAVEPOINT before");
    Must(InsertPack(*database_, PackAt(1, 1)));
    Sql("UPDATE packs SET " + change);
    EXPECT_TRUE(IsDamage(ListPacks(*database_, 1).status())) << change;
    Sql("ROLLBACK TO before");
  }
  Must(InsertPack(*database_, PackAt(1, 1)));
  Sql("UPDATE packs SET dataset = 2");
  EXPECT_TRUE(IsDamage(ListPacks(*database_, 2).status()));
}

}  // namespace
}  // namespace resnetd
