// Versions that are loaded by a loader that has them ready at once.
#include "server/models/ready_loader.h"

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "server/base/clock.h"
#include "server/models/golden.h"
#include "server/models/model_manager.h"
#include "server/models/model_registry.h"
#include "server/store/store.h"
#include "tests/support/fake_loader.h"
#include "tests/support/fake_model.h"
#include "tests/unit/models/manager_fixture.h"

namespace resnetd {
namespace {

// Its ready networks answer no batch: who runs one does not get them READY.
class FakeReadyLoader final : public ModelLoader, public ReadyLoader {
 public:
  absl::StatusOr<std::unique_ptr<Model>> Load(const ModelPackage& package,
                                              std::size_t max_batch) override {
    return plain_.Load(package, max_batch);
  }
  absl::StatusOr<ReadyModel> LoadReady(const ModelPackage& package,
                                       absl::Span<const float> golden,
                                       std::size_t max_batch) override {
    ++ready_loads_;
    EXPECT_EQ(max_batch, ModelManagerOptions().max_batch);
    EXPECT_EQ(golden.size(), kGoldenPictures * package.facts.labels.size());
    if (!refusal_.ok()) {
      return refusal_;
    }
    ReadyModel ready;
    ready.model = std::make_unique<FakeModel>(package.facts, [](std::size_t) {
      return absl::InternalError("a batch ran");
    });
    ready.golden.assign(golden.begin(), golden.end());
    ready.golden.front() += offset_;
    return ready;
  }
  std::string description() const override { return "ready"; }

  // Of the first golden logit.
  void SetOffset(float offset) { offset_ = offset; }
  void Refuse(absl::Status why) { refusal_ = std::move(why); }
  int loads() const { return plain_.loads(); }
  int ready_loads() const { return ready_loads_; }

 private:
  FakeLoader plain_;
  int ready_loads_ = 0;
  float offset_ = 0;
  absl::Status refusal_;
};

// A start of a server whose store has one version, "digits".
class ReadyLoaderTest : public testing::Test {
 protected:
  ReadyLoaderTest() {
    before_.Import("digits", 1);
    before_.Close();
  }

  ModelManager& Start() {
    store_ = Must(
        Store::Open({.folder = before_.folder().File("data")}, RealClock()));
    manager_ = ModelManager::Create({}, *store_, loader_, registry_,
                                    RealClock(), &sink_);
    EXPECT_TRUE(manager_->Start().ok());
    return *manager_;
  }
  absl::Status Ask() {
    return registry_.Acquire(Must(ParseModelReference("digits"))).status();
  }

  ManagerFixture before_;
  FakeReadyLoader loader_;
  CountingSink sink_;
  std::unique_ptr<Store> store_;
  ModelRegistry registry_;
  std::unique_ptr<ModelManager> manager_;
};

TEST_F(ReadyLoaderTest, AVersionOfTheStoreRunsNoBatchBeforeItAnswers) {
  Start();
  EXPECT_EQ(loader_.ready_loads(), 1);
  EXPECT_EQ(loader_.loads(), 0);
  EXPECT_TRUE(Ask().ok()) << Ask();
}

TEST_F(ReadyLoaderTest, ItsGoldenLogitsAreComparedWithThoseOfTheStore) {
  loader_.SetOffset(1);
  Start();
  EXPECT_EQ(ReasonOf(Ask()), "VERSION_FAILED");
  EXPECT_EQ(sink_.counts().integrity, 1);
  EXPECT_EQ(sink_.counts().load_failed, 1);
}

TEST_F(ReadyLoaderTest, WhatItRefusesIsNotReady) {
  loader_.Refuse(absl::ResourceExhaustedError("no memory"));
  Start();
  EXPECT_EQ(ReasonOf(Ask()), "VERSION_FAILED");
  EXPECT_EQ(sink_.counts().load_failed, 1);
  EXPECT_EQ(sink_.counts().integrity, 0);
}

TEST_F(ReadyLoaderTest, AnImportIsLoadedInFullForItsGoldenLogits) {
  ModelManager& manager = Start();
  const std::string file = TinyWeightsFile(2);
  const auto session = Must(manager.Import(HeaderOf("birds", file), {}));
  ASSERT_TRUE(session->Write(BytesOf(file)).ok());
  EXPECT_TRUE(session->Finish().ok());
  EXPECT_EQ(loader_.ready_loads(), 1);
  EXPECT_EQ(loader_.loads(), 1);
}

}  // namespace
}  // namespace resnetd
