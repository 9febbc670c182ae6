#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/base/error.h"
#include "server/store/store.h"
#include "tests/unit/store/store_fixture.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::string ReasonOf(const absl::Status& status) {
  return DetailsOf(status).reason;
}

Mutation Keyed(const std::string& method, const std::string& id,
               const std::string& hash = "hash") {
  return {
      .actor = "ann", .method = method, .request_id = id, .request_hash = hash};
}

// "v2 p1 g3"
std::string TextOf(const AliasRow& row) {
  return absl::StrCat("v", row.version.value, " p",
                      row.previous ? row.previous->value : 0, " g",
                      row.generation);
}

class CatalogChangesTest : public ::testing::Test {
 protected:
  void PublishThree() {
    for (int i = 1; i <= 3; ++i) {
      PublishNumber(*store_, "a", i);
    }
  }
  std::string Move(std::int64_t to,
                   const Mutation& mutation = {.method = "SetAlias"}) {
    const auto row = store_->MoveAlias(MoveTo("a", to), mutation);
    return row.ok() ? TextOf(*row) : ReasonOf(row.status());
  }
  absl::Status Delete(std::int64_t version, const std::string& etag = "",
                      const Mutation& mutation = {.method = "DeleteVersion"}) {
    return store_
        ->DeleteVersion(Model("a"), VersionNumber{version}, etag, mutation)
        .status();
  }
  std::size_t Audited() { return Must(store_->ListAudit(0, 1000)).size(); }
  std::size_t Events() { return Must(store_->ListEvents(0, 1000)).size(); }

  OpenedStore store_;
};

TEST_F(CatalogChangesTest, TheFirstVersionGetsItsAliasInTheSameStep) {
  const Published first = PublishNumber(*store_, "a", 1);
  EXPECT_EQ(TextOf(Must(store_->GetAlias(Model("a"), "stable"))), "v1 p0 g1");
  EXPECT_EQ(first.version.weights_bytes, 14);
  PublishNumber(*store_, "a", 2);
  EXPECT_EQ(TextOf(Must(store_->GetAlias(Model("a"), "stable"))), "v1 p0 g1");
  std::vector<std::string> kinds;
  for (const EventRow& event : Must(store_->ListEvents(0, 9))) {
    kinds.push_back(absl::StrCat(static_cast<int>(event.kind), ":",
                                 event.version->value, ":", event.alias));
  }
  EXPECT_THAT(kinds, ElementsAre("1:1:", "3:1:stable", "1:2:"));
  const auto audit = Must(store_->ListAudit(0, 9));
  ASSERT_EQ(audit.size(), 2);
  EXPECT_EQ(audit[0].resource, "models/a/versions/1");
  EXPECT_THAT(audit[0].outcome, HasSubstr("alias stable"));
}

TEST_F(CatalogChangesTest, WithoutAFirstAliasThereIsNone) {
  NewVersion version = VersionOf(*store_, "a", 1);
  version.first_alias = "";
  Must(store_->Publish(version, {}));
  EXPECT_TRUE(Must(store_->ListAliases(Model("a"))).empty());
}

TEST_F(CatalogChangesTest, EqualContentIsOneVersionWhileItIsCommitted) {
  const Published first = PublishNumber(*store_, "a", 1);
  PublishNumber(*store_, "a", 2);
  const std::size_t audited = Audited();
  const std::size_t events = Events();
  const Published again = PublishNumber(*store_, "a", 1);
  EXPECT_FALSE(again.created);
  EXPECT_EQ(again.version.version, first.version.version);
  EXPECT_EQ(Audited(), audited);
  EXPECT_EQ(Events(), events);
  // In another model it is another one.
  EXPECT_TRUE(PublishNumber(*store_, "b", 1).created);
  // And after it was deleted.
  EXPECT_EQ(Move(2), "v2 p1 g2");
  ASSERT_TRUE(Delete(1).ok());
  const Published anew = PublishNumber(*store_, "a", 1);
  EXPECT_TRUE(anew.created);
  EXPECT_EQ(anew.version.version.value, 3);
}

TEST_F(CatalogChangesTest, ABroughtNumberIsTaken) {
  NewVersion version = VersionOf(*store_, "a", 1);
  version.number = VersionNumber{7};
  EXPECT_EQ(Must(store_->Publish(version, {})).version.version.value, 7);
  // Again: it is there.
  EXPECT_FALSE(Must(store_->Publish(version, {})).created);
  // The next one goes on behind it, also after one from below.
  NewVersion below = VersionOf(*store_, "a", 2);
  below.number = VersionNumber{3};
  EXPECT_TRUE(Must(store_->Publish(below, {})).created);
  EXPECT_EQ(PublishNumber(*store_, "a", 3).version.version.value, 8);
}

TEST_F(CatalogChangesTest, ABroughtNumberThatWasRetiredIsCommittedAgain) {
  PublishThree();
  NewVersion version = VersionOf(*store_, "a", 3);
  version.number = VersionNumber{3};
  ASSERT_TRUE(Delete(3).ok());
  const std::size_t events = Events();
  const Published back = Must(store_->Publish(version, {}));
  EXPECT_TRUE(back.created);
  EXPECT_EQ(back.version.state, VersionState::kCommitted);
  EXPECT_EQ(Events(), events + 1);
  EXPECT_EQ(Must(store_->ListVersions(Model("a"))).size(), 3U);
  EXPECT_TRUE(Must(store_->Verify()).empty());
}

TEST_F(CatalogChangesTest, ABroughtNumberOfOtherContentIsRefused) {
  PublishThree();
  NewVersion version = VersionOf(*store_, "a", 4);
  version.number = VersionNumber{3};
  EXPECT_EQ(DetailsOf(store_->Publish(version, {}).status()).reason,
            "STORE_UNUSABLE");
}

TEST_F(CatalogChangesTest, NumbersAreNeverGivenAgain) {
  PublishThree();
  ASSERT_TRUE(Delete(3).ok());
  EXPECT_EQ(PublishNumber(*store_, "a", 4).version.version.value, 4);
  ASSERT_TRUE(Must(store_->ListAliases(Model("a"))).size() == 1);
  ASSERT_TRUE(store_->DeleteAlias(Model("a"), "stable", "", {}).ok());
  for (const int version : {1, 2, 4}) {
    ASSERT_TRUE(Delete(version).ok());
  }
  EXPECT_TRUE(Must(store_->ListModels()).empty());
  const Published next = PublishNumber(*store_, "a", 1);
  EXPECT_EQ(next.version.version.value, 5);
  // The first committed one again: it gets the alias, whose generation goes on.
  EXPECT_EQ(TextOf(Must(store_->GetAlias(Model("a"), "stable"))), "v5 p0 g2");
}

TEST_F(CatalogChangesTest, AVersionNeedsItsBlobsAndItsParent) {
  NewVersion version = VersionOf(*store_, "a", 1);
  for (Digest NewVersion::*field : {&NewVersion::weights, &NewVersion::manifest,
                                    &NewVersion::labels, &NewVersion::golden}) {
    NewVersion lacking = version;
    lacking.*field = std::string(64, '0');
    EXPECT_EQ(ReasonOf(store_->Publish(lacking, {}).status()),
              "BLOB_NOT_FOUND");
  }
  NewVersion empty = version;
  empty.weights = "";
  EXPECT_EQ(ReasonOf(store_->Publish(empty, {}).status()), "BLOB_NOT_FOUND");
  NewVersion keyless = version;
  keyless.content_key = "";
  EXPECT_EQ(ReasonOf(store_->Publish(keyless, {}).status()), "INTERNAL");
  version.parent = VersionNumber{7};
  EXPECT_EQ(ReasonOf(store_->Publish(version, {}).status()),
            "VERSION_NOT_FOUND");
  EXPECT_TRUE(Must(store_->ListModels()).empty());
  EXPECT_EQ(Events(), 0);
  PublishNumber(*store_, "a", 1);
  NewVersion child = VersionOf(*store_, "a", 2);
  child.parent = VersionNumber{1};
  child.labels = "";
  child.golden = "";
  EXPECT_EQ(Must(store_->Publish(child, {})).version.parent, VersionNumber{1});
}

TEST_F(CatalogChangesTest, GoingBackTwiceGoesForthAgain) {
  PublishThree();
  EXPECT_EQ(Move(2), "v2 p1 g2");
  EXPECT_EQ(Move(3), "v3 p2 g3");
  for (int i = 0; i < 4; ++i) {
    const AliasRow now = Must(store_->GetAlias(Model("a"), "stable"));
    AliasMove back = MoveTo("a", now.previous->value);
    back.kind = EventKind::kAliasRolledBack;
    const AliasRow then =
        Must(store_->MoveAlias(back, {.method = "RollbackAlias"}));
    EXPECT_EQ(then.version.value, i % 2 == 0 ? 2 : 3);
    EXPECT_EQ(then.previous, now.version);
    EXPECT_EQ(then.generation, now.generation + 1);
  }
  EXPECT_EQ(Must(store_->ListEvents(0, 99)).back().kind,
            EventKind::kAliasRolledBack);
}

TEST_F(CatalogChangesTest, AMoveToWhereItIsLeavesNoTrace) {
  PublishThree();
  const std::size_t audited = Audited();
  const std::size_t events = Events();
  EXPECT_EQ(Move(1), "v1 p0 g1");
  EXPECT_EQ(Audited(), audited);
  EXPECT_EQ(Events(), events);
}

TEST_F(CatalogChangesTest, AMoveNeedsACommittedVersion) {
  PublishThree();
  ASSERT_TRUE(Delete(2).ok());
  EXPECT_EQ(Move(2), "VERSION_NOT_FOUND");
  EXPECT_EQ(Move(9), "VERSION_NOT_FOUND");
  EXPECT_EQ(ReasonOf(store_->MoveAlias(MoveTo("z", 1), {}).status()),
            "MODEL_NOT_FOUND");
}

TEST_F(CatalogChangesTest, AVersionThatAnAliasNamesCannotBeDeleted) {
  PublishThree();
  Must(store_->MoveAlias(MoveTo("a", 1, "canary"), {}));
  const absl::Status refused = Delete(1);
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(refused), "VERSION_IN_USE");
  EXPECT_THAT(std::string(refused.message()), HasSubstr("canary,stable"));
  EXPECT_EQ(DetailsOf(refused).metadata.front().second, "canary,stable");
}

TEST_F(CatalogChangesTest, APreviousVersionMayBeDeletedAndIsForgotten) {
  PublishThree();
  EXPECT_EQ(Move(2), "v2 p1 g2");
  ASSERT_TRUE(Delete(1).ok());
  EXPECT_EQ(TextOf(Must(store_->GetAlias(Model("a"), "stable"))), "v2 p0 g2");
  const VersionRow row = Must(store_->GetVersion(Model("a"), VersionNumber{1}));
  EXPECT_EQ(row.state, VersionState::kRetired);
  EXPECT_EQ(ReasonOf(Delete(1)), "VERSION_NOT_FOUND");
  EXPECT_EQ(Must(store_->ListVersions(Model("a"))).size(), 2);
}

TEST_F(CatalogChangesTest, DeletingComparesTheEtag) {
  PublishThree();
  EXPECT_EQ(ReasonOf(Delete(2, "s1")), "ETAG_MISMATCH");
  EXPECT_TRUE(Delete(2, "s2").ok());
  EXPECT_EQ(ReasonOf(store_->DeleteAlias(Model("a"), "stable", "g9", {})),
            "ETAG_MISMATCH");
  EXPECT_TRUE(store_->DeleteAlias(Model("a"), "stable", "g1", {}).ok());
  EXPECT_EQ(ReasonOf(store_->DeleteAlias(Model("a"), "stable", "", {})),
            "ALIAS_NOT_FOUND");
  EXPECT_EQ(ReasonOf(store_->DeleteAlias(Model("z"), "stable", "", {})),
            "MODEL_NOT_FOUND");
}

TEST_F(CatalogChangesTest, GenerationsGrowOverDeletingAndMakingAgain) {
  PublishThree();
  EXPECT_EQ(Move(2), "v2 p1 g2");
  ASSERT_TRUE(store_->DeleteAlias(Model("a"), "stable", "", {}).ok());
  const EventRow event = Must(store_->ListEvents(0, 99)).back();
  EXPECT_EQ(event.kind, EventKind::kAliasDeleted);
  EXPECT_EQ(event.version, VersionNumber{2});
  EXPECT_EQ(event.generation, 2);
  store_.Open();
  EXPECT_EQ(Move(3), "v3 p0 g3");
}

TEST_F(CatalogChangesTest, ARepetitionIsAnsweredAndNotCarriedOut) {
  PublishThree();
  EXPECT_EQ(Move(2, Keyed("SetAlias", "k1")), "v2 p1 g2");
  EXPECT_EQ(Move(3), "v3 p2 g3");
  const std::size_t audited = Audited();
  store_.Open();
  // As it is now.
  EXPECT_EQ(Move(2, Keyed("SetAlias", "k1")), "v3 p2 g3");
  EXPECT_EQ(Must(store_->Remembered(Keyed("SetAlias", "k1"))),
            "models/a/aliases/stable");
  EXPECT_EQ(Must(store_->Remembered(Keyed("SetAlias", "k2"))), std::nullopt);
  EXPECT_EQ(Must(store_->Remembered({.method = "SetAlias"})), std::nullopt);
  EXPECT_EQ(Audited(), audited);
  EXPECT_EQ(Move(2, Keyed("SetAlias", "k1", "other")), "REQUEST_ID_CONFLICT");
  EXPECT_EQ(ReasonOf(Delete(2, "", Keyed("DeleteVersion", "k1"))),
            "REQUEST_ID_CONFLICT");
  EXPECT_EQ(ReasonOf(store_->Remembered(Keyed("x", "k1")).status()),
            "REQUEST_ID_CONFLICT");
}

TEST_F(CatalogChangesTest, EveryKindOfMutationCanBeRepeated) {
  PublishThree();
  const NewVersion fourth = VersionOf(*store_, "a", 4);
  EXPECT_TRUE(Must(store_->Publish(fourth, Keyed("I", "k1"))).created);
  const Published again = Must(store_->Publish(fourth, Keyed("I", "k1")));
  EXPECT_TRUE(again.created);  // As it was answered.
  EXPECT_EQ(again.version.version.value, 4);
  // A key on what was there before answers so again.
  EXPECT_FALSE(Must(store_->Publish(fourth, Keyed("I", "k2"))).created);
  EXPECT_FALSE(Must(store_->Publish(fourth, Keyed("I", "k2"))).created);
  // Also when the version is gone by now.
  EXPECT_TRUE(Delete(4, "s2", Keyed("D", "k3")).ok());
  EXPECT_TRUE(Delete(4, "s2", Keyed("D", "k3")).ok());
  EXPECT_EQ(Must(store_->Publish(fourth, Keyed("I", "k1"))).version.state,
            VersionState::kRetired);
  const auto remove = [&] {
    return store_->DeleteAlias(Model("a"), "stable", "g1", Keyed("A", "k4"));
  };
  EXPECT_TRUE(remove().ok());
  EXPECT_TRUE(remove().ok());
}

TEST_F(CatalogChangesTest, AKeyIsKeptForAMoveThatChangedNothing) {
  PublishThree();
  EXPECT_EQ(Move(1, Keyed("SetAlias", "k1")), "v1 p0 g1");
  EXPECT_EQ(Move(2), "v2 p1 g2");
  // Repeated, it must not move the alias back.
  EXPECT_EQ(Move(1, Keyed("SetAlias", "k1")), "v2 p1 g2");
}

TEST_F(CatalogChangesTest, ARefusedMutationKeepsNoKey) {
  PublishThree();
  EXPECT_EQ(Move(9, Keyed("SetAlias", "k1")), "VERSION_NOT_FOUND");
  EXPECT_EQ(Must(store_->Remembered(Keyed("SetAlias", "k1"))), std::nullopt);
}

TEST_F(CatalogChangesTest, EveryMutationLeavesOneAuditRowWithItsFacts) {
  PublishThree();
  EXPECT_EQ(Move(2, Keyed("SetAlias", "k1")), "v2 p1 g2");
  const AuditRow row = Must(store_->ListAudit(0, 99)).back();
  EXPECT_EQ(row.sequence, 4);
  EXPECT_EQ(row.actor, "ann");
  EXPECT_EQ(row.method, "SetAlias");
  EXPECT_EQ(row.resource, "models/a/aliases/stable");
  EXPECT_EQ(row.request_id, "k1");
  EXPECT_EQ(row.outcome, "version 2, previous 1, generation 2");
  EXPECT_EQ(row.time, store_.clock().WallNow());
  ASSERT_TRUE(Delete(3).ok());
  ASSERT_TRUE(store_->DeleteAlias(Model("a"), "stable", "", {}).ok());
  EXPECT_EQ(Audited(), 6);
  EXPECT_EQ(Events(), 7);
}

TEST_F(CatalogChangesTest, AnOverrideIsKeptWithTheMoveThatItWasFor) {
  PublishThree();
  AliasMove move = MoveTo("a", 2);
  move.gate_override = "seen by eye";
  EXPECT_EQ(Must(store_->MoveAlias(move, {})).gate_override, "seen by eye");
  EXPECT_EQ(Must(store_->ListAudit(0, 99)).back().outcome,
            "version 2, previous 1, generation 2, gate overridden: seen by "
            "eye");
  store_.Open();
  EXPECT_EQ(Must(store_->GetAlias(Model("a"), "stable")).gate_override,
            "seen by eye");
  // Forgetting what was before does not forget why.
  ASSERT_TRUE(Delete(1).ok());
  EXPECT_EQ(Must(store_->ListAliases(Model("a"))).at(0).gate_override,
            "seen by eye");
  // To where it is: nothing is moved.
  move.gate_override = "again";
  EXPECT_EQ(Must(store_->MoveAlias(move, {})).gate_override, "seen by eye");
  Must(store_->MoveAlias(MoveTo("a", 3), {}));
  EXPECT_EQ(Must(store_->GetAlias(Model("a"), "stable")).gate_override, "");
  ASSERT_TRUE(store_->DeleteAlias(Model("a"), "stable", "", {}).ok());
  std::vector<std::string> told;
  for (const EventRow& event : Must(store_->ListEvents(0, 99))) {
    told.push_back(event.gate_override);
  }
  EXPECT_THAT(told, ElementsAre("", "", "", "", "seen by eye", "", "", ""));
  EXPECT_TRUE(Must(store_->Verify()).empty());
}

TEST_F(CatalogChangesTest, KeysAreRememberedForTheirTime) {
  PublishThree();
  Move(2, Keyed("SetAlias", "k1"));
  store_.clock().Advance(std::chrono::hours(24));
  Must(store_->Collect());
  EXPECT_TRUE(Must(store_->Remembered(Keyed("SetAlias", "k1"))).has_value());
  store_.clock().Advance(std::chrono::seconds(1));
  Must(store_->Collect());
  EXPECT_FALSE(Must(store_->Remembered(Keyed("SetAlias", "k1"))).has_value());
}

TEST_F(CatalogChangesTest, NotesAreKept) {
  EXPECT_EQ(Must(store_->GetNote("declared")), "");
  Must(store_->SetNote("declared", "x"));
  store_.Open();
  EXPECT_EQ(Must(store_->GetNote("declared")), "x");
  EXPECT_EQ(Audited(), 0);
}

TEST_F(CatalogChangesTest, TextsForClientsNameNoPath) {
  PublishThree();
  for (const absl::Status& status :
       {Delete(1), Delete(9), Delete(2, "s1"), store_->OpenBlob("x").status(),
        store_->MoveAlias(MoveTo("a", 9), {}).status()}) {
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("/")));
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("SQL")));
  }
}

}  // namespace
}  // namespace resnetd
