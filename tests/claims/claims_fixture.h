#pragma once

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <vector>

#include "server/finetune/network_parts.h"
#include "server/nn/block_tap.h"
#include "tests/claims/labs.h"
#include "tests/support/digits.h"

namespace resnetd {

// Whether the full forms are asked for: more seeds, deeper networks, whole
// trainings.
inline bool IsLong() { return std::getenv("RESNETD_TEST_LONG") != nullptr; }

// Read once in a process.
inline const Digits& AllDigits() {
  static const Digits digits = ReadDigits(RESNETD_SOURCE_DIR "/data/digits");
  EXPECT_EQ(digits.train.size(), 1437U);
  EXPECT_EQ(digits.held_out.size(), 360U);
  return digits;
}

// The first `count` digits to learn from.
inline TrainingBatch FirstDigits(std::size_t count) {
  return BatchOf(AllDigits(),
                 absl::MakeConstSpan(AllDigits().train).subspan(0, count));
}

// Keeps all that it sees of a block, value by value.
class KeepingTap final : public WatchingTap {
 public:
  KeepingTap() : WatchingTap(/*watches_sum=*/true) {}

  void TakeOutputs(const at::Tensor& main,
                   const at::Tensor& shortcut) override {
    main_output = main.detach().clone();
    shortcut_output = shortcut.detach().clone();
  }
  Fork Split(const at::Tensor& input) override {
    block_input = input.detach().clone();
    return WatchingTap::Split(input);
  }
  void TakeSum(const at::Tensor& sum) override {
    sum_output = sum.detach().clone();
    WatchingTap::TakeSum(sum);
  }

  const at::Tensor& at(Place place) const {
    return gradients_[static_cast<std::size_t>(place)];
  }

  at::Tensor block_input;
  at::Tensor main_output;
  at::Tensor shortcut_output;
  at::Tensor sum_output;

 private:
  void TakeGradient(Place place, const at::Tensor& gradient) override {
    gradients_[static_cast<std::size_t>(place)] = gradient.detach().clone();
  }

  std::array<at::Tensor, 4> gradients_;
};

// A network of the lab that begins, and what one pass there and back through it
// shows of every block, in double precision.
class SeenPass {
 public:
  SeenPass(const LabSpec& spec, const TrainingBatch& batch)
      : network_(LabNetwork(spec, kDigitClasses)),
        weights_(LabWeights(spec, network_)) {
    const at::TensorOptions options =
        at::TensorOptions(at::kCPU).dtype(at::kDouble);
    const TorchResNet net(network_, weights_, options);
    TrainedParameters(network_, net.State(),
                      std::vector<bool>(PartNames(network_).size(), true));
    TrainingPass pass;
    pass.norms.assign(PartNames(network_).size(), NormMode{.batch_share = 0});
    std::vector<std::unique_ptr<PlainTap>> plain;
    for (std::size_t i = 0; i < network_.blocks.size(); ++i) {
      taps_.push_back(std::make_unique<KeepingTap>());
      plain.push_back(std::make_unique<PlainTap>(taps_.back().get()));
      pass.taps.push_back(spec.has_shortcuts
                              ? static_cast<BlockTap*>(taps_.back().get())
                              : plain.back().get());
    }
    const Loss loss(0, {}, options);
    const BatchInput input(DigitPreprocess(), FeatureShape(), options);
    loss.Sum(net.Forward(input.Of(batch), pass), batch)
        .div(static_cast<double>(batch.labels.size()))
        .backward();
  }

  std::size_t blocks() const { return taps_.size(); }
  const KeepingTap& tap(std::size_t block) const { return *taps_[block]; }
  const at::Tensor& gradient(std::size_t block,
                             WatchingTap::Place place) const {
    return taps_[block]->at(place);
  }
  bool is_identity(std::size_t block) const {
    return !network_.blocks[block].shortcut;
  }
  const Network& network() const { return network_; }
  const Weights& weights() const { return weights_; }

 private:
  const Network network_;
  const Weights weights_;
  std::vector<std::unique_ptr<KeepingTap>> taps_;
};

using Place = WatchingTap::Place;

inline double NormOfValues(const at::Tensor& values) {
  return values.norm().item<double>();
}

}  // namespace resnetd
