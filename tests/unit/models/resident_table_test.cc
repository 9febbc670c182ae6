#include "server/models/resident_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/base/error.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_model.h"

namespace resnetd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ResidentTableTest : public ::testing::Test {
 protected:
  ResidentTableTest() : table_(registry_, clock_) {}

  static ModelName Name(absl::string_view text) {
    return ModelName::Parse(text).value();
  }
  // Makes versions 1 to `count` READY, each used a second after the one before.
  void LoadAll(absl::string_view model, std::int64_t count) {
    for (std::int64_t version = 1; version <= count; ++version) {
      table_.AddVersion(Name(model), {version});
      table_.Loading(Name(model), {version});
      table_.Warming(Name(model), {version});
      clock_.Advance(std::chrono::seconds(1));
      table_.Ready(FakeVersion(FakeFacts(model, 10, version)), 100);
    }
  }
  void Point(absl::string_view model, absl::string_view alias,
             std::int64_t version) {
    clock_.Advance(std::chrono::seconds(1));
    table_.PointAlias({.model = Name(model),
                       .alias = std::string(alias),
                       .version = {version}});
  }
  static std::vector<std::string> NamesOf(
      const std::vector<ModelHandle>& versions) {
    std::vector<std::string> names;
    for (const ModelHandle& version : versions) {
      names.push_back(absl::StrCat(version->facts.name.text(), "/",
                                   version->facts.version.value));
    }
    return names;
  }
  Residency StateOf(absl::string_view model, std::int64_t version) {
    return table_.StatusOf(Name(model), {version}).residency;
  }
  std::string WhyNot(absl::string_view reference) {
    return DetailsOf(registry_.Acquire(ParseModelReference(reference).value())
                         .status())
        .reason;
  }

  FakeClock clock_;
  ModelRegistry registry_;
  ResidentTable table_;
};

TEST_F(ResidentTableTest, PublishesEveryStepIntoMemory) {
  const ModelName name = Name("a");
  EXPECT_EQ(WhyNot("a"), "MODEL_NOT_FOUND");
  table_.Learn(name, {{1}, {2}},
               {{.model = name, .alias = "stable", .version = {1}}});
  EXPECT_EQ(WhyNot("a"), "VERSION_NOT_READY");
  table_.Loading(name, {1});
  EXPECT_EQ(StateOf("a", 1), Residency::kLoading);
  table_.Failed(name, {1}, absl::InternalError("broken"));
  EXPECT_EQ(StateOf("a", 1), Residency::kFailed);
  EXPECT_EQ(WhyNot("a"), "VERSION_FAILED");
  table_.Loading(name, {1});
  EXPECT_EQ(WhyNot("a"), "VERSION_NOT_READY");
  EXPECT_TRUE(table_.StatusOf(name, {1}).failure.ok());
  table_.Warming(name, {1});
  EXPECT_EQ(StateOf("a", 1), Residency::kWarming);
  table_.Ready(FakeVersion(FakeFacts("a")), 1);
  EXPECT_EQ(StateOf("a", 1), Residency::kReady);
  EXPECT_EQ(WhyNot("a"), "");
  EXPECT_EQ(WhyNot("models/a/versions/2"), "VERSION_NOT_READY");
}

TEST_F(ResidentTableTest, PublishesAliases) {
  LoadAll("a", 2);
  EXPECT_EQ(WhyNot("a"), "ALIAS_NOT_FOUND");
  Point("a", "canary", 2);
  EXPECT_EQ(WhyNot("models/a/aliases/canary"), "");
  table_.RemoveAlias(Name("a"), "canary");
  EXPECT_EQ(WhyNot("models/a/aliases/canary"), "ALIAS_NOT_FOUND");
}

TEST_F(ResidentTableTest, ForgetsVersions) {
  LoadAll("a", 2);
  table_.RemoveVersion(Name("a"), {1});
  EXPECT_EQ(WhyNot("models/a/versions/1"), "VERSION_NOT_FOUND");
  table_.Learn(Name("a"), {{3}}, {});
  EXPECT_EQ(WhyNot("models/a/versions/2"), "VERSION_NOT_FOUND");
  EXPECT_EQ(WhyNot("models/a/versions/3"), "VERSION_NOT_READY");
}

TEST_F(ResidentTableTest, UnloadsWhatIsReadyAndForgetsWhatFailed) {
  LoadAll("a", 1);
  ModelHandle handle = table_.Unload(Name("a"), {1});
  ASSERT_NE(handle, nullptr);
  EXPECT_EQ(StateOf("a", 1), Residency::kDraining);
  EXPECT_EQ(table_.Unload(Name("a"), {1}), nullptr);
  handle.reset();
  EXPECT_EQ(StateOf("a", 1), Residency::kUnloaded);
  table_.Loading(Name("a"), {1});
  table_.Failed(Name("a"), {1}, absl::InternalError("broken"));
  EXPECT_EQ(table_.Unload(Name("a"), {1}), nullptr);
  EXPECT_EQ(StateOf("a", 1), Residency::kUnloaded);
  EXPECT_EQ(WhyNot("models/a/versions/1"), "VERSION_NOT_READY");
}

TEST_F(ResidentTableTest, FreesIdleVersionsOfAllModelsByAge) {
  LoadAll("a", 3);
  LoadAll("b", 2);
  Point("a", "stable", 1);
  Point("b", "stable", 1);
  EXPECT_THAT(table_.FreeIdle(Name("c"), 100, 500, 500).size(), 1U);
  EXPECT_EQ(WhyNot("models/a/versions/2"), "VERSION_NOT_READY");
  EXPECT_THAT(NamesOf(table_.FreeIdle(Name("c"), 200, 500, 500)),
              ElementsAre("a/3", "b/2"));
  // Only what answers is left.
  EXPECT_THAT(table_.FreeIdle(Name("c"), 100, 500, 500), IsEmpty());
  EXPECT_EQ(StateOf("a", 1), Residency::kReady);
  EXPECT_EQ(StateOf("b", 1), Residency::kReady);
}

TEST_F(ResidentTableTest, UseMakesYoung) {
  LoadAll("a", 2);
  clock_.Advance(std::chrono::seconds(1));
  EXPECT_NE(table_.Use(Name("a"), {1}, false), nullptr);
  EXPECT_THAT(NamesOf(table_.FreeIdle(Name("a"), 100, 200, 200)),
              ElementsAre("a/2"));
  EXPECT_EQ(table_.Use(Name("a"), {2}, false), nullptr);
}

TEST_F(ResidentTableTest, WhatAnAliasNamedLastIsYoungToo) {
  LoadAll("a", 3);
  Point("a", "stable", 1);
  Point("a", "stable", 3);
  EXPECT_THAT(NamesOf(table_.FreeIdle(Name("a"), 100, 300, 300)),
              ElementsAre("a/2"));
}

TEST_F(ResidentTableTest, HoldsProtectFromOtherModelsOnly) {
  LoadAll("a", 1);
  {
    const ResidentTable::Hold hold(table_, Name("a"));
    EXPECT_THAT(table_.FreeIdle(Name("b"), 100, 100, 100), IsEmpty());
    EXPECT_THAT(NamesOf(table_.FreeIdle(Name("a"), 100, 100, 100)),
                ElementsAre("a/1"));
  }
  LoadAll("c", 1);
  EXPECT_THAT(NamesOf(table_.FreeIdle(Name("b"), 100, 100, 100)),
              ElementsAre("c/1"));
}

TEST_F(ResidentTableTest, RequestedVersionsStayUntilAnAliasHasNamedThem) {
  LoadAll("a", 3);
  Point("a", "stable", 1);
  EXPECT_NE(table_.Use(Name("a"), {2}, true), nullptr);
  EXPECT_NE(table_.Use(Name("a"), {2}, false), nullptr);
  EXPECT_THAT(NamesOf(table_.FreeIdle(Name("b"), 100, 300, 300)),
              ElementsAre("a/3"));
  EXPECT_THAT(table_.FreeIdle(Name("b"), 100, 300, 300), IsEmpty());
  EXPECT_THAT(table_.FreeIdleOf(Name("a"), 0), IsEmpty());
  Point("a", "stable", 2);
  Point("a", "stable", 1);
  EXPECT_THAT(NamesOf(table_.FreeIdleOf(Name("a"), 0)), ElementsAre("a/2"));
}

TEST_F(ResidentTableTest, KeepsTheYoungestIdleVersionsOfAModel) {
  LoadAll("a", 4);
  LoadAll("b", 2);
  Point("a", "stable", 4);
  EXPECT_THAT(table_.FreeIdleOf(Name("a"), 3), IsEmpty());
  EXPECT_THAT(NamesOf(table_.FreeIdleOf(Name("a"), 1)),
              ElementsAre("a/2", "a/1"));
  EXPECT_EQ(StateOf("a", 3), Residency::kReady);
  EXPECT_EQ(StateOf("b", 1), Residency::kReady);
}

TEST_F(ResidentTableTest, SaysNothingOfWhatItDoesNotKnow) {
  EXPECT_EQ(StateOf("a", 1), Residency::kUnloaded);
  LoadAll("a", 1);
  EXPECT_EQ(StateOf("a", 2), Residency::kUnloaded);
}

using ResidentTableDeathTest = ResidentTableTest;

TEST_F(ResidentTableDeathTest, EndsOnAMoveThatCannotBe) {
  table_.AddVersion(Name("a"), {1});
  EXPECT_DEATH(table_.Warming(Name("a"), {1}), "impossible move");
}

}  // namespace
}  // namespace resnetd
