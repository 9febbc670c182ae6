#include "server/rpc/convert_version.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "server/base/error.h"
#include "tests/support/fake_model.h"

namespace resnetd {
namespace {

using testing::ElementsAre;

constexpr WallTime kTime = WallTime(std::chrono::seconds(1'767'225'600));

VersionView View() {
  VersionFacts facts = FakeFacts("net", 2, 7);
  facts.description = "a net";
  facts.evaluations = {{.dataset = "held-out", .examples = 9, .accuracy = 0.5}};
  VersionView view{.row = {.model = facts.name,
                           .version = VersionNumber{7},
                           .state = VersionState::kCommitted,
                           .weights = std::string(64, 'a'),
                           .weights_bytes = 1000,
                           .manifest = std::string(64, 'b'),
                           .source = std::string(64, 'c'),
                           .source_format = "pth",
                           .parent = VersionNumber{3},
                           .created = kTime},
                   .facts = std::make_shared<const VersionFacts>(facts),
                   .aliases = {"canary", "stable"},
                   .residency = Residency::kReady,
                   .precision = "fp32",
                   .backend = "engine",
                   .resident_bytes = 2000,
                   .load_time = std::chrono::seconds(2)};
  return view;
}

AliasRow Alias() {
  return {.model = ModelName::Parse("net").value(),
          .alias = "stable",
          .version = VersionNumber{7},
          .previous = VersionNumber{6},
          .generation = 4,
          .updated = kTime};
}

TEST(ConvertVersionTest, DescribesALoadedVersion) {
  const VersionView view = View();
  const v1::Version version = ToProto(view, Labels::kInclude);
  EXPECT_EQ(version.name(), "models/net/versions/7");
  EXPECT_EQ(version.version(), 7);
  EXPECT_EQ(version.residency(), v1::RESIDENCY_READY);
  EXPECT_FALSE(version.has_failure());
  EXPECT_EQ(version.architecture(), "cifar_resnet8");
  EXPECT_EQ(version.num_classes(), 2);
  EXPECT_THAT(version.labels(), ElementsAre("label-0", "label-1"));
  EXPECT_EQ(version.preprocess().resize(), 8);
  EXPECT_EQ(version.preprocess().crop(), 8);
  EXPECT_THAT(version.preprocess().mean(), ElementsAre(0.485F, 0.456F, 0.406F));
  EXPECT_THAT(version.preprocess().std(), ElementsAre(0.229F, 0.224F, 0.225F));
  EXPECT_EQ(version.precision(), "fp32");
  EXPECT_EQ(version.backend(), "engine");
  EXPECT_EQ(version.weights_sha256(), std::string(64, 'a'));
  EXPECT_EQ(version.weights_bytes(), 1000);
  EXPECT_EQ(version.parameters(), 250);
  EXPECT_EQ(version.resident_bytes(), 2000);
  EXPECT_EQ(version.load_time().seconds(), 2);
  EXPECT_EQ(version.description(), "a net");
  ASSERT_EQ(version.evaluations_size(), 1);
  EXPECT_EQ(version.evaluations(0).dataset(), "held-out");
  EXPECT_EQ(version.evaluations(0).examples(), 9);
  EXPECT_EQ(version.evaluations(0).accuracy(), 0.5);
  EXPECT_EQ(version.state(), v1::VERSION_STATE_COMMITTED);
  EXPECT_EQ(version.create_time().seconds(), 1'767'225'600);
  EXPECT_EQ(version.etag(), "s2");
  EXPECT_THAT(version.aliases(), ElementsAre("canary", "stable"));
  EXPECT_EQ(version.parent_version(), 3);
  EXPECT_EQ(version.source_sha256(), std::string(64, 'c'));
  EXPECT_EQ(version.source_format(), "pth");
  EXPECT_EQ(version.manifest_sha256(), std::string(64, 'b'));
}

TEST(ConvertVersionTest, TellsTemperatureAndGate) {
  VersionFacts facts = FakeFacts("net");
  VersionView view{.row = {.model = facts.name, .version = {3}},
                   .facts = std::make_shared<const VersionFacts>(facts)};
  EXPECT_EQ(ToProto(view, Labels::kInclude).temperature(), 1);
  EXPECT_FALSE(ToProto(view, Labels::kInclude).has_gate());
  facts.temperature = 1.372;
  facts.gate = GateRecord{.failed = {{"not_worse", "it is worse"}}};
  view.facts = std::make_shared<const VersionFacts>(facts);
  const v1::Version message = ToProto(view, Labels::kInclude);
  EXPECT_EQ(message.temperature(), 1.372);
  EXPECT_FALSE(message.gate().passed());
  ASSERT_EQ(message.gate().failed_size(), 1);
  EXPECT_EQ(message.gate().failed(0).name(), "not_worse");
  EXPECT_EQ(message.gate().failed(0).text(), "it is worse");
  facts.gate = GateRecord{};
  view.facts = std::make_shared<const VersionFacts>(facts);
  EXPECT_TRUE(ToProto(view, Labels::kInclude).gate().passed());
}

TEST(ConvertVersionTest, TellsWhyTheGateWasOverridden) {
  const AliasRow alias{.model = ModelName::Parse("net").value(),
                       .alias = "stable",
                       .version = {2},
                       .gate_override = "seen by eye"};
  EXPECT_EQ(ToProto(alias).gate_override(), "seen by eye");
  const EventRow event{.kind = EventKind::kAliasSet,
                       .model = ModelName::Parse("net").value(),
                       .alias = "stable",
                       .gate_override = "seen by eye"};
  EXPECT_EQ(ToProto(event).gate_override(), "seen by eye");
}

TEST(ConvertVersionTest, LeavesLabelsOutOfLists) {
  EXPECT_EQ(ToProto(View(), Labels::kLeaveOut).labels_size(), 0);
}

TEST(ConvertVersionTest, DescribesAVersionThatIsNotLoaded) {
  VersionView view = View();
  view.residency = Residency::kUnloaded;
  view.precision.clear();
  view.load_time = Duration::zero();
  view.row.parent.reset();
  const v1::Version version = ToProto(view, Labels::kInclude);
  EXPECT_EQ(version.residency(), v1::RESIDENCY_UNLOADED);
  EXPECT_FALSE(version.has_load_time());
  EXPECT_EQ(version.parent_version(), 0);
}

TEST(ConvertVersionTest, SaysWhyAVersionFailed) {
  VersionView view = View();
  view.residency = Residency::kFailed;
  view.failure = Error(absl::StatusCode::kDataLoss, Reason::kWeightsCorrupt,
                       "a value is not finite");
  const v1::Version version = ToProto(view, Labels::kInclude);
  EXPECT_EQ(version.residency(), v1::RESIDENCY_FAILED);
  EXPECT_EQ(version.failure().code(), 15);
  EXPECT_EQ(version.failure().message(), "a value is not finite");
  EXPECT_EQ(version.failure().details_size(), 1);
  // What may hold anything stays in the log.
  view.failure = absl::InternalError("/secret/path");
  EXPECT_EQ(ToProto(view, Labels::kInclude).failure().message(),
            "internal error; the server's log has more");
}

TEST(ConvertVersionTest, AnUploadThatWasOnlyCheckedHasNoName) {
  VersionView view = View();
  view.row.version = VersionNumber{0};
  const v1::Version version = ToProto(view, Labels::kInclude);
  EXPECT_EQ(version.name(), "");
  EXPECT_EQ(version.version(), 0);
  EXPECT_EQ(version.etag(), "");
  EXPECT_FALSE(version.has_create_time());
  EXPECT_EQ(version.architecture(), "cifar_resnet8");
}

TEST(ConvertVersionTest, DescribesAModel) {
  ModelView view{.name = ModelName::Parse("net").value(),
                 .serving = View(),
                 .is_default = true,
                 .aliases = {Alias()}};
  const v1::Model model = ToProto(view);
  EXPECT_EQ(model.name(), "models/net");
  EXPECT_EQ(model.serving_version(), 7);
  EXPECT_EQ(model.residency(), v1::RESIDENCY_READY);
  EXPECT_EQ(model.architecture(), "cifar_resnet8");
  EXPECT_EQ(model.num_classes(), 2);
  EXPECT_TRUE(model.is_default());
  ASSERT_EQ(model.aliases_size(), 1);
  EXPECT_EQ(model.aliases(0).name(), "models/net/aliases/stable");
}

TEST(ConvertVersionTest, DescribesAModelThatNobodyServes) {
  const ModelView view{.name = ModelName::Parse("net").value()};
  const v1::Model model = ToProto(view);
  EXPECT_EQ(model.serving_version(), 0);
  EXPECT_EQ(model.residency(), v1::RESIDENCY_UNLOADED);
  EXPECT_FALSE(model.is_default());
}

TEST(ConvertVersionTest, DescribesAnAlias) {
  const v1::Alias alias = ToProto(Alias());
  EXPECT_EQ(alias.name(), "models/net/aliases/stable");
  EXPECT_EQ(alias.version(), 7);
  EXPECT_EQ(alias.previous_version(), 6);
  EXPECT_EQ(alias.generation(), 4);
  EXPECT_EQ(alias.etag(), "g4");
  EXPECT_EQ(alias.update_time().seconds(), 1'767'225'600);
  AliasRow first = Alias();
  first.previous.reset();
  EXPECT_EQ(ToProto(first).previous_version(), 0);
}

TEST(ConvertVersionTest, DescribesAnEvent) {
  const EventRow row{.sequence = 12,
                     .time = kTime,
                     .kind = EventKind::kAliasRolledBack,
                     .model = ModelName::Parse("net").value(),
                     .version = VersionNumber{6},
                     .alias = "stable",
                     .previous = VersionNumber{7},
                     .generation = 5,
                     .weights = std::string(64, 'a')};
  const v1::ModelEvent event = ToProto(row);
  EXPECT_EQ(event.sequence(), 12);
  EXPECT_EQ(event.time().seconds(), 1'767'225'600);
  EXPECT_EQ(event.model(), "models/net");
  EXPECT_EQ(event.kind(), v1::MODEL_EVENT_KIND_ALIAS_ROLLED_BACK);
  EXPECT_EQ(event.version(), 6);
  EXPECT_EQ(event.alias(), "stable");
  EXPECT_EQ(event.previous_version(), 7);
  EXPECT_EQ(event.generation(), 5);
  EXPECT_EQ(event.weights_sha256(), std::string(64, 'a'));
  const v1::ModelEvent bare =
      ToProto(EventRow{.model = ModelName::Parse("net").value()});
  EXPECT_EQ(bare.version(), 0);
  EXPECT_EQ(bare.previous_version(), 0);
}

}  // namespace
}  // namespace resnetd
