#include "server/models/alias_changes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "server/base/thread.h"
#include "tests/support/fake_model.h"
#include "tests/unit/models/manager_fixture.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;

AliasMove Move(std::int64_t to) {
  return {.model = Named("digits"), .alias = "stable", .to = {to}};
}

// A fixture with versions 1 (stable) and 2 of "digits".
class AliasChangesTest : public ::testing::Test {
 protected:
  AliasChangesTest() {
    fixture_.Import("digits", 1);
    fixture_.Import("digits", 2);
  }
  ModelManager& manager() { return fixture_.manager(); }
  std::int64_t Generation() {
    return Must(fixture_.store().GetAlias(Named("digits"), "stable"))
        .generation;
  }
  std::int64_t LastEvent() { return Must(manager().LastEvent()); }

  ManagerFixture fixture_;
};

TEST_F(AliasChangesTest, ALostCompareAndSwapChangesNothing) {
  const int loads = fixture_.loader().loads();
  Must(manager().Unload(Named("digits"), {2}));
  AliasMove move = Move(2);
  move.expected_version = 2;
  absl::Status status = manager().SetAlias(move, false, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(ReasonOf(status), "ALIAS_MOVED");
  move.expected_version = std::nullopt;
  move.etag = "g7";
  status = manager().SetAlias(move, false, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(ReasonOf(status), "ETAG_MISMATCH");
  move.expected_version = 0;
  move.etag = "";
  EXPECT_EQ(ReasonOf(manager().SetAlias(move, false, {}).status()),
            "ALIAS_MOVED");
  EXPECT_EQ(fixture_.Answering("digits"), 1);
  EXPECT_EQ(Generation(), 1);
  // Nothing was loaded for a move that was lost already.
  EXPECT_EQ(fixture_.loader().loads(), loads);
}

TEST_F(AliasChangesTest, AMoveThatIsLostWhileItLoadsChangesNothing) {
  Must(manager().Unload(Named("digits"), {2}));
  fixture_.loader().SetHook([&](const ModelPackage&) {
    // Another process of the same store could do this.
    Must(fixture_.store().MoveAlias(
        {.model = Named("digits"), .alias = "stable", .to = {2}}, {}));
    Must(fixture_.store().MoveAlias(
        {.model = Named("digits"), .alias = "stable", .to = {1}}, {}));
    return absl::OkStatus();
  });
  AliasMove move = Move(2);
  move.etag = "g1";
  const absl::Status status = manager().SetAlias(move, false, {}).status();
  EXPECT_EQ(ReasonOf(status), "ETAG_MISMATCH");
  EXPECT_EQ(fixture_.Answering("digits"), 1);
  EXPECT_EQ(Generation(), 3);
}

TEST_F(AliasChangesTest, MovesWithTheRightEtagAndVersion) {
  AliasMove move = Move(2);
  move.expected_version = 1;
  move.etag = "g1";
  const AliasRow row = Must(manager().SetAlias(move, false, {}));
  EXPECT_EQ(row.version.value, 2);
  EXPECT_EQ(EtagOf(row), "g2");
  EXPECT_EQ(fixture_.Answering("digits"), 2);
}

TEST_F(AliasChangesTest, RefusesWhatIsNotThere) {
  EXPECT_EQ(ReasonOf(manager().SetAlias(Move(9), false, {}).status()),
            "VERSION_NOT_FOUND");
  AliasMove move = Move(1);
  move.model = Named("birds");
  EXPECT_EQ(manager().SetAlias(move, false, {}).status().code(),
            absl::StatusCode::kNotFound);
  Must(manager().DeleteVersion(Named("digits"), {2}, "", false, {}));
  EXPECT_EQ(ReasonOf(manager().SetAlias(Move(2), false, {}).status()),
            "VERSION_NOT_FOUND");
  move = Move(1);
  move.alias = "No Alias";
  EXPECT_EQ(manager().SetAlias(move, false, {}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(AliasChangesTest, ValidatingLoadsAndDoesNotMove) {
  Must(manager().Unload(Named("digits"), {2}));
  const std::int64_t events = LastEvent();
  const AliasRow row = Must(manager().SetAlias(Move(2), true, {}));
  EXPECT_EQ(row.version.value, 2);
  EXPECT_EQ(row.generation, 2);
  EXPECT_EQ(fixture_.Answering("digits"), 1);
  EXPECT_EQ(Generation(), 1);
  EXPECT_EQ(LastEvent(), events);
  EXPECT_EQ(Must(manager().GetVersion(Named("digits"), {2})).residency,
            Residency::kReady);
}

TEST_F(AliasChangesTest, ARepeatedRequestIsCarriedOutOnce) {
  const Mutation mutation{.actor = "ops",
                          .method = "SetAlias",
                          .request_id = "key-1",
                          .request_hash = std::string(64, 'a')};
  const AliasRow first = Must(manager().SetAlias(Move(2), false, mutation));
  Must(fixture_.Point("digits", "stable", 1));
  const std::int64_t events = LastEvent();
  const AliasRow again = Must(manager().SetAlias(Move(2), false, mutation));
  EXPECT_EQ(first.version.value, 2);
  EXPECT_EQ(again.version.value, 1);
  EXPECT_EQ(LastEvent(), events);
  EXPECT_EQ(fixture_.Answering("digits"), 1);
  Mutation other = mutation;
  other.request_hash = std::string(64, 'b');
  const absl::Status conflict =
      manager().SetAlias(Move(2), false, other).status();
  EXPECT_EQ(conflict.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(ReasonOf(conflict), "REQUEST_ID_CONFLICT");
}

TEST_F(AliasChangesTest, MovingItToWhereItIsIsNoEvent) {
  const std::int64_t events = LastEvent();
  const int pointed = fixture_.sink().counts().pointed;
  EXPECT_EQ(Must(manager().SetAlias(Move(1), false, {})).generation, 1);
  EXPECT_EQ(LastEvent(), events);
  EXPECT_EQ(fixture_.sink().counts().pointed, pointed);
}

TEST_F(AliasChangesTest, AFailedLoadKeepsTheOldOneServingAndSaysWhy) {
  Must(manager().Unload(Named("digits"), {2}));
  fixture_.loader().SetHook([](const ModelPackage&) {
    return absl::ResourceExhaustedError("no memory today");
  });
  EXPECT_EQ(manager().SetAlias(Move(2), false, {}).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(fixture_.Answering("digits"), 1);
  EXPECT_EQ(Generation(), 1);
  const VersionView view = Must(manager().GetVersion(Named("digits"), {2}));
  EXPECT_EQ(view.residency, Residency::kFailed);
  EXPECT_THAT(std::string(view.failure.message()),
              HasSubstr("no memory today"));
  EXPECT_EQ(fixture_.WhyNot("models/digits/versions/2"), "VERSION_FAILED");
  EXPECT_EQ(fixture_.sink().counts().load_failed, 1);
  EXPECT_EQ(fixture_.sink().counts().integrity, 0);
  // It is tried again.
  fixture_.loader().SetHook(nullptr);
  Must(manager().SetAlias(Move(2), false, {}));
  EXPECT_EQ(fixture_.Answering("digits"), 2);
}

TEST_F(AliasChangesTest, ANetworkThatAnswersOtherwiseIsNotServed) {
  Must(manager().Unload(Named("digits"), {2}));
  fixture_.loader().SetOffset(0.25F);
  const absl::Status status = manager().SetAlias(Move(2), false, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ReasonOf(status), "GOLDEN_MISMATCH");
  EXPECT_EQ(fixture_.Answering("digits"), 1);
  EXPECT_EQ(fixture_.sink().counts().integrity, 1);
  EXPECT_EQ(Must(manager().GetVersion(Named("digits"), {2})).residency,
            Residency::kFailed);
}

TEST_F(AliasChangesTest, ADamagedBlobIsNotServed) {
  const VersionView view = Must(manager().Unload(Named("digits"), {2}));
  fixture_.Damage(view.row.weights, view.row.weights_bytes / 2);
  const absl::Status status = manager().SetAlias(Move(2), false, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ReasonOf(status), "STORE_CORRUPT");
  EXPECT_EQ(fixture_.Answering("digits"), 1);
  EXPECT_EQ(fixture_.sink().counts().integrity, 1);
}

TEST_F(AliasChangesTest, APromotionToOtherLabelsMustBeAllowed) {
  const std::string file = TinyWeightsFile(3);
  ImportHeader header = HeaderOf("digits", file);
  for (int i = 0; i < 10; ++i) {
    header.labels.push_back(absl::StrCat("class-", i));
  }
  Must(fixture_.TryImport(header, file));
  const absl::Status status =
      manager().Promote(Move(3), {}, false, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(status), "LABEL_CHANGE");
  EXPECT_EQ(fixture_.Answering("digits"), 1);
  Must(manager().Promote(Move(2), {}, false, {}));
  EXPECT_EQ(fixture_.Answering("digits"), 2);
  Must(manager().Promote(Move(3), {.allow_label_change = true}, false, {}));
  EXPECT_EQ(fixture_.Answering("digits"), 3);
  // An alias that named nothing has no labels to change.
  AliasMove fresh = Move(1);
  fresh.alias = "canary";
  Must(manager().Promote(fresh, {}, false, {}));
}

// Version 3, which the gate refused.
class GatedAliasTest : public AliasChangesTest {
 protected:
  GatedAliasTest() {
    const std::string file = TinyWeightsFile(3);
    ImportHeader header = HeaderOf("digits", file);
    header.gate = GateRecord{
        .failed = {{"not_worse", "it is worse"}, {"min_accuracy", "50.0 %"}}};
    Must(fixture_.TryImport(header, file));
  }
  std::string LastAudit() {
    return Must(fixture_.store().ListAudit(0, 1000)).back().outcome;
  }
};

TEST_F(GatedAliasTest, AVersionThatTheGateRefusedIsNotPromoted) {
  const std::int64_t events = LastEvent();
  const absl::Status status =
      manager().Promote(Move(3), {}, false, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(status), "GATE_NOT_PASSED");
  EXPECT_THAT(DetailsOf(status).violations,
              ElementsAre(Pair("not_worse", "it is worse"),
                          Pair("min_accuracy", "50.0 %")));
  EXPECT_EQ(fixture_.Answering("digits"), 1);
  EXPECT_EQ(LastEvent(), events);
  // Whoever says SetAlias means it.
  Must(manager().SetAlias(Move(3), false, {}));
  EXPECT_EQ(fixture_.Answering("digits"), 3);
  // It answers already: nothing is left to refuse.
  Must(manager().Promote(Move(3), {}, false, {}));
}

TEST_F(GatedAliasTest, AnOverrideIsAuditedAndKeptWithTheAlias) {
  const AliasRow checked =
      Must(manager().Promote(Move(3), {.gate_override = "why"}, true, {}));
  EXPECT_EQ(checked.gate_override, "why");
  EXPECT_EQ(fixture_.Answering("digits"), 1);
  const AliasRow moved = Must(
      manager().Promote(Move(3), {.gate_override = "seen by eye"}, false, {}));
  EXPECT_EQ(moved.gate_override, "seen by eye");
  EXPECT_THAT(LastAudit(), HasSubstr("gate overridden: seen by eye"));
  EXPECT_EQ(Must(manager().Events(LastEvent() - 1, 1)).front().gate_override,
            "seen by eye");
  const auto stable = [this] {
    return Must(fixture_.store().GetAlias(Named("digits"), "stable"));
  };
  EXPECT_EQ(stable().gate_override, "seen by eye");
  fixture_.Restart();
  EXPECT_EQ(stable().gate_override, "seen by eye");
  EXPECT_EQ(
      Must(manager().GetModel(Named("digits"))).aliases.at(0).gate_override,
      "seen by eye");
  // The next move is its own.
  Must(manager().Promote(Move(2), {.gate_override = "not needed"}, false, {}));
  EXPECT_EQ(stable().gate_override, "");
  EXPECT_THAT(LastAudit(), Not(HasSubstr("overridden")));
}

TEST_F(GatedAliasTest, WhoJudgedAVersionNeedsNoGate) {
  Must(manager().Promote(Move(3), {.is_judged = true}, false, {}));
  EXPECT_EQ(fixture_.Answering("digits"), 3);
  EXPECT_THAT(LastAudit(), Not(HasSubstr("overridden")));
}

TEST_F(AliasChangesTest, DoesNotRollBackToADeletedVersion) {
  Must(fixture_.Point("digits", "stable", 2));
  Must(manager().DeleteVersion(Named("digits"), {1}, "", false, {}));
  const absl::Status status =
      manager()
          .RollbackAlias(Named("digits"), "stable", "", false, {})
          .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(status), "NO_PREVIOUS_VERSION");
  EXPECT_EQ(fixture_.Answering("digits"), 2);
}

TEST_F(AliasChangesTest, RollsBackOnlyWithTheRightEtag) {
  Must(fixture_.Point("digits", "stable", 2));
  const absl::Status status =
      manager()
          .RollbackAlias(Named("digits"), "stable", "g1", false, {})
          .status();
  EXPECT_EQ(ReasonOf(status), "ETAG_MISMATCH");
  EXPECT_EQ(fixture_.Answering("digits"), 2);
  EXPECT_EQ(
      Must(manager().RollbackAlias(Named("digits"), "stable", "g2", true, {}))
          .version.value,
      1);
  EXPECT_EQ(fixture_.Answering("digits"), 2);
  Must(manager().RollbackAlias(Named("digits"), "stable", "g2", false, {}));
  EXPECT_EQ(fixture_.Answering("digits"), 1);
  EXPECT_EQ(ReasonOf(manager()
                         .RollbackAlias(Named("digits"), "gone", "", false, {})
                         .status()),
            "ALIAS_NOT_FOUND");
}

TEST_F(AliasChangesTest, ARepeatedRollBackIsCarriedOutOnce) {
  Must(fixture_.Point("digits", "stable", 2));
  const Mutation mutation{.actor = "ops",
                          .method = "RollbackAlias",
                          .request_id = "key-1",
                          .request_hash = std::string(64, 'a')};
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(Must(manager().RollbackAlias(Named("digits"), "stable", "", false,
                                           mutation))
                  .version.value,
              1);
  }
  EXPECT_EQ(Generation(), 3);
}

TEST_F(AliasChangesTest, DeletesAnAliasButNotStable) {
  Must(fixture_.Point("digits", "canary", 2));
  EXPECT_EQ(fixture_.Answering("models/digits/aliases/canary"), 2);
  EXPECT_EQ(
      ReasonOf(manager().DeleteAlias(Named("digits"), "canary", "g9", {})),
      "ETAG_MISMATCH");
  EXPECT_TRUE(manager().DeleteAlias(Named("digits"), "canary", "", {}).ok());
  EXPECT_EQ(fixture_.WhyNot("models/digits/aliases/canary"), "ALIAS_NOT_FOUND");
  EXPECT_EQ(fixture_.sink().counts().alias_deleted, 1);
  EXPECT_EQ(ReasonOf(manager().DeleteAlias(Named("digits"), "canary", "", {})),
            "ALIAS_NOT_FOUND");
  const absl::Status status =
      manager().DeleteAlias(Named("digits"), "stable", "", {});
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(status), "VERSION_IN_USE");
  EXPECT_EQ(fixture_.Answering("digits"), 1);
}

TEST_F(AliasChangesTest, GenerationsNeverGoBackWhenAnAliasIsMadeAgain) {
  EXPECT_EQ(Must(fixture_.Point("digits", "canary", 2)).generation, 1);
  ASSERT_TRUE(manager().DeleteAlias(Named("digits"), "canary", "", {}).ok());
  EXPECT_GT(Must(fixture_.Point("digits", "canary", 2)).generation, 1);
}

// What a reader of the alias may see while it moves.
struct Seen {
  std::set<std::int64_t> versions;
  int answers = 0;
};

Seen ReadUntil(const std::atomic<bool>& done, const ModelRegistry& registry) {
  Seen seen;
  const ModelReference reference{.name = Named("digits")};
  while (!done.load()) {
    const auto version = registry.Acquire(reference);
    if (!version.ok() || *version == nullptr) {
      ADD_FAILURE() << version.status();
      continue;
    }
    const Pixels picture = FakePixels(7, 32);
    const Pixels* batch = &picture;
    const auto logits = (*version)->model->Logits({&batch, 1});
    // The network that answers is that of the number: 100 + n is at class n.
    const std::int64_t number = (*version)->facts.version.value;
    const auto at = static_cast<std::size_t>(number);
    EXPECT_TRUE(logits.ok() && (*logits)[at] > 99.0F);
    seen.versions.insert(number);
    ++seen.answers;
  }
  return seen;
}

void CycleWithReaders(ManagerFixture& fixture, int cycles) {
  constexpr int kReaders = 3;
  std::atomic<bool> done = false;
  std::latch started(kReaders + 1);
  std::vector<Seen> seen(kReaders);
  std::vector<std::thread::id> readers(kReaders);
  {
    std::vector<Thread> threads;
    for (std::size_t i = 0; i < kReaders; ++i) {
      threads.emplace_back("read", [&, i] {
        readers[i] = std::this_thread::get_id();
        started.arrive_and_wait();
        seen[i] = ReadUntil(done, fixture.registry());
      });
    }
    started.arrive_and_wait();
    std::int64_t generation = 1;
    for (int i = 0; i < cycles; ++i) {
      const AliasRow there = Must(fixture.Point("digits", "stable", 2));
      const AliasRow back = Must(fixture.manager().RollbackAlias(
          Named("digits"), "stable", "", false, {}));
      EXPECT_EQ(there.generation, generation + 1);
      EXPECT_EQ(back.generation, generation + 2);
      generation = back.generation;
    }
    done.store(true);
  }
  for (const Seen& one : seen) {
    for (const std::int64_t version : one.versions) {
      EXPECT_TRUE(version == 1 || version == 2) << version;
    }
    EXPECT_GT(one.answers, 0);
  }
  for (const std::thread::id on : fixture.loader().freed_on()) {
    EXPECT_NE(on, std::this_thread::get_id());
    for (const std::thread::id reader : readers) {
      EXPECT_NE(on, reader);
    }
  }
}

TEST_F(AliasChangesTest, MovesUnderReadersAndStaysResident) {
  const int loads = fixture_.loader().loads();
  CycleWithReaders(fixture_, 100);
  EXPECT_EQ(fixture_.loader().loads(), loads);
  EXPECT_EQ(fixture_.loader().live(), 2);
}

TEST(AliasChangesMemoryTest, FreesOnlyOnTheRetireThread) {
  constexpr int kCycles = 20;
  ModelManagerOptions options;
  options.keep_loaded = 0;
  ManagerFixture fixture(options);
  fixture.Import("digits", 1);
  fixture.Import("digits", 2);
  const int loads = fixture.loader().loads();
  CycleWithReaders(fixture, kCycles);
  // Each move loads the one and frees the other.
  EXPECT_EQ(fixture.loader().loads(), loads + 2 * kCycles);
  // Ends the thread; what answers is freed last, with the registry.
  fixture.Close();
  std::vector<std::thread::id> freed = fixture.loader().freed_on();
  ASSERT_EQ(freed.size(), std::size_t{2 * kCycles + 2});
  EXPECT_EQ(freed.back(), std::this_thread::get_id());
  freed.pop_back();
  EXPECT_EQ(std::set<std::thread::id>(freed.begin(), freed.end()).size(), 1U);
  EXPECT_NE(freed.front(), std::this_thread::get_id());
}

}  // namespace
}  // namespace resnetd
