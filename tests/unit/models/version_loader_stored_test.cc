// Versions that are loaded again by loaders that have a way of their own.
#include <cstddef>
#include <functional>
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
#include "server/models/model.h"
#include "server/models/model_manager.h"
#include "server/models/model_registry.h"
#include "server/store/store.h"
#include "tests/support/fake_loader.h"
#include "tests/support/fake_model.h"
#include "tests/unit/models/manager_fixture.h"

namespace resnetd {
namespace {

// Its networks that were stored answer no batch: who runs one does not get them
// READY.
class FakeStoredLoader final : public ModelLoader {
 public:
  absl::StatusOr<std::unique_ptr<Model>> Load(const ModelPackage& package,
                                              std::size_t max_batch) override {
    return plain_.Load(package, max_batch);
  }
  absl::StatusOr<std::unique_ptr<Model>> LoadStored(
      const ModelPackage& package, const Golden& golden, std::size_t max_batch,
      const std::function<void()>& loaded) override {
    ++stored_loads_;
    EXPECT_EQ(max_batch, ModelManagerOptions().max_batch);
    EXPECT_EQ(golden.logits.size(),
              kGoldenPictures * package.facts.labels.size());
    if (!refusal_.ok()) {
      return refusal_;
    }
    loaded();
    return std::make_unique<FakeModel>(package.facts, [](std::size_t) {
      return absl::InternalError("a batch ran");
    });
  }
  std::string description() const override { return "stored"; }

  void Refuse(absl::Status why) { refusal_ = std::move(why); }
  int loads() const { return plain_.loads(); }
  int stored_loads() const { return stored_loads_; }

 private:
  FakeLoader plain_;
  int stored_loads_ = 0;
  absl::Status refusal_;
};

// A start of a server whose store has one version, "digits".
class StoredLoaderTest : public testing::Test {
 protected:
  StoredLoaderTest() {
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
  FakeStoredLoader loader_;
  CountingSink sink_;
  std::unique_ptr<Store> store_;
  ModelRegistry registry_;
  std::unique_ptr<ModelManager> manager_;
};

TEST_F(StoredLoaderTest, AVersionOfTheStoreRunsNoBatchBeforeItAnswers) {
  Start();
  EXPECT_EQ(loader_.stored_loads(), 1);
  EXPECT_EQ(loader_.loads(), 0);
  EXPECT_TRUE(Ask().ok()) << Ask();
}

TEST_F(StoredLoaderTest, WhatDoesNotAnswerItsGoldenPicturesIsNotReady) {
  loader_.Refuse(CompareGolden({1}, {2}, 1, 0));
  Start();
  EXPECT_EQ(ReasonOf(Ask()), "VERSION_FAILED");
  EXPECT_EQ(sink_.counts().integrity, 1);
  EXPECT_EQ(sink_.counts().load_failed, 1);
}

TEST_F(StoredLoaderTest, WhatItRefusesIsNotReady) {
  loader_.Refuse(absl::ResourceExhaustedError("no memory"));
  Start();
  EXPECT_EQ(ReasonOf(Ask()), "VERSION_FAILED");
  EXPECT_EQ(sink_.counts().load_failed, 1);
  EXPECT_EQ(sink_.counts().integrity, 0);
}

TEST_F(StoredLoaderTest, AnImportIsLoadedInFullForItsGoldenLogits) {
  ModelManager& manager = Start();
  const std::string file = TinyWeightsFile(2);
  const auto session = Must(manager.Import(HeaderOf("birds", file), {}));
  ASSERT_TRUE(session->Write(BytesOf(file)).ok());
  EXPECT_TRUE(session->Finish().ok());
  EXPECT_EQ(loader_.stored_loads(), 1);
  EXPECT_EQ(loader_.loads(), 1);
}

}  // namespace
}  // namespace resnetd
