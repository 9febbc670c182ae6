#include "server/app/apply_declarations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/app/declared_files.h"
#include "server/app/model_event_metrics.h"
#include "server/base/clock.h"
#include "server/base/error.h"
#include "server/models/model_registry.h"
#include "server/telemetry/serving_metrics.h"
#include "tests/support/fake_model.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tiny_model.h"

namespace resnetd {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;

class FakeLoader final : public ModelLoader {
 public:
  absl::StatusOr<std::unique_ptr<Model>> Load(
      const ModelPackage& package, std::size_t /*max_batch*/) override {
    return std::make_unique<FakeModel>(package.facts);
  }
  std::string description() const override { return "fake"; }
};

ModelName Name(const std::string& text = "tiny") {
  return ModelName::Parse(text).value();
}

// A store that stays, and a manager that can be started again.
class ApplyDeclarationsTest : public testing::Test {
 protected:
  ApplyDeclarationsTest() {
    dir_.Write("w.safetensors", TinyWeightsFile());
    dir_.Write("l.txt", TinyLabels());
    Restart();
  }

  void Restart() {
    manager_.reset();
    registry_ = std::make_unique<ModelRegistry>();
    manager_ = ModelManager::Create({.max_import_bytes = 1 << 20}, *store_,
                                    loader_, *registry_, RealClock(), &events_);
    ASSERT_TRUE(manager_->Start().ok());
  }

  DeclaredModel Tiny(const std::string& alias = "stable") const {
    DeclaredModel model(Name());
    model.alias = alias;
    model.file = dir_.File("w.safetensors");
    model.labels_file = dir_.File("l.txt");
    model.preprocess = PreprocessSpec{.resize = 32, .crop = 32};
    model.origin = "here";
    return model;
  }

  absl::Status Apply(const std::vector<DeclaredModel>& models) {
    DeclaredFiles files(models);
    return ApplyDeclarations(models, files, *store_, *manager_);
  }

  std::int64_t VersionOf(const std::string& alias) {
    const auto row = store_->GetAlias(Name(), alias);
    return row.ok() ? row->version.value : 0;
  }

  std::size_t Versions() { return store_->ListVersions(Name()).value().size(); }

  std::int64_t LastEvent() { return store_->LastEvent().value(); }

  // A version that nobody declared, and "stable" on it.
  void PromoteAnother() {
    DeclaredModel other = Tiny("other");
    other.labels_file = "";
    ASSERT_TRUE(Apply({other}).ok());
    ASSERT_TRUE(manager_
                    ->SetAlias({.model = Name(),
                                .alias = "stable",
                                .to = {VersionOf("other")},
                                .expected_version = std::nullopt,
                                .etag = ""},
                               false, Mutation())
                    .ok());
  }

  const TempDir dir_;
  FakeLoader loader_;
  const std::unique_ptr<Telemetry> telemetry_ = Telemetry::Create();
  ModelEventMetrics events_{*telemetry_};
  std::unique_ptr<Store> store_ = Store::Open({}, RealClock()).value();
  std::unique_ptr<ModelRegistry> registry_;
  std::unique_ptr<ModelManager> manager_;
};

TEST_F(ApplyDeclarationsTest, BringsAVersionThatAnswers) {
  const absl::Status status = Apply({Tiny()});
  ASSERT_TRUE(status.ok()) << status;
  const auto handle = registry_->Acquire(
      {.name = Name(), .version = std::nullopt, .alias = ""});
  ASSERT_TRUE(handle.ok()) << handle.status();
  EXPECT_EQ((*handle)->facts.version.value, 1);
  EXPECT_EQ((*handle)->facts.labels.front(), "tiny-0");
  EXPECT_EQ((*handle)->facts.preprocess.crop, 32);
  const auto audit = store_->ListAudit(0, 10).value();
  EXPECT_EQ(audit.front().actor, "startup");
}

TEST_F(ApplyDeclarationsTest, DoingItAgainChangesNothing) {
  ASSERT_TRUE(Apply({Tiny(), Tiny("canary")}).ok());
  EXPECT_EQ(Versions(), 1U);
  EXPECT_EQ(VersionOf("canary"), 1);
  const std::int64_t events = LastEvent();
  const std::size_t audit = store_->ListAudit(0, 100).value().size();
  for (int i = 0; i < 3; ++i) {
    Restart();
    ASSERT_TRUE(Apply({Tiny(), Tiny("canary")}).ok());
  }
  EXPECT_EQ(LastEvent(), events);
  EXPECT_THAT(store_->ListAudit(0, 100).value(), SizeIs(audit));
}

TEST_F(ApplyDeclarationsTest, ARestartUndoesNoPromotion) {
  ASSERT_TRUE(Apply({Tiny()}).ok());
  PromoteAnother();
  EXPECT_EQ(VersionOf("stable"), 2);
  Restart();
  ASSERT_TRUE(Apply({Tiny()}).ok());
  EXPECT_EQ(VersionOf("stable"), 2);
}

TEST_F(ApplyDeclarationsTest, AChangedDeclarationMovesTheAlias) {
  ASSERT_TRUE(Apply({Tiny()}).ok());
  PromoteAnother();
  dir_.Write("l.txt", absl::StrCat("changed-", TinyLabels()));
  ASSERT_TRUE(Apply({Tiny()}).ok());
  EXPECT_EQ(VersionOf("stable"), 3);
  // And back: the same bytes are the same version.
  dir_.Write("l.txt", TinyLabels());
  ASSERT_TRUE(Apply({Tiny()}).ok());
  EXPECT_EQ(VersionOf("stable"), 1);
  EXPECT_EQ(Versions(), 3U);
}

TEST_F(ApplyDeclarationsTest, AnAliasThatIsGoneIsMadeAgain) {
  ASSERT_TRUE(Apply({Tiny("canary")}).ok());
  ASSERT_TRUE(manager_->DeleteAlias(Name(), "canary", "", Mutation()).ok());
  ASSERT_TRUE(Apply({Tiny("canary")}).ok());
  EXPECT_EQ(VersionOf("canary"), 1);
}

TEST_F(ApplyDeclarationsTest, WhatIsNoLongerDeclaredStays) {
  ASSERT_TRUE(Apply({Tiny(), Tiny("canary")}).ok());
  ASSERT_TRUE(Apply({Tiny()}).ok());
  EXPECT_EQ(VersionOf("canary"), 1);
  ASSERT_TRUE(Apply({}).ok());
  EXPECT_EQ(VersionOf("stable"), 1);
}

TEST_F(ApplyDeclarationsTest, ADigestAloneNamesAVersionOfTheStore) {
  ASSERT_TRUE(Apply({Tiny()}).ok());
  DeclaredModel by_digest(Name());
  by_digest.alias = "pinned";
  by_digest.sha256 = store_->GetVersion(Name(), {1}).value().weights;
  by_digest.origin = "here";
  ASSERT_TRUE(Apply({by_digest}).ok());
  EXPECT_EQ(VersionOf("pinned"), 1);
  by_digest.sha256 = std::string(64, '0');
  const absl::Status status = Apply({by_digest});
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(DetailsOf(status).reason, "VERSION_NOT_FOUND");
  EXPECT_THAT(std::string(status.message()),
              StartsWith("here: the store has no version with the SHA-256 0"));
}

TEST_F(ApplyDeclarationsTest, RefusesAFileWithAnotherDigest) {
  DeclaredModel model = Tiny();
  model.sha256 = std::string(64, '0');
  const absl::Status status = Apply({model});
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(DetailsOf(status).reason, "WEIGHTS_CORRUPT");
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("declared is 0000000000"));
  EXPECT_EQ(Versions(), 0U);
}

TEST_F(ApplyDeclarationsTest, SaysWhatIsWrongWithTheFiles) {
  const auto message = [this](const DeclaredModel& model) {
    const absl::Status status = Apply({model});
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    return std::string(status.message());
  };
  DeclaredModel missing = Tiny();
  missing.file = dir_.File("nowhere.pth");
  EXPECT_EQ(message(missing), "here: \"nowhere.pth\" does not exist");
  DeclaredModel no_labels = Tiny();
  no_labels.labels_file = dir_.File("nowhere.txt");
  EXPECT_EQ(message(no_labels), "here: \"nowhere.txt\" does not exist");
  DeclaredModel few_labels = Tiny();
  few_labels.labels_file = dir_.Write("few.txt", "a\nb\n");
  EXPECT_THAT(message(few_labels), StartsWith("here: "));
  DeclaredModel bad_labels = Tiny();
  bad_labels.labels_file = dir_.Write("bad.txt", "a\n\nb\n");
  EXPECT_THAT(message(bad_labels), StartsWith("here: \"bad.txt\": "));
  DeclaredModel other_classes = Tiny();
  other_classes.labels_file = "";
  other_classes.num_classes = 11;
  EXPECT_THAT(message(other_classes), StartsWith("here: "));
  DeclaredModel bad_alias = Tiny("../x");
  EXPECT_THAT(message(bad_alias), StartsWith("here: "));
  EXPECT_EQ(Versions(), 0U);
}

TEST_F(ApplyDeclarationsTest, ImportsAreCounted) {
  ASSERT_TRUE(Apply({Tiny()}).ok());
  DeclaredModel junk = Tiny("junk");
  junk.file = dir_.Write("junk.pth", "no weights");
  EXPECT_FALSE(Apply({junk}).ok());
  DeclaredModel large = Tiny("large");
  large.file = dir_.Write("large.pth", std::string((1U << 20U) + 1, 'x'));
  EXPECT_THAT(std::string(Apply({large}).message()), HasSubstr("1048576"));
  const std::string text = telemetry_->Expose();
  EXPECT_THAT(text, HasSubstr("resnetd_imports_total{outcome=\"OK\"} 1\n"));
  for (const char* outcome : {"DATA_LOSS", "INVALID_ARGUMENT"}) {
    EXPECT_THAT(text, HasSubstr(absl::StrCat("resnetd_imports_total{outcome=\"",
                                             outcome, "\"} 1\n")));
  }
  // What was refused by its size alone was not received.
  EXPECT_THAT(text,
              HasSubstr(absl::StrCat("resnetd_import_bytes_total ",
                                     TinyWeightsFile().size() + 10, "\n")));
}

TEST_F(ApplyDeclarationsTest, WhatFailedIsTriedAgain) {
  DeclaredModel model = Tiny();
  model.file = dir_.File("later.safetensors");
  EXPECT_FALSE(Apply({model}).ok());
  dir_.Write("later.safetensors", TinyWeightsFile());
  ASSERT_TRUE(Apply({model}).ok());
  EXPECT_EQ(VersionOf("stable"), 1);
}

}  // namespace
}  // namespace resnetd
