#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "server/base/mutex.h"
#include "server/engine/cpu_engine.h"
#include "server/models/golden.h"
#include "server/models/model.h"
#include "server/models/picture_split.h"
#include "server/models/precision_host.h"
#include "server/models/precision_report.h"
#include "tests/support/filled_package.h"
#include "tests/support/temp_dir.h"

namespace resnetd {

inline constexpr std::int64_t kPlenty = std::int64_t{1} << 30U;

// Who holds a model, with room for `limit` bytes of trials. Thread-safe.
class FakeHost final : public PrecisionHost {
 public:
  FakeHost(const ModelPackage& package, std::int64_t limit)
      : package_(package), limit_(limit) {}

  absl::StatusOr<std::unique_ptr<PrecisionRoom>> Book(
      std::int64_t bytes) override {
    booked_ = bytes;
    if (bytes > limit_) {
      return absl::ResourceExhaustedError("loading needs too much");
    }
    return std::make_unique<PrecisionRoom>();
  }
  absl::StatusOr<ModelPackage> Read() override {
    ++reads_;
    return package_;
  }
  void Chosen(const std::vector<PrecisionFigures>& refused) override {
    const MutexLock lock(mutex_);
    refused_ = refused;
    ++times_;
    chosen_.NotifyAll();
  }

  std::int64_t booked() const { return booked_; }
  int reads() const { return reads_; }
  // Waits for so many choices, and answers how many there were.
  int Await(int times) ABSL_LOCKS_EXCLUDED(mutex_) {
    const MutexLock lock(mutex_);
    while (times_ < times) {
      chosen_.Wait(mutex_);
    }
    return times_;
  }
  // Of the last choice.
  std::vector<PrecisionFigures> refused() ABSL_LOCKS_EXCLUDED(mutex_) {
    const MutexLock lock(mutex_);
    return refused_;
  }

 private:
  const ModelPackage& package_;
  const std::int64_t limit_;
  std::atomic<std::int64_t> booked_{0};
  std::atomic<int> reads_{0};
  Mutex mutex_;
  CondVar chosen_;
  int times_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<PrecisionFigures> refused_ ABSL_GUARDED_BY(mutex_);
};

// Models of the engine that choose their precision with pictures of the test's.
class AdaptiveModelTest : public testing::Test {
 protected:
  AdaptiveModelTest() {
    package_.facts.weights_sha256 = std::string(64, 'd');
    TakePictures(kLeastToQuantise);
  }

  // Eight, again and again.
  void TakePictures(std::size_t count) {
    pictures_.clear();
    for (std::size_t i = 0; i < count; ++i) {
      pictures_.push_back(FillPicture(16, 16, static_cast<int>(i % 8)));
    }
  }

  std::unique_ptr<ModelLoader> Engine(
      const std::string& precision, bool with_pictures = true,
      const std::map<std::string, std::string>& own = {}) {
    CpuEngineOptions options = {.threads = 1, .precision = precision};
    options.model_precisions = own;
    options.record_folder = dir_.path() + "/precision";
    if (with_pictures) {
      options.pictures.read = [this](const VersionFacts& version) {
        EXPECT_EQ(version.name.text(), "filled");
        EXPECT_EQ(version.preprocess, package_.facts.preprocess);
        ++reads_;
        return Real();
      };
      options.pictures.identity = [this](const VersionFacts&) {
        return Real().identity;
      };
    }
    auto engine = CreateCpuEngine(options);
    EXPECT_TRUE(engine.ok()) << engine.status();
    return *std::move(engine);
  }

  RealPictures Real() const {
    return {
        .pictures = pictures_,
        .classes = {},
        .identity = pictures_.empty() ? "" : absl::StrCat(pictures_.size())};
  }

  std::unique_ptr<Model> Load(ModelLoader& engine) {
    auto model = engine.Load(package_, 4);
    EXPECT_TRUE(model.ok()) << model.status();
    return *std::move(model);
  }

  // The host lives as long as the model.
  FakeHost& Attach(Model& model, std::int64_t limit = kPlenty) const {
    auto host = std::make_unique<FakeHost>(package_, limit);
    FakeHost& seen = *host;
    model.MayChoosePrecision(package_.facts, std::move(host));
    return seen;
  }
  // Returns once the choice is made.
  FakeHost& Choose(Model& model, std::int64_t limit = kPlenty) const {
    FakeHost& host = Attach(model, limit);
    EXPECT_EQ(host.Await(1), 1);
    return host;
  }
  absl::StatusOr<PrecisionReport> Measure(Model& model, bool use) const {
    return model.MeasurePrecisions(Real(), use, [] { return false; });
  }

  // The one file of a kept choice.
  std::string KeptFile() const {
    std::string found;
    for (const auto& file :
         std::filesystem::directory_iterator(dir_.path() + "/precision")) {
      EXPECT_EQ(found, "") << "more than one file";
      found = file.path().string();
    }
    return found;
  }

  std::vector<float> Logits(const Model& model) const {
    return *model.Logits({&pictures_[0], &pictures_[1]});
  }

  TempDir dir_;
  ModelPackage package_ = FilledPackage("cifar_resnet8", 10, 16);
  std::vector<Pixels> pictures_;
  std::atomic<int> reads_{0};
};

}  // namespace resnetd
