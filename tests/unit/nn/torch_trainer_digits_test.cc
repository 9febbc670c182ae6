// A whole training on real pictures: the handwritten digits of data/digits.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <iostream>
#include <memory>
#include <numbers>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "server/finetune/rate_schedule.h"
#include "tests/support/digits.h"
#include "tests/support/seeded_random.h"
#include "tests/unit/nn/few_channels.h"
#include "tests/unit/nn/training_fixture.h"

namespace resnetd {
namespace {

constexpr std::size_t kBatch = 64;
constexpr int kEpochs = 10;
constexpr double kPeakRate = 0.1;

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

class DigitsTraining {
 public:
  DigitsTraining()
      : all_(ReadDigits(RESNETD_SOURCE_DIR "/data/digits")),
        network_(BuildNetwork(
            FindArchitecture("cifar_resnet8", kDigitClasses).value())),
        one_dnn_(network_),
        train_(all_.train) {
    TrainerOptions options;
    options.trained_parts.assign(PartNames(network_).size(), true);
    options.optimizer.weight_decay = 1e-4;
    trainer_ = TorchTrainer::Create(options, network_, FirstWeights(network_),
                                    DigitPreprocess(), at::kCPU)
                   .value();
    settings_.rates.resize(PartNames(network_).size());
  }

  std::size_t examples() const { return train_.size(); }

  void Train() {
    const int per_epoch = static_cast<int>(train_.size() / kBatch);
    SeededRandom random(1);
    for (int step = 0; step < kEpochs * per_epoch; ++step) {
      const int in_epoch = step % per_epoch;
      if (in_epoch == 0) {
        for (std::size_t i = train_.size() - 1; i > 0; --i) {
          std::swap(train_[i], train_[random.Below(i + 1)]);
        }
      }
      const double done = static_cast<double>(step) / (kEpochs * per_epoch);
      std::fill(settings_.rates.begin(), settings_.rates.end(),
                kPeakRate * (1 + std::cos(std::numbers::pi * done)) / 2);
      TrainingBatch batch;
      const std::size_t first = static_cast<std::size_t>(in_epoch) * kBatch;
      for (std::size_t i = first; i < first + kBatch; ++i) {
        batch.pictures.push_back(&all_.pictures[train_[i]]);
        batch.labels.push_back(all_.labels[train_[i]]);
      }
      ASSERT_TRUE(trainer_->Step({&batch, 1}, settings_).value().is_finite);
    }
  }

  // Mean share of its rate that each part gets by its gradients on 10 batches
  // of what `shift` makes of the digits; the network learns nothing from it.
  template <typename Shift>
  std::vector<double> SharesAfter(const Shift& shift) {
    StepSettings settings{
        .rates = std::vector<double>(settings_.rates.size(), 1e-12),
        .by_gradients = true};
    constexpr std::size_t kBatches = 10;
    std::vector<double> shares(settings.rates.size());
    for (std::size_t at = 0; at < kBatches; ++at) {
      Digits shifted;
      TrainingBatch batch;
      for (std::size_t i = at * kBatch; i < (at + 1) * kBatch; ++i) {
        shifted.pictures.push_back(all_.pictures[train_[i]]);
        shifted.labels.push_back(all_.labels[train_[i]]);
        shift(shifted.pictures.back(), shifted.labels.back());
      }
      for (const Pixels& picture : shifted.pictures) {
        batch.pictures.push_back(&picture);
      }
      batch.labels = shifted.labels;
      const StepReport report = trainer_->Step({&batch, 1}, settings).value();
      const std::vector<double> scaled = ScaleByGradients(
          std::vector<double>(shares.size(), 1.0), report.parts);
      for (std::size_t part = 0; part < shares.size(); ++part) {
        shares[part] += scaled[part] / kBatches;
      }
    }
    return shares;
  }

  // Share of the held-out digits that are recognised.
  double Accuracy() const {
    std::vector<const Pixels*> pictures;
    for (const std::size_t row : all_.held_out) {
      pictures.push_back(&all_.pictures[row]);
    }
    const std::vector<float> logits = trainer_->Logits(pictures).value();
    int correct = 0;
    for (std::size_t i = 0; i < all_.held_out.size(); ++i) {
      const auto row =
          logits.begin() + static_cast<std::ptrdiff_t>(i) * kDigitClasses;
      const auto best = std::max_element(row, row + kDigitClasses) - row;
      correct += best == all_.labels[all_.held_out[i]] ? 1 : 0;
    }
    return correct / static_cast<double>(all_.held_out.size());
  }

 private:
  const Digits all_;
  const Network network_;
  const OneDnnFor one_dnn_;
  std::vector<std::size_t> train_;
  std::unique_ptr<TorchTrainer> trainer_;
  StepSettings settings_;
};

// A network that has learnt, for all tests.
class TorchTrainerDigitsTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    training_ = std::make_unique<DigitsTraining>();
    accuracy_before_ = training_->Accuracy();
    const std::clock_t started = std::clock();
    training_->Train();
    seconds_ = static_cast<double>(std::clock() - started) / CLOCKS_PER_SEC;
  }
  static void TearDownTestSuite() { training_.reset(); }

  static inline std::unique_ptr<DigitsTraining> training_;
  static inline double accuracy_before_ = 1;
  static inline double seconds_ = 0;
};

TEST_F(TorchTrainerDigitsTest, LearnsHandwrittenDigits) {
  ASSERT_EQ(training_->examples(), 1437U);
  EXPECT_LT(accuracy_before_, 0.4);
  const double accuracy = training_->Accuracy();
  std::cout << "held-out accuracy " << accuracy << " after " << kEpochs
            << " epochs, " << seconds_ << " s of CPU\n";
  EXPECT_GE(accuracy, 0.95);
}

TEST_F(TorchTrainerDigitsTest, GradientsPickThePartsThatAShiftIsAbout) {
  const auto print = [](const char* what, const std::vector<double>& shares) {
    std::cout << what;
    for (const double share : shares) {
      std::cout << ' ' << share;
    }
    std::cout << '\n';
  };
  const std::vector<double> inverted =
      training_->SharesAfter([](Pixels& picture, int& /*label*/) {
        for (std::uint8_t& value : picture.rgb) {
          value = static_cast<std::uint8_t>(255 - value);
        }
      });
  print("inverted pictures:", inverted);
  const std::vector<double> permuted = training_->SharesAfter(
      [](Pixels& /*picture*/, int& label) { label = (label + 1) % 10; });
  print("permuted labels:", permuted);
  const auto largest = [](const std::vector<double>& shares) {
    return std::max_element(shares.begin(), shares.end()) - shares.begin();
  };
  // Stem, layer1, layer2, layer3, head.
  EXPECT_LT(largest(inverted), 2);
  EXPECT_EQ(largest(permuted), 4);
}

}  // namespace
}  // namespace resnetd
