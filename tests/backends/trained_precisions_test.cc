// Precisions on a network that has learned something: a ResNet-18 that the
// trainer teaches handwritten digits here, from nothing, then served by the
// engine. Random weights say little about rounding: their classes lie close
// together, and no layer of theirs has the few large activations that training
// makes.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <numbers>
#include <oneapi/dnnl/dnnl.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "server/app/plugin.h"
#include "server/engine/agreement.h"
#include "server/engine/calibrator.h"
#include "server/engine/cpu_model.h"
#include "server/engine/precision.h"
#include "server/finetune/network_parts.h"
#include "server/finetune/trainer.h"
#include "server/image/preprocess.h"
#include "server/models/weight_fill.h"
#include "tests/support/cpu_arithmetic.h"
#include "tests/support/digits.h"
#include "tests/support/filled_package.h"
#include "tests/support/golden_logits.h"

namespace resnetd {
namespace {

// The smallest side that leaves the last stage a pixel; eight would leave the
// third one without neighbours.
constexpr int kSide = 32;
constexpr std::size_t kTrainingBatch = 32;
constexpr double kPeakRate = 0.05;
constexpr std::size_t kCalibration = 64;
constexpr std::size_t kServedBatch = 8;

// 1,437 digits each: some 35 s of a core.
int Epochs() {
  const char* is_long = std::getenv("RESNETD_TEST_LONG");
  return is_long != nullptr && std::string(is_long) == "1" ? 8 : 2;
}

// As a network begins: convolutions spread by their size, norms that change
// nothing.
Weights FirstWeights(const Network& network) {
  const Weights filled = FillWeights(network);
  absl::flat_hash_map<std::string, Tensor> tensors;
  for (const TensorSpec& spec : TensorSpecs(network)) {
    if (spec.optional_counter) {
      continue;
    }
    Tensor tensor = filled.at(spec.name);
    if (spec.shape.size() == 1) {
      const bool is_one = absl::EndsWith(spec.name, ".weight") ||
                          absl::EndsWith(spec.name, ".running_var");
      std::fill(tensor.values.begin(), tensor.values.end(),
                is_one ? 1.0F : 0.0F);
    }
    tensors[spec.name] = std::move(tensor);
  }
  return Weights::FromTensors(std::move(tensors));
}

Digits EnlargedDigits(const PreprocessSpec& preprocess) {
  Digits digits = ReadDigits(RESNETD_SOURCE_DIR "/data/digits");
  for (Pixels& picture : digits.pictures) {
    picture = ResizeAndCrop(picture, preprocess);
  }
  return digits;
}

// Teaches `package`'s network in place; what LibTorch then says of `shown`.
std::vector<float> Train(const Digits& digits,
                         const std::vector<const Pixels*>& shown,
                         ModelPackage& package) {
  const auto plugin =
      LoadTrainerPlugin(TorchPluginCandidates(ExecutableFolder()));
  EXPECT_TRUE(plugin.ok()) << plugin.status();
  const std::size_t parts = PartNames(package.network).size();
  TrainerOptions options;
  options.trained_parts.assign(parts, true);
  options.optimizer.weight_decay = 1e-4;
  const auto trainers = (*plugin)->create({});
  const auto trainer =
      (*trainers)
          ->Create(options, package.network, FirstWeights(package.network),
                   package.facts.preprocess)
          .value();
  DigitBatches batches(digits, kTrainingBatch, 1);
  const int steps = Epochs() * batches.per_epoch();
  for (int step = 0; step < steps; ++step) {
    const double done = static_cast<double>(step) / steps;
    const double rate = kPeakRate * (1 + std::cos(std::numbers::pi * done)) / 2;
    const TrainingBatch batch = batches.Next();
    const auto report =
        trainer->Step({&batch, 1}, {.rates = std::vector<double>(parts, rate),
                                    .by_gradients = false,
                                    .observe = std::nullopt});
    EXPECT_TRUE(report.ok() && report->is_finite) << "step " << step;
  }
  absl::flat_hash_map<std::string, Tensor> tensors;
  TensorList exported = trainer->ExportWeights().value();
  for (auto& [name, tensor] : exported) {
    tensors[name] = std::move(tensor);
  }
  package.weights = Weights::FromTensors(std::move(tensors));
  return trainer->Logits(shown).value();
}

// The network in float32, as the engine serves it, and what it is shown.
class Trained {
 public:
  Trained() {
    PreprocessSpec& preprocess = package_.facts.preprocess;
    preprocess = DigitPreprocess();
    preprocess.resize = preprocess.crop = kSide;
    digits_ = EnlargedDigits(preprocess);
    for (const std::size_t row : digits_.held_out) {
      unseen_.push_back(&digits_.pictures[row]);
      labels_.push_back(digits_.labels[row]);
    }
    by_torch_ = Train(digits_, unseen_, package_);
    floats_ = CpuModel::Load(engine_, package_, kServedBatch, 1).value();
    by_floats_ = LogitsOfAll(*floats_, unseen_).value();
  }

  std::size_t pictures() const { return unseen_.size(); }
  int correct() const { return Beside(*floats_).correct; }

  double DifferenceToTorch() const {
    return RelativeToScale({by_torch_.begin(), by_torch_.end()},
                           by_floats_.data());
  }

  Calibration Calibrated() const {
    std::vector<const Pixels*> seen;
    for (std::size_t i = 0; i < kCalibration; ++i) {
      const std::size_t row =
          digits_.train[i * digits_.train.size() / kCalibration];
      seen.push_back(&digits_.pictures[row]);
    }
    return Calibrate(engine_, *floats_, seen).value().calibration;
  }

  absl::StatusOr<std::unique_ptr<CpuModel>> Load(
      Precision precision, Calibration calibration = {}) const {
    CpuNetwork network = floats_->Network();
    network.precision = precision;
    network.calibration = std::move(calibration);
    return CpuModel::Load(engine_, std::move(network), kServedBatch, 1);
  }

  // On the digits that training did not see.
  Agreement Beside(const CpuModel& model) const {
    return Compare(by_floats_, LogitsOfAll(model, unseen_).value(),
                   kDigitClasses, labels_);
  }

 private:
  const dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  ModelPackage package_ = FilledPackage("resnet18", kDigitClasses, kSide);
  Digits digits_;
  std::vector<const Pixels*> unseen_;
  std::vector<int> labels_;
  std::vector<float> by_torch_;
  std::unique_ptr<CpuModel> floats_;
  std::vector<float> by_floats_;
};

// Each is at most 1e-5 off the truth.
void ExpectFloat32IsLibTorchs(const Trained& trained) {
  EXPECT_LE(trained.DifferenceToTorch(), 2e-5);
}

void ExpectInt8Agrees(const Trained& trained) {
  const auto model = trained.Load(Precision::kInt8, trained.Calibrated());
  ASSERT_TRUE(model.ok()) << model.status();
  const Agreement agreement = trained.Beside(**model);
  EXPECT_GE(agreement.share(), 0.985) << agreement.same_top1;
  EXPECT_GE(agreement.correct * 100, trained.correct() * 99);
  EXPECT_GT(agreement.error, 0) << "it is float32";
  EXPECT_LE(agreement.error, 0.1);
  testing::Test::RecordProperty("correct", trained.correct());
  testing::Test::RecordProperty("int8_agreeing", agreement.same_top1);
  testing::Test::RecordProperty("int8_error", std::to_string(agreement.error));
}

void ExpectBf16AgreesOrIsRefused(const Trained& trained) {
  const auto model = trained.Load(Precision::kBfloat16);
  if (!CpuHasBfloat16()) {
    EXPECT_EQ(model.status().code(), absl::StatusCode::kFailedPrecondition);
    return;
  }
  ASSERT_TRUE(model.ok()) << model.status();
  const Agreement agreement = trained.Beside(**model);
  EXPECT_GE(agreement.share(), 0.997) << agreement.same_top1;
  EXPECT_GE(agreement.correct * 1000, trained.correct() * 997);
  EXPECT_GT(agreement.error, 0) << "it is float32";
  EXPECT_LE(agreement.error, 0.02);
}

// One test, so that the network is trained once.
TEST(TrainedPrecisionsTest, AResNet18ThatLearnedDigitsAnswersAlikeInAll) {
  const Trained trained;
  ASSERT_EQ(trained.pictures(), 360U);
  EXPECT_GE(trained.correct(), 360 * 90 / 100) << "it has not learned them";
  ExpectFloat32IsLibTorchs(trained);
  ExpectInt8Agrees(trained);
  ExpectBf16AgreesOrIsRefused(trained);
}

}  // namespace
}  // namespace resnetd
