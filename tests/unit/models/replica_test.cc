#include "server/models/replica.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "tests/unit/models/manager_fixture.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

RegistryModel ModelOf(const std::string& name,
                      const std::map<std::string, std::int64_t>& aliases) {
  RegistryModel model{.name = Named(name)};
  for (const auto& [alias, version] : aliases) {
    model.aliases.emplace(alias, VersionNumber{version});
  }
  return model;
}

ModelView ViewOf(const std::string& name,
                 const std::map<std::string, std::int64_t>& aliases) {
  ModelView view{.name = Named(name)};
  for (const auto& [alias, version] : aliases) {
    view.aliases.push_back({.model = view.name,
                            .alias = alias,
                            .version = VersionNumber{version}});
  }
  return view;
}

// "a/stable -> 2", "a/canary -> none".
std::vector<std::string> TextsOf(const ReplicaPlan& plan) {
  std::vector<std::string> texts;
  for (const ReplicaPlan::Alias& alias : plan.aliases) {
    texts.push_back(
        absl::StrCat(alias.model.text(), "/", alias.alias, " -> ",
                     alias.to ? absl::StrCat(alias.to->value) : "none"));
  }
  return texts;
}

TEST(PlanReplicaTest, CopiesEachNamedVersionOnceAndStableComesFirst) {
  const ReplicaPlan plan =
      PlanReplica({.models = {ModelOf("b", {{"stable", 1}}),
                              ModelOf("a", {{"best", 3}, {"stable", 3}})}},
                  {}, {});
  EXPECT_THAT(plan.copies, ElementsAre(Pair(Named("a"), VersionNumber{3}),
                                       Pair(Named("b"), VersionNumber{1})));
  EXPECT_THAT(TextsOf(plan),
              ElementsAre("a/stable -> 3", "b/stable -> 1", "a/best -> 3"));
}

TEST(PlanReplicaTest, LeavesWhatIsAsItShouldBe) {
  const ReplicaPlan plan =
      PlanReplica({.models = {ModelOf("a", {{"stable", 3}})}},
                  {ViewOf("a", {{"stable", 3}})}, {{Named("a"), {{3}}}});
  EXPECT_THAT(plan.copies, IsEmpty());
  EXPECT_THAT(plan.aliases, IsEmpty());
}

TEST(PlanReplicaTest, MovesAndRemovesAliases) {
  const ReplicaPlan plan =
      PlanReplica({.models = {ModelOf("a", {{"stable", 2}})}},
                  {ViewOf("a", {{"canary", 2}, {"stable", 1}})},
                  {{Named("a"), {{1}, {2}}}});
  EXPECT_THAT(plan.copies, IsEmpty());
  EXPECT_THAT(TextsOf(plan), ElementsAre("a/stable -> 2", "a/canary -> none"));
}

TEST(PlanReplicaTest, KeepsAModelThatTheRegistryNoLongerHas) {
  const ReplicaPlan plan =
      PlanReplica({}, {ViewOf("a", {{"stable", 1}})}, {{Named("a"), {{1}}}});
  EXPECT_THAT(plan.copies, IsEmpty());
  EXPECT_THAT(plan.aliases, IsEmpty());
}

// Another server's store, read as over the wire.
class NearbyRegistry final : public Registry {
 public:
  explicit NearbyRegistry(ManagerFixture& owner) : owner_(owner) {}

  absl::StatusOr<RegistryState> List() override {
    RegistryState state;
    for (const ModelView& view : Must(owner_.manager().ListModels())) {
      RegistryModel model{.name = view.name};
      for (const AliasRow& alias : view.aliases) {
        model.aliases.emplace(alias.alias, alias.version);
      }
      state.models.push_back(std::move(model));
    }
    return state;
  }
  absl::StatusOr<RegistryVersion> Describe(const ModelName& model,
                                           VersionNumber version) override {
    const VersionRow row = Must(owner_.store().GetVersion(model, version));
    return RegistryVersion{.weights = row.weights, .manifest = row.manifest};
  }
  absl::Status Fetch(const Digest& digest, BlobSink& sink) override {
    ++fetched;
    std::vector<std::uint8_t> bytes =
        Must(owner_.store().ReadBlob(digest, 1 << 30));
    if (damages) {
      bytes[bytes.size() / 2] ^= 1;
    }
    if (absl::Status begun =
            sink.Begin(static_cast<std::int64_t>(bytes.size()));
        !begun.ok()) {
      return begun;
    }
    if (breaks_off) {
      return absl::UnavailableError("gone");
    }
    return sink.Write(bytes);
  }
  absl::Status AwaitChange(std::int64_t /*sequence*/) override {
    return absl::OkStatus();
  }
  void Stop() override {}

  int fetched = 0;
  bool damages = false;
  bool breaks_off = false;

 private:
  ManagerFixture& owner_;
};

class ReplicaTest : public testing::Test {
 protected:
  absl::Status Follow() { return replica_.Follow(Must(registry_.List())); }

  ManagerFixture owner_;
  ManagerFixture here_;
  NearbyRegistry registry_{owner_};
  Replica replica_{registry_, here_.store(), here_.manager()};
};

TEST_F(ReplicaTest, AnswersWithTheVersionsOfTheRegistryUnderTheirNumbers) {
  owner_.Import("a", 1);
  owner_.Import("a", 2);
  owner_.Import("a", 3);
  ASSERT_TRUE(owner_.Point("a", "stable", 3).ok());
  ASSERT_TRUE(owner_.Point("a", "canary", 2).ok());
  ASSERT_TRUE(Follow().ok());
  EXPECT_EQ(here_.Answering("a"), 3);
  EXPECT_EQ(here_.Answering("models/a/aliases/canary"), 2);
  // Version 1 is named by nobody.
  EXPECT_EQ(here_.WhyNot("models/a/versions/1"), "VERSION_NOT_FOUND");
  const VersionRow mine = Must(here_.store().GetVersion(Named("a"), {3}));
  const VersionRow other = Must(owner_.store().GetVersion(Named("a"), {3}));
  EXPECT_EQ(mine.weights, other.weights);
  EXPECT_EQ(mine.manifest, other.manifest);
  // Nothing is fetched twice.
  const int fetched = registry_.fetched;
  ASSERT_TRUE(Follow().ok());
  EXPECT_EQ(registry_.fetched, fetched);
}

TEST_F(ReplicaTest, FollowsMovesBackAndForthAndGivesUpWhatNobodyNames) {
  for (const int variant : {1, 2, 3}) {
    owner_.Import("a", variant);
  }
  for (const std::int64_t version : {1, 2, 3, 1}) {
    ASSERT_TRUE(owner_.Point("a", "stable", version).ok());
    ASSERT_TRUE(Follow().ok());
    EXPECT_EQ(here_.Answering("a"), version);
  }
  // The one that was named last stays for the way back.
  std::vector<std::int64_t> kept;
  for (const VersionRow& row : Must(here_.store().ListVersions(Named("a")))) {
    kept.push_back(row.version.value);
  }
  EXPECT_THAT(kept, ElementsAre(3, 1));
}

TEST_F(ReplicaTest, RemovesAnAliasThatTheRegistryRemoved) {
  owner_.Import("a", 1);
  ASSERT_TRUE(owner_.Point("a", "canary", 1).ok());
  ASSERT_TRUE(Follow().ok());
  ASSERT_TRUE(owner_.manager().DeleteAlias(Named("a"), "canary", "", {}).ok());
  ASSERT_TRUE(Follow().ok());
  EXPECT_EQ(here_.WhyNot("models/a/aliases/canary"), "ALIAS_NOT_FOUND");
  EXPECT_EQ(here_.Answering("a"), 1);
}

TEST_F(ReplicaTest, ADamagedCopyChangesNothingAndTheNextTryRepairsIt) {
  owner_.Import("a", 1);
  ASSERT_TRUE(Follow().ok());
  owner_.Import("a", 2);
  ASSERT_TRUE(owner_.Point("a", "stable", 2).ok());
  registry_.damages = true;
  EXPECT_EQ(ReasonOf(Follow()), "DIGEST_MISMATCH");
  EXPECT_EQ(here_.Answering("a"), 1);
  EXPECT_EQ(here_.StagedFiles(), 0);
  registry_.damages = false;
  ASSERT_TRUE(Follow().ok());
  EXPECT_EQ(here_.Answering("a"), 2);
}

TEST_F(ReplicaTest, OneModelThatCannotBeHadDoesNotHoldUpTheOthers) {
  owner_.Import("a", 1);
  owner_.Import("b", 2);
  here_.loader().SetHook([](const ModelPackage& package) {
    return package.facts.name == Named("a") ? absl::InternalError("no")
                                            : absl::OkStatus();
  });
  EXPECT_FALSE(Follow().ok());
  EXPECT_EQ(here_.Answering("b"), 1);
  here_.loader().SetHook({});
  ASSERT_TRUE(Follow().ok());
  EXPECT_EQ(here_.Answering("a"), 1);
}

TEST_F(ReplicaTest, ABrokenConnectionLeavesNothingBehind) {
  owner_.Import("a", 1);
  registry_.breaks_off = true;
  EXPECT_TRUE(absl::IsUnavailable(Follow()));
  EXPECT_EQ(here_.StagedFiles(), 0);
  EXPECT_THAT(Must(here_.store().ListModels()), IsEmpty());
}

}  // namespace
}  // namespace resnetd
