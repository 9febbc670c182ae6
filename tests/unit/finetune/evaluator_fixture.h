#pragma once

#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "server/finetune/evaluator.h"
#include "tests/unit/image/picture_factory.h"
#include "tests/unit/models/manager_fixture.h"

namespace resnetd {

// The policy of the threads that computed, -1 before any did.
struct Watched {
  std::atomic<int> policy{-1};
  // Of the last measurement of precisions.
  RealPictures pictures;
  bool use = false;
  bool was_stopped = false;
  // Called by it, if it is set.
  std::function<void()> before_asking;
};

// Says class red / 20 with a logit of 10, and the class behind it where
// blue % 10 is below the variant of its weights: see TinyTensors().
class ErringModel final : public Model {
 public:
  static constexpr int kClasses = 10;

  ErringModel(int variant, Watched& watched)
      : variant_(variant), watched_(watched) {}

  absl::StatusOr<std::vector<float>> Logits(
      absl::Span<const Pixels* const> batch) const override {
    watched_.policy = sched_getscheduler(0);
    std::vector<float> logits(batch.size() * kClasses, 0);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      int best = batch[i]->rgb[0] / 20 % kClasses;
      if (batch[i]->rgb[2] % 10 < variant_) {
        best = (best + 1) % kClasses;
      }
      logits[i * kClasses + static_cast<std::size_t>(best)] = 10;
    }
    return logits;
  }
  absl::StatusOr<PrecisionReport> MeasurePrecisions(
      const RealPictures& pictures, bool use,
      const std::function<bool()>& stopped) override {
    watched_.policy = sched_getscheduler(0);
    watched_.pictures = pictures;
    watched_.use = use;
    if (watched_.before_asking) {
      watched_.before_asking();
    }
    watched_.was_stopped = stopped();
    if (watched_.was_stopped) {
      return absl::CancelledError("stopped");
    }
    return PrecisionReport{
        .trials = {{.precision = "fp32"}}, .policy = "auto", .chosen = "int8"};
  }
  std::string precision() const override { return "fp32"; }
  std::string backend() const override { return "erring"; }
  std::int64_t resident_bytes() const override { return 1; }

 private:
  const int variant_;
  Watched& watched_;
};

class ErringLoader final : public ModelLoader {
 public:
  explicit ErringLoader(Watched& watched) : watched_(watched) {}
  absl::StatusOr<std::unique_ptr<Model>> Load(
      const ModelPackage& package, std::size_t /*max_batch*/) override {
    ++loads_;
    const std::vector<float>& bias = package.weights.at("fc.bias").values;
    const float most = *std::max_element(bias.begin(), bias.end());
    return std::make_unique<ErringModel>(static_cast<int>(most) - 100,
                                         watched_);
  }
  std::string description() const override { return "erring"; }
  int loads() const { return loads_; }

 private:
  Watched& watched_;
  std::atomic<int> loads_{0};
};

inline bool Always() { return true; }

// Measurements as a whole: a real store, real datasets and versions, and
// networks that err on pictures of their own.
class EvaluatorTest : public ::testing::Test {
 protected:
  static constexpr int kClasses = ErringModel::kClasses;
  static constexpr int kPerClass = 12;

  EvaluatorTest() {
    store_ = Must(Store::Open({.folder = folder_.File("data")}, RealClock()));
    datasets_ = DatasetManager::Create({}, *store_);
    models_ =
        ModelManager::Create({}, *store_, loader_, registry_, RealClock());
    if (!models_->Start().ok()) {
      std::abort();
    }
    evaluator_ =
        Evaluator::Create({}, *store_, *datasets_, *models_, RealClock());
    // 3 errs on 5 of 12 pictures of each class, 1 on 2.
    Import("digits", 3, {});
    Import("digits", 1, {});
    MakeDataset("data", kPerClass);
  }

  VersionNumber Import(const std::string& model, int variant,
                       const std::vector<std::string>& labels) {
    const std::string file = TinyWeightsFile(variant);
    ImportHeader header = HeaderOf(model, file);
    header.labels = labels;
    const auto session = Must(models_->Import(header, {}));
    if (!session->Write(BytesOf(file)).ok()) {
      std::abort();
    }
    return Must(session->Finish()).version.row.version;
  }
  static std::string Solid(int red, int blue) {
    Pixels pixels{.width = 32, .height = 32, .rgb = {}};
    for (int i = 0; i < 32 * 32; ++i) {
      pixels.rgb.insert(pixels.rgb.end(), {static_cast<std::uint8_t>(red), 0,
                                           static_cast<std::uint8_t>(blue)});
    }
    const testing::Encoded png = testing::EncodePng(pixels);
    return {png.begin(), png.end()};
  }
  // Labels "0", "1", ... with solid pictures: red tells the class, blue counts.
  void MakeDataset(const std::string& name, int per_class,
                   const std::vector<std::string>& more_labels = {},
                   ExampleSplit split = ExampleSplit::kAuto,
                   std::size_t most = 1000) {
    const DatasetName dataset = DatasetName::Parse(name).value();
    std::vector<std::string> labels;
    std::vector<std::string> files;
    for (int label = 0; label < kClasses; ++label) {
      labels.push_back(absl::StrCat(label));
      for (int i = 0; i < per_class; ++i) {
        files.push_back(Solid(20 * label, i));
      }
    }
    files.resize(std::min(most, files.size()));
    std::vector<UploadedExample> examples;
    for (std::size_t i = 0; i < files.size(); ++i) {
      examples.push_back(
          {.name = "x",
           .label = labels[i / static_cast<std::size_t>(per_class)],
           .split = split,
           .bytes = BytesOf(files[i])});
    }
    // Pictures of classes that no version knows: one, two, ...
    std::vector<std::string> strange;
    for (std::size_t i = 0; i < more_labels.size(); ++i) {
      labels.push_back(more_labels[i]);
      for (std::size_t k = 0; k <= i; ++k) {
        strange.push_back(Solid(200, static_cast<int>(10 * i + k)));
      }
    }
    std::size_t next = 0;
    for (std::size_t i = 0; i < more_labels.size(); ++i) {
      for (std::size_t k = 0; k <= i; ++k) {
        examples.push_back({.name = "x",
                            .label = more_labels[i],
                            .split = split,
                            .bytes = BytesOf(strange[next++])});
      }
    }
    Must(datasets_->CreateDataset(dataset, labels, {}));
    const auto progress = Must(datasets_->Add(dataset, "u", 0, examples));
    if (progress.accepted != static_cast<std::int64_t>(examples.size())) {
      std::abort();
    }
    Must(datasets_->SealDataset(dataset, "", {}));
  }
  static Measurement On(const std::string& name,
                        DatasetPart part = DatasetPart::kAll) {
    return {.dataset = DatasetName::Parse(name).value(), .part = part};
  }
  absl::StatusOr<VersionEvaluation> Evaluate(
      std::int64_t version, const Measurement& what,
      const Evaluator::GoOn& go_on = Always) {
    return evaluator_->Evaluate(Named("digits"), {version}, what, go_on);
  }
  Residency StateOf(std::int64_t version) {
    return Must(models_->GetVersion(Named("digits"), {version})).residency;
  }
  std::size_t Versions() {
    return Must(models_->ListVersions(Named("digits"))).size();
  }

  TempDir folder_;
  Watched watched_;
  ErringLoader loader_{watched_};
  ModelRegistry registry_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<DatasetManager> datasets_;
  std::unique_ptr<ModelManager> models_;
  std::unique_ptr<Evaluator> evaluator_;
};

}  // namespace resnetd
