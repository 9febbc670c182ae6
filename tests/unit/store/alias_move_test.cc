#include "server/store/alias_move.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/error.h"
#include "tests/unit/store/store_fixture.h"

namespace resnetd {
namespace {

constexpr WallTime kNow{std::chrono::seconds(9)};

std::optional<AliasRecord> At(std::int64_t version, std::int64_t generation,
                              std::optional<VersionNumber> previous = {}) {
  return AliasRecord{.row = {.model = Model("a"),
                             .alias = "stable",
                             .version = VersionNumber{version},
                             .previous = previous,
                             .generation = generation,
                             .updated = WallTime{}}};
}

std::optional<AliasRecord> RemovedAt(std::int64_t generation) {
  auto record = At(0, generation);
  record->removed = true;
  return record;
}

// "v2 p1 g3" or the reason of the refusal.
std::string Decide(const std::optional<AliasRecord>& before, std::int64_t to,
                   std::optional<std::int64_t> expected = {},
                   const std::string& etag = "") {
  AliasMove move = MoveTo("a", to);
  move.expected_version = expected;
  move.etag = etag;
  const auto decided = DecideMove(before, move, kNow);
  if (!decided.ok()) {
    return DetailsOf(decided.status()).reason;
  }
  EXPECT_EQ(decided->row.updated == kNow, decided->changed);
  return absl::StrCat(decided->changed ? "" : "same ", "v",
                      decided->row.version.value, " p",
                      decided->row.previous ? decided->row.previous->value : 0,
                      " g", decided->row.generation);
}

TEST(AliasMoveTest, MovesMakesAndLeaves) {
  EXPECT_EQ(Decide(std::nullopt, 1), "v1 p0 g1");
  EXPECT_EQ(Decide(At(1, 1), 2), "v2 p1 g2");
  EXPECT_EQ(Decide(At(2, 2, VersionNumber{1}), 1), "v1 p2 g3");
  EXPECT_EQ(Decide(At(2, 2, VersionNumber{1}), 2), "same v2 p1 g2");
  EXPECT_EQ(Decide(RemovedAt(7), 2), "v2 p0 g8");
}

TEST(AliasMoveTest, ComparesTheVersionExpected) {
  EXPECT_EQ(Decide(At(1, 1), 2, 1), "v2 p1 g2");
  EXPECT_EQ(Decide(At(1, 1), 2, 2), "ALIAS_MOVED");
  EXPECT_EQ(Decide(At(1, 1), 2, 0), "ALIAS_MOVED");
  EXPECT_EQ(Decide(std::nullopt, 2, 0), "v2 p0 g1");
  EXPECT_EQ(Decide(RemovedAt(3), 2, 0), "v2 p0 g4");
  EXPECT_EQ(Decide(std::nullopt, 2, 1), "ALIAS_MOVED");
  EXPECT_EQ(Decide(RemovedAt(3), 2, 1), "ALIAS_MOVED");
  // Also when it is where it shall go: somebody else moved it there.
  EXPECT_EQ(Decide(At(2, 2), 2, 1), "ALIAS_MOVED");
}

TEST(AliasMoveTest, ComparesTheEtag) {
  EXPECT_EQ(Decide(At(1, 5), 2, {}, "g5"), "v2 p1 g6");
  EXPECT_EQ(Decide(At(1, 5), 2, {}, "g4"), "ETAG_MISMATCH");
  EXPECT_EQ(Decide(At(1, 5), 2, {}, "5"), "ETAG_MISMATCH");
  EXPECT_EQ(Decide(std::nullopt, 2, {}, "g1"), "ETAG_MISMATCH");
  EXPECT_EQ(Decide(RemovedAt(1), 2, {}, "g1"), "ETAG_MISMATCH");
}

TEST(AliasMoveTest, ALostRaceSaysWhatIsThere) {
  AliasMove move = MoveTo("a", 2);
  move.expected_version = 7;
  const absl::Status lost = DecideMove(At(3, 5), move, kNow).status();
  EXPECT_EQ(lost.code(), absl::StatusCode::kAborted);
  const std::vector<std::pair<std::string, std::string>> facts = {
      {"current", "3"}, {"etag", "g5"}};
  EXPECT_EQ(DetailsOf(lost).metadata, facts);
}

TEST(AliasMoveTest, EtagsAreGenerationAndState) {
  EXPECT_EQ(EtagOf(At(1, 7)->row), "g7");
  EXPECT_EQ(EtagOf(VersionRow{.model = Model("a"),
                              .state = VersionState::kCommitted}),
            "s2");
  EXPECT_TRUE(CheckEtag("x", "", "g1").ok());
  EXPECT_TRUE(CheckEtag("x", "g1", "g1").ok());
  EXPECT_EQ(CheckEtag("x", "g2", "g1").code(), absl::StatusCode::kAborted);
}

}  // namespace
}  // namespace resnetd
