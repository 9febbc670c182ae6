#include "server/models/retention.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const ModelName& Digits() {
  static const ModelName name = ModelName::Parse("digits").value();
  return name;
}

std::vector<VersionRow> Versions(const std::vector<std::int64_t>& numbers) {
  std::vector<VersionRow> rows;
  for (const std::int64_t number : numbers) {
    VersionRow row{.model = Digits(), .version = {number}};
    rows.push_back(std::move(row));
  }
  return rows;
}

AliasRow Alias(std::int64_t version,
               std::optional<std::int64_t> previous = std::nullopt) {
  AliasRow row{.model = Digits(), .alias = "a", .version = {version}};
  if (previous) {
    row.previous = VersionNumber{*previous};
  }
  return row;
}

std::vector<std::int64_t> Retired(const std::vector<VersionRow>& rows,
                                  const std::vector<AliasRow>& aliases,
                                  int keep) {
  std::vector<std::int64_t> numbers;
  for (const VersionNumber version : VersionsToRetire(rows, aliases, keep)) {
    numbers.push_back(version.value);
  }
  return numbers;
}

TEST(VersionsToRetireTest, KeepsAllWithoutALimit) {
  EXPECT_THAT(Retired(Versions({3, 2, 1}), {}, 0), IsEmpty());
  EXPECT_THAT(Retired(Versions({3, 2, 1}), {}, -1), IsEmpty());
}

TEST(VersionsToRetireTest, KeepsTheNewest) {
  EXPECT_THAT(Retired(Versions({5, 3, 2, 1}), {}, 1), ElementsAre(3, 2, 1));
  EXPECT_THAT(Retired(Versions({5, 3, 2, 1}), {}, 3), ElementsAre(1));
  EXPECT_THAT(Retired(Versions({5, 3, 2, 1}), {}, 4), IsEmpty());
  EXPECT_THAT(Retired(Versions({1, 5, 2, 3}), {}, 2), ElementsAre(1, 2));
  EXPECT_THAT(Retired({}, {}, 1), IsEmpty());
}

TEST(VersionsToRetireTest, NeverTakesWhatAnAliasNamesOrNamedLast) {
  const auto rows = Versions({6, 5, 4, 3, 2, 1});
  EXPECT_THAT(Retired(rows, {Alias(1)}, 1), ElementsAre(5, 4, 3, 2));
  EXPECT_THAT(Retired(rows, {Alias(1, 3)}, 1), ElementsAre(5, 4, 2));
  EXPECT_THAT(Retired(rows, {Alias(1, 3), Alias(2, 6)}, 1), ElementsAre(4));
  EXPECT_THAT(Retired(rows, {Alias(1, 3), Alias(2, 6)}, 2), IsEmpty());
}

TEST(VersionsToRetireTest, CountsOnlyCommittedOnes) {
  auto rows = Versions({4, 3, 2, 1});
  rows[0].state = VersionState::kStaged;
  rows[1].state = VersionState::kRetired;
  EXPECT_THAT(Retired(rows, {}, 1), ElementsAre(1));
}

}  // namespace
}  // namespace resnetd
