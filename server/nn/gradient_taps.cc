#include "server/nn/gradient_taps.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "server/nn/stopwatch.h"
#include "server/nn/tensor_norm.h"

namespace resnetd {
namespace {

// Below this ratio of the two norms they say too little of the angle between:
// the digits that float32 has are those of the larger one.
constexpr double kSmallPath = 1e-2;

}  // namespace

void NormTap::TakeOutputs(const at::Tensor& main, const at::Tensor& shortcut) {
  if (!is_on()) {
    return;
  }
  Stopwatch watch;
  NormInto(main, slots_[kMainOutput]);
  NormInto(shortcut, slots_[kShortcutOutput]);
  forward_time_ += watch.Lap();
}

void NormTap::TakeGradient(Place place, const at::Tensor& gradient) {
  Stopwatch watch;
  switch (place) {
    case Place::kShortcut:
      TakePath(kShortcut, gradient);
      break;
    case Place::kMain:
      TakePath(kMain, gradient);
      break;
    case Place::kInput:
      TakeInput(gradient);
      break;
    case Place::kSum:
      NormInto(gradient, slots_[kSum]);
      break;
  }
  backward_time_ += watch.Lap();
}

void NormTap::TakePath(Slot slot, const at::Tensor& gradient) {
  if (!waiting_.defined()) {
    waiting_ = gradient;
    waiting_slot_ = slot;
    return;
  }
  if (const auto sums = PairSumsHere(waiting_, gradient)) {
    Put(std::sqrt(sums->left), slots_[waiting_slot_]);
    Put(std::sqrt(sums->right), slots_[slot]);
    Put(std::sqrt(sums->both), slots_[kInput]);
    Put(sums->products, slots_[kDot]);
    has_input_ = true;
    has_dot_ = true;
  } else {
    NormInto(waiting_, slots_[waiting_slot_]);
    NormInto(gradient, slots_[slot]);
    has_dot_ = NeedsDot();
    if (has_dot_) {
      DotInto(waiting_, gradient, slots_[kDot]);
    }
  }
  waiting_.reset();
}

void NormTap::TakeInput(const at::Tensor& gradient) {
  if (waiting_.defined()) {  // Nothing came back through the other path.
    NormInto(waiting_, slots_[waiting_slot_]);
    waiting_.reset();
  }
  if (!has_input_) {
    NormInto(gradient, slots_[kInput]);
  }
}

bool NormTap::NeedsDot() const {
  if (!slots_[kMain].is_cpu()) {
    return true;  // Cheaper than to wait for the norms.
  }
  const double main = slots_[kMain].item<double>();
  const double shortcut = slots_[kShortcut].item<double>();
  return std::min(main, shortcut) < kSmallPath * std::max(main, shortcut);
}

GradientTaps::GradientTaps(std::size_t passes,
                           const std::vector<bool>& identity,
                           const at::TensorOptions& options)
    : identity_(identity),
      slots_(Slots({static_cast<std::int64_t>(passes * identity.size() *
                                              NormTap::kSlots)},
                   options)) {
  const std::vector<at::Tensor> slots = slots_.unbind();
  const absl::Span<const at::Tensor> all = slots;
  taps_.reserve(passes * identity.size());
  for (std::size_t i = 0; i < passes * identity.size(); ++i) {
    taps_.push_back(std::make_unique<NormTap>(
        all.subspan(i * NormTap::kSlots, NormTap::kSlots),
        identity[i % identity.size()]));
  }
}

std::vector<BlockTap*> GradientTaps::OfPass(std::size_t pass) const {
  std::vector<BlockTap*> taps;
  taps.reserve(identity_.size());
  for (std::size_t block = 0; block < identity_.size(); ++block) {
    taps.push_back(taps_[pass * identity_.size() + block].get());
  }
  return taps;
}

Duration GradientTaps::forward_time() const {
  Duration sum{};
  for (const std::unique_ptr<NormTap>& tap : taps_) {
    sum += tap->forward_time();
  }
  return sum;
}

Duration GradientTaps::backward_time() const {
  Duration sum{};
  for (const std::unique_ptr<NormTap>& tap : taps_) {
    sum += tap->backward_time();
  }
  return sum;
}

std::vector<std::optional<BlockPaths>> GradientTaps::Blocks(
    absl::Span<const double> numbers) const {
  std::vector<std::optional<BlockPaths>> blocks;
  blocks.reserve(identity_.size());
  for (std::size_t block = 0; block < identity_.size(); ++block) {
    blocks.push_back(BlockOf(block, numbers));
  }
  return blocks;
}

std::optional<BlockPaths> GradientTaps::BlockOf(
    std::size_t block, absl::Span<const double> numbers) const {
  std::array<double, NormTap::kSlots> squares{};
  double dot = 0;
  for (std::size_t i = block; i < taps_.size(); i += identity_.size()) {
    if (!taps_[i]->is_on()) {
      return std::nullopt;
    }
    const absl::Span<const double> of_tap =
        numbers.subspan(i * NormTap::kSlots, NormTap::kSlots);
    std::array<double, NormTap::kSlots> of_pass{};
    for (std::size_t slot = 0; slot < NormTap::kSlots; ++slot) {
      of_pass[slot] = of_tap[slot] * of_tap[slot];
      squares[slot] += of_pass[slot];
    }
    dot += taps_[i]->has_dot()
               ? of_tap[NormTap::kDot]
               : (of_pass[NormTap::kInput] - of_pass[NormTap::kShortcut] -
                  of_pass[NormTap::kMain]) /
                     2;
  }
  BlockPaths result;
  result.paths = {
      .shortcut = std::sqrt(squares[NormTap::kShortcut]),
      .main = std::sqrt(squares[NormTap::kMain]),
      .input = std::sqrt(squares[NormTap::kInput]),
      .sum = std::sqrt(
          squares[identity_[block] ? NormTap::kShortcut : NormTap::kSum])};
  const double product = result.paths.shortcut * result.paths.main;
  if (product > 0) {
    result.paths.cosine = std::clamp(dot / product, -1.0, 1.0);
  }
  if (squares[NormTap::kShortcutOutput] > 0) {
    result.residual_ratio = std::sqrt(squares[NormTap::kMainOutput] /
                                      squares[NormTap::kShortcutOutput]);
  }
  return result;
}

}  // namespace resnetd
