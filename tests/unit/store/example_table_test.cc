#include "server/store/example_table.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "server/store/pack_table.h"
#include "tests/unit/store/dataset_fixture.h"
#include "tests/unit/store/table_fixture.h"

namespace resnetd {
namespace {

class ExampleTableTest : public TableTest {
 protected:
  ExampleTableTest() {
    Must(InsertPack(*database_,
                    {.dataset = 1, .number = 3, .digest = pack_, .bytes = 99}));
  }
  ExampleRow Row(std::int64_t sequence) {
    ExampleRow row = ExampleOf(pack_, 5, sequence);
    row.sequence = sequence;
    return row;
  }
  void Add(std::int64_t sequence) {
    Must(InsertExample(*database_, 1, Row(sequence), 3));
  }
  absl::Status Read() { return ReadExamples(*database_, 1, 0, 100).status(); }

  const Digest pack_ = std::string(64, 'a');
};

TEST_F(ExampleTableTest, GivesBackEveryBitOfWhatWasWritten) {
  ExampleRow row = Row(1);
  row.mean = {-0.0, std::numeric_limits<double>::quiet_NaN(), 0.1};
  row.mean_square = {std::numeric_limits<double>::infinity(), 5e-324, 1.0};
  Must(InsertExample(*database_, 1, row, 3));
  const ExampleRow got = Must(ReadExamples(*database_, 1, 0, 1)).front();
  EXPECT_TRUE(std::signbit(got.mean[0]));
  EXPECT_TRUE(std::isnan(got.mean[1]));
  EXPECT_EQ(got.mean[2], 0.1);
  EXPECT_EQ(got.mean_square, row.mean_square);
  EXPECT_EQ(got.image, row.image);
  EXPECT_EQ(got.pack, pack_);
  EXPECT_EQ(got.split, row.split);
}

TEST_F(ExampleTableTest, ListsInPiecesAndFindsByPicture) {
  for (std::int64_t i = 1; i <= 5; ++i) {
    Add(i);
  }
  const auto some = Must(ReadExamples(*database_, 1, 2, 2));
  ASSERT_EQ(some.size(), 2);
  EXPECT_EQ(some[0].sequence, 3);
  EXPECT_EQ(some[1].sequence, 4);
  EXPECT_TRUE(Must(ReadExamples(*database_, 1, 5, 9)).empty());
  EXPECT_TRUE(Must(ReadExamples(*database_, 2, 0, 9)).empty());
  EXPECT_EQ(Must(FindExampleRow(*database_, 1, Row(4).image))->sequence, 4);
  EXPECT_FALSE(Must(FindExampleRow(*database_, 1, Row(6).image)));
  EXPECT_FALSE(Must(FindExampleRow(*database_, 2, Row(4).image)));
}

TEST_F(ExampleTableTest, ShowsAllOfThem) {
  constexpr std::int64_t kMany = 1001;
  for (std::int64_t i = 1; i <= kMany; ++i) {
    Add(i);
  }
  std::int64_t last = 0;
  EXPECT_EQ(Must(ForEachExample(*database_, 1,
                                [&](const ExampleRow& row) {
                                  EXPECT_EQ(row.sequence, ++last);
                                })),
            kMany);
  EXPECT_EQ(last, kMany);
  EXPECT_EQ(Must(ForEachExample(*database_, 2, [](const ExampleRow&) {})), 0);
}

TEST_F(ExampleTableTest, ADatasetHasEachPictureOnce) {
  Add(1);
  ExampleRow twice = Row(1);
  twice.sequence = 2;
  EXPECT_FALSE(InsertExample(*database_, 1, twice, 3).ok());
  Must(InsertExample(*database_, 2, twice, 3));
}

TEST_F(ExampleTableTest, EveryChangedColumnIsNoticed) {
  Must(InsertPack(*database_, {.dataset = 1,
                               .number = 4,
                               .digest = std::string(64, 'b'),
                               .bytes = 99}));
  for (const std::string change :
       {"sequence = 2", "image = 'x'", "pack = 4", "pack = 9", "position = 9",
        "bytes = 1", "label = 0", "split = 2", "width = 9", "height = 9",
        "is_grey = 1", "mean_r = 9", "mean_g = 9", "mean_b = 9", "square_r = 9",
        "square_g = 9", "square_b = 9", "seal = 'x'"}) {
    Sql("SAVEPOINT before");
    Add(1);
    Sql("UPDATE examples SET " + change);
    EXPECT_TRUE(IsDamage(Read())) << change;
    Sql("ROLLBACK TO before");
  }
}

TEST_F(ExampleTableTest, APackThatIsMissingOrAnotherIsNoticed) {
  Add(1);
  Sql("UPDATE packs SET digest = 'x'");
  EXPECT_TRUE(IsDamage(Read()));
  Sql("DELETE FROM packs");
  EXPECT_TRUE(IsDamage(Read()));
}

TEST_F(ExampleTableTest, AGapIsNoticed) {
  for (std::int64_t i = 1; i <= 3; ++i) {
    Add(i);
  }
  Sql("DELETE FROM examples WHERE sequence = 2");
  EXPECT_TRUE(IsDamage(Read()));
  EXPECT_TRUE(ReadExamples(*database_, 1, 2, 9).ok());
}

}  // namespace
}  // namespace resnetd
