#include "server/store/named_blobs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "server/store/checkpoint_table.h"
#include "server/store/dataset_table.h"
#include "server/store/pack_table.h"
#include "tests/unit/store/dataset_fixture.h"
#include "tests/unit/store/table_fixture.h"

namespace resnetd {
namespace {

using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class NamedBlobsTest : public TableTest {
 protected:
  void AddDataset(std::int64_t number, absl::string_view name,
                  DatasetState state, char pack) {
    Must(InsertDataset(*database_, {.number = number,
                                    .row = {.name = Dataset(name),
                                            .state = state,
                                            .sealed = std::nullopt}}));
    Must(InsertPack(*database_, {.dataset = number,
                                 .number = 1,
                                 .digest = std::string(64, pack),
                                 .bytes = 1}));
  }
  std::set<char> Named() {
    std::set<char> named;
    for (const Digest& digest : Must(ReadNamedBlobs(*database_))) {
      named.insert(digest[0]);
    }
    return named;
  }
};

TEST_F(NamedBlobsTest, AreThoseOfVersionsDatasetsAndCheckpoints) {
  EXPECT_THAT(Named(), IsEmpty());
  VersionRow row = Add("a");
  EXPECT_THAT(Named(), UnorderedElementsAre('a', 'b', 'c'));
  AddDataset(1, "open", DatasetState::kOpen, 'd');
  AddDataset(2, "sealed", DatasetState::kSealed, 'e');
  AddDataset(3, "deleted", DatasetState::kDeleted, 'f');
  Must(WriteCheckpoint(
      *database_, {1},
      {.step = 1, .blobs = {std::string(64, '1'), std::string(64, '2')}}));
  EXPECT_THAT(Named(), UnorderedElementsAre('a', 'b', 'c', 'd', 'e', '1', '2'));
  row.state = VersionState::kRetired;
  Must(UpdateVersionState(*database_, row));
  EXPECT_THAT(Named(), UnorderedElementsAre('d', 'e', '1', '2'));
}

TEST_F(NamedBlobsTest, NothingIsToldWhenARowIsDamaged) {
  AddDataset(1, "open", DatasetState::kOpen, 'd');
  for (const std::string damage :
       {"UPDATE datasets SET state = 3", "UPDATE packs SET digest = 'x'"}) {
    Sql("SAVEPOINT before");
    Sql(damage);
    EXPECT_TRUE(IsDamage(ReadNamedBlobs(*database_).status())) << damage;
    Sql("ROLLBACK TO before");
  }
}

}  // namespace
}  // namespace resnetd
