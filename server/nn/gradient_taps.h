#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "absl/types/span.h"
#include "server/base/clock.h"
#include "server/finetune/gradient_sample.h"
#include "server/nn/block_tap.h"

namespace resnetd {

// Measures the two paths of one block in one pass; the numbers stay on the
// device. Threads: as WatchingTap.
class NormTap final : public WatchingTap {
 public:
  // Where the numbers are among `slots`.
  enum Slot : std::size_t {
    kShortcut,
    kMain,
    kInput,
    kSum,
    // The product of the gradients of both paths; only with has_dot().
    kDot,
    kMainOutput,
    kShortcutOutput,
    kSlots
  };

  // `slots`: kSlots of them, see tensor_norm.h. With an identity shortcut the
  // gradient of the sum is that of the shortcut, bit for bit, and is not taken
  // twice.
  NormTap(absl::Span<const at::Tensor> slots, bool is_identity)
      : WatchingTap(!is_identity), slots_(slots.begin(), slots.end()) {}

  void TakeOutputs(const at::Tensor& main, const at::Tensor& shortcut) override;

  bool has_dot() const { return has_dot_; }

  // What measuring took of the two passes.
  Duration forward_time() const { return forward_time_; }
  Duration backward_time() const { return backward_time_; }

 private:
  void TakeGradient(Place place, const at::Tensor& gradient) override;
  // Of either path: the first one waits for the other.
  void TakePath(Slot slot, const at::Tensor& gradient);
  void TakeInput(const at::Tensor& gradient);
  // Whether the norms say too little of the angle between.
  bool NeedsDot() const;

  const std::vector<at::Tensor> slots_;
  at::Tensor waiting_;
  Slot waiting_slot_ = kMain;
  // Measured along with the paths.
  bool has_input_ = false;
  Duration forward_time_{};
  Duration backward_time_{};
  bool has_dot_ = false;
};

// What a step shows of one block.
struct BlockPaths {
  PathNorms paths;
  // |F(x)| / |S(x)|; absent when S(x) is 0.
  std::optional<double> residual_ratio;
};

// The taps of all blocks in the passes of one step, and what they measured.
//
// Not thread-safe. May throw c10::Error.
class GradientTaps {
 public:
  // `identity`: of each block, whether its shortcut is the identity. `options`
  // has the device.
  GradientTaps(std::size_t passes, const std::vector<bool>& identity,
               const at::TensorOptions& options);

  // Those of pass `pass`, one for each block.
  std::vector<BlockTap*> OfPass(std::size_t pass) const;

  // What measuring took, of all passes.
  Duration forward_time() const;
  Duration backward_time() const;

  // Every number of every tap; not waited for.
  const at::Tensor& slots() const { return slots_; }

  // What `numbers`, the values of slots(), say of each block over all passes:
  // each had examples of its own, and its loss was divided by what belongs to
  // all of them, so that squares add up. Absent for a block that saw no
  // gradient.
  std::vector<std::optional<BlockPaths>> Blocks(
      absl::Span<const double> numbers) const;

 private:
  std::optional<BlockPaths> BlockOf(std::size_t block,
                                    absl::Span<const double> numbers) const;

  const std::vector<bool> identity_;
  const at::Tensor slots_;
  std::vector<std::unique_ptr<NormTap>> taps_;  // by pass, then by block
};

}  // namespace resnetd
